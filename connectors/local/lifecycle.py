"""`rewards up`, `down` and `status`: one stack in one folder, from its first start to the end of its last process."""

from __future__ import annotations

import logging
import logging.handlers
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import psutil

from connectors.errors import StackError, StackRunningError
from connectors.local import binaries, jars, leftovers, restarts, shared_data, stack
from connectors.local.folder import StackFolder
from connectors.local.groups import ask_to_end
from connectors.local.logs import LogLimits
from connectors.local.own_process import stopping_signals, supervisor_log
from connectors.local.pulse import halted
from connectors.local.room import short_of_room
from connectors.local.states import State
from connectors.local.supervisor import Supervisor
from connectors.local.units import KEEPS_ENDING, Child, Unit
from connectors.settings import OWN_PYTHON, ConnectorSettings, LocalSettings, forget_libpq_settings

log = logging.getLogger(__name__)
DETACHED_SECONDS: Final = 300
DOWN_SECONDS: Final = 90

Shown = Callable[[dict[str, Any]], None]
"""Called with the state whenever it changes."""


def prepare(settings: LocalSettings) -> None:
    """Download what is missing, with a progress bar, before anything is started."""
    jars.fetch_shown(jars.JarCache(settings.cache))
    binaries.java(settings.java_home)


def run(
    folder: StackFolder,
    settings: LocalSettings,
    wanted: stack.Wanted,
    shown: Shown,
    formatter: logging.Formatter | None = None,
) -> int | None:
    """Start the stack and supervise it until SIGINT, SIGTERM or SIGHUP; then stop all of it.

    Args:
        folder: of the stack.
        settings: where programs are found, and the limits.
        wanted: what to start.
        shown: called with the state whenever it changes.
        formatter: writes the supervisor's own log (that of the other processes, from cli.py).

    Returns:
        The signal where it ended a start that was not done yet.

    Raises:
        StackRunningError: another supervisor runs here.
        StackError: the start failed (everything that was started has been stopped).

    """
    forget_libpq_settings()
    folder.create()
    with folder.locked(), stopping_signals() as (stop, received), supervisor_log(folder, settings, formatter):
        leftovers.end(folder)
        restarts.clear(folder)
        came_up = False
        ports = folder.ports()
        state: dict[str, Any] = stack.addresses(folder.secrets(), ports) | {
            "tls_file": str(folder.tls_file),
            "business_date": wanted.business_date or "",
            "state": "starting",
            "error": None,
            "timezone": settings.timezone,
            "ports": ports,
            "samples": folder.state().get("samples", False),
            "processes": [_own_entry()],
        }
        folder.save(state)

        def changed(units: Sequence[Unit], up: bool) -> None:
            nonlocal came_up
            came_up = came_up or up
            state["state"] = "stopping" if stop.is_set() else "running" if up else "starting"
            state["samples"] |= any(unit.name == "samples" and unit.state is State.DONE for unit in units)
            children = [unit for unit in units if isinstance(unit, Child) and _listed(unit)]
            state["processes"] = [_own_entry(), *(_described(child, folder) for child in children)]
            folder.save(state)
            shown(state)

        try:
            units = stack.units(folder, settings, ports, wanted)
            Supervisor(units, folder, changed, LogLimits(settings.log_bytes, settings.log_files)).run(stop)
        except StackError as error:
            state["error"] = str(error)
            log.error("%s", error)
            raise
        finally:
            state["state"] = "failed" if state["error"] else "stopped"
            state["processes"] = [{"name": one["name"], "pid": None, "state": "stopped"} for one in state["processes"]]
            folder.save(state)
        return received[0] if received and not came_up else None


