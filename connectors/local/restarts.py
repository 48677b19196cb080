"""What a person asks of a supervisor that runs: `rewards restart NAME`, as files in the stack's folder.

A request is a file of its own that appears in one step, so that two requests never overwrite each other. The supervisor
removes it once its state file shows the restart: who waits for that never takes the state of before for the one after.
"""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from connectors.errors import StackError, StackNotRunningError
from connectors.local.folder import StackFolder

DOWN: Final = {"failed", "backoff"}
SETTLED: Final = DOWN | {"running", "unhealthy"}


def restart(folder: StackFolder, name: str, timeout_seconds: float = 90) -> dict[str, Any]:
    """Start a unit again at once, whether it runs, waits for its next try or failed; returns its entry once it is settled.

    Raises:
        StackNotRunningError: no supervisor runs in the folder.
        StackError: there is no such unit, or it has not settled in time.

    """
    request = _ask(folder, name)
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        # Asked first: an entry that was read before the request was gone may be the one of before the restart.
        taken = not request.exists()
        entry = _entry(folder, name)
        if taken:
            # What is not listed any more ran once, and did what it should.
            if entry is None:
                return {"name": name, "state": "done", "reason": None}
            if entry["state"] in SETTLED:
                return entry
        elif not folder.supervised():
            request.unlink(missing_ok=True)
            raise StackNotRunningError(f"the stack in {folder.path} has ended: `{folder.command('up')}` starts it")
        time.sleep(0.05)
    entry = _entry(folder, name) or {}
    raise StackError(
        f"{name} is {entry.get('state', 'not there')} after {timeout_seconds:.0f} s"
        f" ({entry.get('reason') or 'no reason given'}); `{folder.command('status')}` says how it goes on"
    )


def start_if_down(folder: StackFolder, name: str) -> bool:
    """Have a unit that failed, or waits for its next try, started at once; false where there is nothing to start.

    For commands that take away what kept it down, such as a decision about records that cannot be used. Does not wait.
    """
    entry = _entry(folder, name) if folder.supervised() else None
    if entry is None or entry["state"] not in DOWN:
        return False
    _ask(folder, name)
    return True


def pending(folder: StackFolder) -> Iterator[tuple[Path, str]]:
    """Requests that are not done yet, with the name of the unit; what is no request is removed."""
    for file in sorted(_place(folder).glob("*.json")):
        try:
            name = json.loads(file.read_text(encoding="utf-8"))["restart"]
        except FileNotFoundError:
            continue
        except (ValueError, KeyError, TypeError):
            file.unlink(missing_ok=True)
            continue
        yield file, str(name)


def clear(folder: StackFolder) -> None:
    """Forget what was asked of an earlier supervisor."""
    for file in _place(folder).glob("*"):
        with contextlib.suppress(OSError):
            file.unlink()


def _ask(folder: StackFolder, name: str) -> Path:
    """Leave a request; returns the file that vanishes once the supervisor has begun."""
    if not folder.supervised():
        raise StackNotRunningError(f"no stack is running in {folder.path}: `{folder.command('up')}` starts it")
    names = [one["name"] for one in folder.state().get("processes", []) if one["name"] != "supervisor"]
    if name not in names:
        raise StackError(f"there is no {name!r} in this stack; there are {', '.join(names)}")
    place = _place(folder)
    place.mkdir(mode=0o700, exist_ok=True)
    request = place / f"{uuid.uuid4().hex}.json"
    partial = request.with_suffix(".partial")
    partial.write_text(json.dumps({"restart": name}), encoding="utf-8")
    return partial.rename(request)


def _entry(folder: StackFolder, name: str) -> dict[str, Any] | None:
    return next((one for one in folder.state().get("processes", []) if one["name"] == name), None)


def _place(folder: StackFolder) -> Path:
    return folder.path / "requests"
