"""Commands of the embedded stack: `rewards up`, `down`, `status`, `restart`, `stacks`.

They stand before the data's way: what they start is what the records go through. What runs and what it is told is lifecycle.py's.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import typer

from connectors.options import FolderOption

if TYPE_CHECKING:
    from connectors.local.folder import StackFolder

DATABASES: Final = {"warehouse": "REWARDS_WAREHOUSE_URL", "points": "REWARDS_DATABASE_URL"}
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def up(
    context: typer.Context,
    *,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return once everything runs; `rewards down` stops it.")
    ] = False,
    feed: Annotated[
        bool, typer.Option("--feed/--no-feed", help="Sample data and a feed that keeps changing it.")
    ] = True,
    data: FolderOption = None,
    business_date: Annotated[
        dt.datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Start on this business date; `rewards day --to` moves it on."),
    ] = None,
    only: Annotated[str | None, typer.Option(hidden=True, help="Names of units, comma separated: for tests.")] = None,
    background: Annotated[bool, typer.Option("--background", hidden=True, help="What --detach starts.")] = False,
) -> None:
    """Start the stack: Postgres, Kafka, Connect with Debezium, worker, lag, web, feed. Ctrl-C stops all of it.

    A worker, or another part that the rest can do without, that does not come up does not stop the start: it is named.

    Exit codes: 0 it was started (and, in the foreground, stopped again), runs already, or is being started; 1 it did not
    start, and nothing of it is left; 130 Ctrl-C during the start (143 SIGTERM).
    """
    from connectors.errors import StackRunningError
    from connectors.local import lifecycle, stack
    from connectors.local.folder import StackFolder
    from connectors.local.terminal import StartShown
    from connectors.settings import LocalSettings, forget_libpq_settings

    # What is said once it runs is read from the stack's own databases.
    forget_libpq_settings()
    folder = StackFolder(data)
    settings = LocalSettings()
    if folder.supervised():
        _say_running(folder, wait=detach)
        return
    day = business_date.date().isoformat() if business_date else None
    wanted = stack.Wanted(feed, day, tuple(only.split(",")) if only else ())
    formatter = context.obj.log_formatter(settings.log_format)
    if background:
        # The settings' paths have been read from where `up` was called; no folder is held on to.
        os.chdir("/")
        # Its output goes to a file, which passwords do not belong in.
        lifecycle.run(folder, settings, wanted, lambda _state: None, formatter)
        return
    lifecycle.prepare(settings)
    ended_by = None
    try:
        with StartShown(folder, is_supervisor=not detach) as shown:
            if detach:
                arguments = ["--feed" if feed else "--no-feed", *(("--business-date", day) if day else ())]
                ended_by = lifecycle.detach(folder, [*arguments, *(("--only", only) if only else ())], shown.changed)
            else:
                ended_by = lifecycle.run(folder, settings, wanted, shown.changed, formatter)
    except StackRunningError:
        # Two starts at once: the other one was quicker.
        _say_running(folder, wait=detach)
    if ended_by is not None:
        raise typer.Exit(128 + ended_by)


def _say_running(folder: StackFolder, *, wait: bool) -> None:
    """Say of a stack that somebody started before that it runs, and where; or that it is being started."""
    from connectors.local import lifecycle
    from connectors.local.terminal import StartShown, print_running

    state = folder.state().get("state")
    if state == "running":
        typer.echo(f"The stack in {folder.path} is running already.")
        print_running(folder)
        return
    typer.echo(
        f"The stack in {folder.path} is being {'stopped' if state == 'stopping' else 'started'} already;"
        f" `{folder.command('status')}` says how far it is."
    )
    if wait and state != "stopping":
        with StartShown(folder) as shown:
            lifecycle.follow(folder, shown.changed)


def restart(
    names: Annotated[list[str], typer.Argument(help="What to start again, as `rewards status` names it.")],
    *,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait until it runs.")] = 90,
    data: FolderOption = None,
    as_json: AsJson = False,
) -> None:
    """Start parts of a stack that runs again at once, also one that failed and stays down, or waits for its next try.

    Exit codes: 0 they run again; 1 one of them does not (the reason is printed), or no stack is running.
    """
    from connectors.local import restarts
    from connectors.local.folder import StackFolder

    folder = StackFolder(data)
    entries = [restarts.restart(folder, name, timeout) for name in names]
    if as_json:
        typer.echo(json.dumps(entries, indent=2))
    else:
        for one in entries:
            why = "; ".join(filter(None, (one.get("reason"), one.get("remedy"))))
            typer.echo(f"{one['name']} is {one['state']}{f': {why}' if why else ''}.")
    if any(one["state"] not in {"running", "done"} for one in entries):
        raise typer.Exit(1)


def stacks(
    ids: Annotated[list[str] | None, typer.Argument(help="Only these (default: all).")] = None,
    *,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the data of stacks whose folder is gone.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before removing.")] = False,
    data: FolderOption = None,  # noqa: ARG001 - every command takes it
    as_json: AsJson = False,
) -> None:
    """List databases that root's stacks keep outside of their folders, and remove those whose folder is gone.

    A folder may be gone because its disk is away, or because it was moved: the next `rewards up` there finds its data.

    Exit codes: 0 done; 1 one could not be removed, or you said no.
    """
    from connectors.local import shared_data
    from connectors.local.terminal import print_shared_data

    found = [one for one in shared_data.found() if not ids or one.stack_id in ids]
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], indent=2, default=str))
    else:
        print_shared_data(found)
    orphans = [one for one in found if not one.has_stack and not one.runs]
    if remove and orphans:
        if not yes:
            typer.confirm(f"Remove the data of {len(orphans)} stacks for good?", abort=True, err=True)
        for one in orphans:
            shared_data.remove(one)
        typer.echo(f"Removed {len(orphans)}.", err=as_json)


def psql(
    database: Annotated[Literal["warehouse", "points"], typer.Argument(help="The warehouse, or `sunroc_rewards`.")],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[ARGUMENT]…", help="Further arguments of psql.")
    ] = None,
    *,
    data: FolderOption = None,
) -> None:
    """Open one of the stack's databases with the psql that comes with it, or run what `-c` says.

    Exit codes: psql's own; 1 there is no stack, or no psql.
    """
    from connectors.local import postgres
    from connectors.local.folder import StackFolder
    from connectors.settings import LocalSettings, inherited_environment

    address = urlsplit(StackFolder(data).environment()[DATABASES[database]])
    # The password goes where no list of processes shows it.
    environment = inherited_environment() | {"PGPASSWORD": address.password or ""}
    where = f"postgresql://{address.username}@{address.hostname}:{address.port}{address.path}"
    program = postgres.psql(LocalSettings().postgres_bin)
    os.execve(program, [str(program), where, *(arguments or ())], environment)  # noqa: S606


def down(*, data: FolderOption = None) -> None:
    """Stop the stack and every process of it, also after its supervisor was killed.

    Exit codes: 0 nothing of it runs any more; 1 something could not be stopped.
    """
    from connectors.local import lifecycle
    from connectors.local.folder import StackFolder

    folder = StackFolder(data)
    ended = lifecycle.down(folder)
    typer.echo(f"Stopped {ended} processes." if ended else f"No stack is running in {folder.path}.")


Asked = Callable[[str], list[dict[str, Any]] | None]
"""Asks a database what it waits for, each with its `sentence`; None: it could not be asked."""


def status_command(open_reloads: Asked, halted_partitions: Asked) -> Callable[..., None]:
    """Return the command `status`; what waits in the stream's database is asked by whoever knows that."""

    def status(*, data: FolderOption = None, as_json: AsJson = False) -> None:
        """Say what runs, how it is, and where to reach it. The JSON holds passwords.

        Exit codes: 0 everything runs and has room, what is captured is sound and nothing waits for a person's word; 1 something does
        not, or is not, or does; 3 no stack was ever started in this folder.
        """
        from connectors.errors import StackNotRunningError
        from connectors.local import lifecycle
        from connectors.local.folder import StackFolder
        from connectors.local.terminal import print_status

        try:
            state = lifecycle.status(StackFolder(data))
        except StackNotRunningError as error:
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(3) from error
        state["reloads"] = open_reloads(state["rewards"])
        state["halted_partitions"] = halted_partitions(state["rewards"])
        if as_json:
            typer.echo(json.dumps(state, indent=2, default=str))
        else:
            print_status(state)
        unsound = any(finding["severity"] == "error" for one in state["sources"] for finding in one["findings"])
        unseen = state["reloads"] is None or state["halted_partitions"] is None
        asked = state["halted_partitions"] or any(one["waits_for_a_word"] for one in state["reloads"] or ())
        full = bool(state["short_of_room"])
        stands = any(one["state"] != "running" for one in state["processes"])
        if unsound or unseen or asked or full or stands or state["state"] != "running":
            raise typer.Exit(1)

    return status
