"""Process groups: each child of a stack leads one, and whatever it started ends with it."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import Final

import psutil

END_SECONDS: Final = 5


def ask_to_end(pid: int, number: signal.Signals) -> None:
    """Send a signal and let a process that is stopped go on: until then it would not even see the signal."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
        os.kill(pid, signal.SIGCONT)


def kill_tree(pid: int) -> None:
    """Kill a process with everything that it started, also where that has left its group (Postgres' processes do)."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        # The parent first: it must not start others in place of those that end.
        for one in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()


def end_group(leader: int) -> None:
    """Kill what is left of a process group and wait until nothing of it runs.

    Args:
        leader: pid of the process that led the group; it may be gone itself.
    """
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
    deadline = time.monotonic() + END_SECONDS
    while _running(leader) and time.monotonic() < deadline:
        time.sleep(0.01)


def _running(leader: int) -> bool:
    for process in psutil.process_iter():
        # A zombie is a line in a table that its parent has not read yet, no process.
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if os.getpgid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                return True
    return False
