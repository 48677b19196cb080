"""Ends what a stack left behind when its supervisor was killed: by its records, then by each child's mark."""

from __future__ import annotations

import contextlib
import signal
from typing import Any

import psutil

from connectors.local.folder import StackFolder
from connectors.local.groups import end_group
from connectors.local.units import MARK


def end(folder: StackFolder) -> int:
    """End every process of a stack that has no supervisor, last started first; returns how many there were."""
    processes = folder.state().get("processes", [])
    ended = [entry for entry in reversed(processes) if entry["name"] != "supervisor" and _end(entry)]
    unrecorded = _marked(folder.stack_id())
    for process in unrecorded:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(unrecorded, timeout=10)
    return len(ended) + len(unrecorded)


def alive(entry: dict[str, Any]) -> bool:
    """Whether the very process of a record is there: same pid, same start."""
    return _process(entry) is not None


def _process(entry: dict[str, Any]) -> psutil.Process | None:
    if not entry.get("pid"):
        return None
    try:
        process = psutil.Process(entry["pid"])
        same = abs(process.create_time() - (entry.get("created") or 0)) < 1
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def _end(entry: dict[str, Any]) -> bool:
    process = _process(entry)
    if process is None:
        return False
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(entry.get("stop_signal", signal.SIGTERM))
        with contextlib.suppress(psutil.TimeoutExpired):
            process.wait(entry.get("stop_seconds", 15))
    end_group(entry["pid"])
    return True


def _marked(stack_id: str | None) -> list[psutil.Process]:
    """Processes that bear the stack's mark."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if stack_id is not None and process.environ().get(MARK) == stack_id:
                found.append(process)
    return found