def detach(folder: StackFolder, arguments: Sequence[str], shown: Shown) -> int | None:
    """Start a supervisor in the background and wait until the stack is up.

    Returns:
        The signal where one ended the start; nothing of it is left then.

    Raises:
        StackRunningError: another supervisor was there first.
        StackError: it did not come up; the text is the supervisor's.

    """
    folder.create()
    # A signal is looked at between two steps: in the middle of one it would leave a supervisor that nobody knows of.
    with stopping_signals() as (stop, received), (folder.logs / "supervisor.out").open("wb") as output:
        supervisor = subprocess.Popen(  # noqa: S603
            [*OWN_PYTHON, "-m", "cli", "up", "--background", "--data", str(folder.path), *arguments],
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        is_up = False
        try:
            is_up = _await_up(folder, supervisor, shown, stop)
        finally:
            if not is_up:
                supervisor.terminate()
                supervisor.wait()
    return None if is_up else received[0]


def _await_up(folder: StackFolder, supervisor: subprocess.Popen[bytes], shown: Shown, stop: threading.Event) -> bool:
    """Whether it is up; false where `stop` was set before."""
    deadline = time.monotonic() + DETACHED_SECONDS
    while time.monotonic() < deadline:
        if stop.is_set():
            return False
        state = folder.state()
        mine = any(one["pid"] == supervisor.pid for one in state.get("processes", []))
        if supervisor.poll() is not None:
            if folder.supervised():
                raise StackRunningError(f"another supervisor was quicker to start in {folder.path}")
            said = (folder.logs / "supervisor.out").read_text(encoding="utf-8", errors="replace").strip()
            raise StackError(folder.state().get("error") or f"the supervisor ended at once: {said}")
        if mine:
            shown(state)
            if state["state"] == "running":
                return True
        stop.wait(0.1)
    raise StackError(f"the stack was not up after {DETACHED_SECONDS} s; see {folder.logs}")


def follow(folder: StackFolder, shown: Shown) -> None:
    """Wait until a start that somebody else began is done.

    Raises:
        StackError: it did not come up.

    """
    deadline = time.monotonic() + DETACHED_SECONDS
    while time.monotonic() < deadline and folder.supervised():
        state = folder.state()
        shown(state)
        if state.get("state") == "running":
            return
        time.sleep(0.1)
    raise StackError(folder.state().get("error") or f"the stack in {folder.path} did not come up; see {folder.logs}")


def down(folder: StackFolder) -> int:
    """Stop the stack, also what is left of one whose supervisor was killed; returns how many processes that was.

    Raises:
        StackError: the supervisor did not end in time.

    """
    entry = _supervisor(folder)
    if entry is None:
        return leftovers.end(folder)
    running = len([one for one in folder.state()["processes"] if one["pid"]])
    ask_to_end(entry["pid"], signal.SIGTERM)
    deadline = time.monotonic() + DOWN_SECONDS
    while leftovers.alive(entry):
        if time.monotonic() > deadline:
            raise StackError(f"the supervisor (pid {entry['pid']}) does not end; see {folder.logs / 'supervisor.log'}")
        time.sleep(0.05)
    return running


def _supervisor(folder: StackFolder) -> dict[str, Any] | None:
    """Return the supervisor's entry while it lives."""
    if not folder.supervised():
        return None
    return next((one for one in folder.state().get("processes", []) if one["name"] == "supervisor"), None)


def status(folder: StackFolder) -> dict[str, Any]:
    """The state as it is now: every process asked, not only what the supervisor wrote last.

    Raises:
        StackNotRunningError: no stack was ever started here.

    """
    forget_libpq_settings()
    folder.environment()
    state = folder.state()
    supervised = _supervisor(folder) is not None
    secrets = folder.secrets()
    with ThreadPoolExecutor() as pool:
        state["processes"] = list(
            pool.map(
                lambda one: _asked(one, lambda: stack.probe(one["name"], folder, state["ports"])), state["processes"]
            )
        )
    if not supervised:
        state["state"] = "unsupervised" if any(one["pid"] for one in state["processes"]) else "stopped"
    state["business_date"] = stack.business_date(folder, state["timezone"])
    state["sources"] = _sources(folder, state["processes"])
    places = (folder.path, shared_data.place(secrets.stack_id))
    state["short_of_room"] = short_of_room(places, LocalSettings().disk_low_bytes)
    return state


def _sources(folder: StackFolder, processes: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """How the connectors and what they capture are, where Connect runs: a process that runs says nothing of its source."""
    if not any(one["name"] == "connect" and one["pid"] for one in processes):
        return []
    from connectors.source.check import SourceCheck

    with SourceCheck(ConnectorSettings.of(folder.environment() | folder.owner_environment())) as check:
        return [one.describe() for one in check.look()]


def _asked(entry: dict[str, Any], probe: Callable[[], str | None]) -> dict[str, Any]:
    """A process' entry with its state as of now."""
    if entry["pid"] is not None and not leftovers.alive(entry):
        return entry | {"pid": None, "state": "backoff" if entry["name"] != "supervisor" else "stopped"}
    if entry["pid"] is None or entry["state"] not in {"running", "unhealthy"}:
        return entry
    if halted(entry["pid"]):
        return entry | {"state": "unhealthy", "reason": "is stopped by a signal (SIGSTOP) or held by a debugger"}
    if (wrong := probe()) is not None:
        return entry | {"state": "unhealthy", "reason": wrong}
    # What has no port is watched by the supervisor alone.
    return entry if entry["name"] in stack.PORTLESS else entry | {"state": "running", "reason": None}


def _listed(child: Child) -> bool:
    """Whether status names it: what ran once and did what it should is no process any more."""
    if child.state is State.WAITING and child.once:
        # One that failed and is to run again is not done yet: who asked for that waits for its end.
        return child.last_exit is not None
    return child.pid is not None or not child.once or child.state not in {State.DONE, State.STOPPED}


def _described(child: Child, folder: StackFolder) -> dict[str, Any]:
    """A child's entry, with what a person can do where it does not come up by itself."""
    log = folder.logs / f"{child.name}.log"
    down = child.state is State.FAILED or (child.failures >= KEEPS_ENDING and child.state is not State.RUNNING)
    remedy = (
        f"{log} says why; when that is mended, `{folder.command(f'restart {child.name}')}` starts it" if down else None
    )
    return child.describe() | {"log": str(log), "remedy": remedy}


def _own_entry() -> dict[str, Any]:
    pid = os.getpid()
    return {
        "name": "supervisor",
        "pid": pid,
        "created": psutil.Process(pid).create_time(),
        "state": "running",
        "restarts": 0,
    }
