"""Ends what a stack left behind when its supervisor was killed: by its records, then by each child's mark."""

from __future__ import annotations

import contextlib
import signal
from typing import Any, Final

import psutil

from connectors.local.folder import StackFolder
from connectors.local.groups import ask_to_end, end_group, kill_tree
from connectors.local.logs import WRITER
from connectors.local.units import FIRM_SECONDS, MARK

END_SECONDS: Final = 10


def end(folder: StackFolder) -> int:
    """End every process of a stack that has no supervisor, last started first; returns how many there were."""
    processes = folder.state().get("processes", [])
    ended = [entry for entry in reversed(processes) if entry["name"] != "supervisor" and _end(entry)]
    unrecorded, writers = _marked(folder.stack_id())
    for process in unrecorded:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(unrecorded, timeout=END_SECONDS)
    # Those that write logs end by themselves, once they have written what was printed last.
    for process in psutil.wait_procs(writers, timeout=END_SECONDS)[1]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
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
    steps = [(entry.get("stop_signal", signal.SIGTERM), entry.get("stop_seconds", 15))]
    if entry.get("firm_signal"):
        steps.append((entry["firm_signal"], FIRM_SECONDS))
    for number, seconds in steps:
        ask_to_end(process.pid, signal.Signals(number))
        with contextlib.suppress(psutil.TimeoutExpired):
            process.wait(seconds)
            break
    if process.is_running():
        kill_tree(process.pid)
    end_group(entry["pid"])
    return True


def _marked(stack_id: str | None) -> tuple[list[psutil.Process], list[psutil.Process]]:
    """Processes that bear the stack's mark, and among them those that only write logs."""
    found: tuple[list[psutil.Process], list[psutil.Process]] = ([], [])
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            environment = process.environ()
            if stack_id is not None and environment.get(MARK) == stack_id:
                found[WRITER in environment].append(process)
    return found
