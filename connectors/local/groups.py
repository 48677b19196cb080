"""Process groups: each child of a stack leads one, and whatever it started ends with it."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import Final

import psutil

END_SECONDS: Final = 5


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
