"""The logs of a stack's children: a pipe to a program that writes and rotates the file (logwriter.py)."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from connectors.local import logwriter
from connectors.local.pulse import halted

WRITER: Final = "REWARDS_LOG_WRITER"
"""In a writer's environment: it ends by itself after the last process that prints to it, and is not to be killed before."""
CLOSE_SECONDS: Final = 2
LOOK_SECONDS: Final = 1
TAIL_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class LogLimits:
    """How large a log file may become, and how many older ones are kept."""

    max_bytes: int
    older_files: int


@dataclass(slots=True)
class LogPipe:
    """The log of one life of a child.

    The supervisor keeps the pipe's reading end open as well, without reading: when the writer is killed, the child may go
    on printing, and the next writer finds what was printed meanwhile.
    """

    path: Path
    limits: LogLimits
    environment: Mapping[str, str] = field(default_factory=dict)
    _reading: int | None = None
    _writer: subprocess.Popen[bytes] | None = None
    _looked_at: float = 0

    def open(self) -> int:
        """Start the writer; returns the end that the child prints to, which the caller closes."""
        # At once, so that what looks for the log finds it, and one that cannot be made is an error here.
        os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self._reading, writing = os.pipe()
        try:
            self._start()
        except OSError:
            os.close(writing)
            self.close()
            raise
        return writing

    def look_after(self) -> None:
        """Start another writer where the last one was killed, and let one that was stopped go on."""
        now = time.monotonic()
        if self._reading is None or self._writer is None or now < self._looked_at + LOOK_SECONDS:
            return
        self._looked_at = now
        if self._writer.poll() is None:
            if halted(self._writer.pid):
                # It may have read what it has not written yet.
                self._writer.send_signal(signal.SIGCONT)
        else:
            with contextlib.suppress(OSError):
                self._start()

    def close(self) -> None:
        """Wait until what the child printed is written. A process that it left behind may keep the writer a while."""
        if self._reading is None:
            return
        self._looked_at = 0
        self.look_after()
        os.close(self._reading)
        self._reading = None
        if self._writer is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._writer.wait(CLOSE_SECONDS)

    def _start(self) -> None:
        self._writer = subprocess.Popen(  # noqa: S603
            (
                sys.executable, "-I", "-S", logwriter.__file__,
                str(self.path), str(self.limits.max_bytes), str(self.limits.older_files),
            ),
            stdin=self._reading, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
            env={**self.environment, WRITER: "1"}, start_new_session=True,
        )  # fmt: skip


def tail(path: Path, lines: int) -> str:
    """The last lines of a log; empty where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
