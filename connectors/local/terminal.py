"""What a person sees while a stack starts, once it runs, and when asked for its status."""

from __future__ import annotations

import datetime as dt
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from rich.console import Console
from rich.status import Status
from rich.table import Column, Table
from rich.text import Text

from connectors.feed import suggestion
from connectors.local import stack
from connectors.local.folder import StackFolder
from connectors.local.shared_data import SharedData
from connectors.settings import OWN_PYTHON

SUGGESTION_SECONDS: Final = 30.0
"""So long the feed's first rows are waited for."""
COLOURS: Final = {
    "running": "green",
    "backoff": "yellow",
    "unhealthy": "yellow",
    "stopping": "yellow",
    "starting": "cyan",
    "waiting": "dim",
    "failed": "red",
}


class StartShown:
    """Progress of a start on the terminal: a line for each process that runs, and a spinner with what is awaited."""

    def __init__(self, folder: StackFolder, *, is_supervisor: bool = False) -> None:
        """Show the start of a folder's stack; a supervisor's own process is not held up by what is said at its end."""
        self._folder = folder
        self._is_supervisor = is_supervisor
        self._console = Console()
        self._spinner = Status("starting", console=self._console)
        self._began = time.monotonic()
        self._states: dict[str, str] = {}
        self._announced = False

    def __enter__(self) -> Self:
        self._spinner.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._spinner.stop()

    def changed(self, state: dict[str, Any]) -> None:
        """Show what is new."""
        for one in state["processes"]:
            before = self._states.get(one["name"])
            self._states[one["name"]] = one["state"]
            if (
                one["state"] != before
                and one["name"] != "supervisor"
                and one["state"] not in {"waiting", "starting", "stopping", "done"}
            ):
                self._line(one)
        if state["state"] == "running" and not self._announced:
            self._announced = True
            self._spinner.stop()
            missing = [one["name"] for one in state["processes"] if one["state"] not in {"running", "done"}]
            said = "All running" if not missing else f"Running, but for {', '.join(missing)},"
            self._console.print(f"{said} after {time.monotonic() - self._began:.0f} s.", highlight=False)
            if self._is_supervisor:
                threading.Thread(target=print_running, args=(self._folder,), daemon=True).start()
            else:
                print_running(self._folder)
        awaited = [one["name"] for one in state["processes"] if one["state"] in {"waiting", "starting"}]
        self._spinner.update(f"{state['state']}: {', '.join(awaited)}" if awaited else state["state"])

    def _line(self, one: dict[str, Any]) -> None:
        text = Text.assemble((f"{one['name']:<10}", "bold"), (f"{one['state']:<10}", COLOURS.get(one["state"], "")))
        if one.get("reason"):
            text.append(f" {one['reason']}")
        self._console.print(text)
        if one.get("remedy"):
            self._console.print(f"{'':<10}{one['remedy']}", style="dim", highlight=False, markup=False)


def print_running(folder: StackFolder) -> None:
    """Where to go and what to try."""
    state = folder.state()
    console = Console(highlight=False, soft_wrap=True)
    running = {one["name"] for one in state["processes"] if one["state"] == "running"}
    if "api" in running:
        console.print(f"\n[bold]Web[/bold]        {state['web']}")
    if "api" in running and state.get("samples"):
        logins = subprocess.run(  # noqa: S603
            [*OWN_PYTHON, "-m", "cli", "api", "logins", "--data", str(folder.path)],
            capture_output=True,
            text=True,
            check=False,
        )
        console.print(logins.stdout, markup=False, end="")
    console.print(f"[bold]Warehouse[/bold]  psql {state['warehouse']}")
    console.print(f"[bold]Points[/bold]     psql {state['rewards']}")
    if "api" in running and state.get("samples"):
        _print_suggestion(console, folder, wait_seconds=SUGGESTION_SECONDS if "feed" in running else 0)
    for one in state["processes"]:
        if one.get("remedy"):
            console.print(f"[bold]{one['name']}[/bold] ", Text(f"{one['state']}: {one['reason']}; {one['remedy']}"))
    console.print(
        f"\nLogs in {folder.logs}; `{typed(folder.command('status'))}` says how everything is,"
        f" `{typed(folder.command('down'))}` stops it.",
        markup=False,
    )


def typed(command: str) -> str:
    """A command of ours as it can be copied: with the program's path where a shell here would not find it, or find another."""
    program = Path(sys.executable).with_name("rewards")
    on_path = shutil.which("rewards")
    if not program.exists() or (on_path is not None and program.samefile(on_path)):
        return command
    here = Path.cwd()
    return shlex.quote(
        str(program.relative_to(here) if program.is_relative_to(here) else program)
    ) + command.removeprefix("rewards")


def _print_suggestion(console: Console, folder: StackFolder, wait_seconds: float) -> None:
    state = folder.state()
    today = dt.date.fromisoformat(stack.business_date(folder, state["timezone"]))
    line = suggestion.settled_line(state["warehouse"], today, wait_seconds)
    if line is not None:
        console.print("\n[bold]Try[/bold]       ", Text(typed(folder.command(suggestion.command(line)))))
        console.print(
            f"           and watch {state['web']}/customers/{suggestion.CUSTOMER}: {suggestion.DOLLARS} points less within a second"
        )


def print_status(state: dict[str, Any]) -> None:
    """Processes and addresses, without passwords."""
    console = Console(highlight=False)
    table = Table("process", "state", "pid", "restarts", "last exit", "", box=None)
    for one in state["processes"]:
        last_exit = "" if one.get("last_exit") is None else str(one["last_exit"])
        colour = COLOURS.get(one["state"], "")
        table.add_row(
            one["name"],
            Text(one["state"], colour),
            str(one["pid"] or ""),
            str(one.get("restarts", "")),
            last_exit,
            one.get("reason") or "",
        )
    console.print(table)
    for one in state["processes"]:
        if one.get("remedy"):
            console.print(Text(f"{one['name']}: {one['remedy']}"), soft_wrap=True)
    for said in state["short_of_room"]:
        console.print(Text(said, "red"), soft_wrap=True)
    for finding in (finding for one in state["sources"] for finding in one["findings"]):
        said = f"{finding['message']} ({finding['remedy']})"
        console.print(Text(said, "red" if finding["severity"] == "error" else "yellow"), soft_wrap=True)
    if state["reloads"] is None or state["halted_partitions"] is None:
        unseen = "Whether a reload or a partition waits for a word cannot be seen: the database does not answer."
        console.print(unseen, soft_wrap=True)
    for one in state["halted_partitions"] or ():
        console.print(Text(one["sentence"], "red"), soft_wrap=True)
    for one in state["reloads"] or ():
        said = one["sentence"] + (f" ({one['remedy']})" if one["remedy"] else "")
        console.print(Text(said, "red" if one["waits_for_a_word"] else "yellow"), soft_wrap=True)
    console.print(
        f"stack {state['state']}; business date {state['business_date']}; web {state['web']};"
        f" kafka {state['kafka']}; connect {state['connect']}"
    )


def print_shared_data(found: Sequence[SharedData]) -> None:
    """Data that stands outside of its stack's folder."""
    table = Table(
        Column("id", min_width=32),
        Column("MB", min_width=5),
        Column("", min_width=11),
        Column("folder of the stack", overflow="fold"),
        box=None,
    )
    for one in found:
        what = "runs" if one.runs else "" if one.has_stack else "folder gone"
        table.add_row(one.stack_id, f"{one.size_bytes / 1e6:.0f}", Text(what, "yellow"), str(one.stack or "unknown"))
    Console(highlight=False).print(table if found else "No stack keeps data outside of its folder.")
