"""Whether a process runs at all, as the system sees it: the sign of life of a service that answers on no port.

The worker's own watchdog cannot act in a process that is stopped, nor where its main thread waits for ever. Seen from
outside, the main thread of a service that lives wakes up many times a second (its event loop, its heartbeats to the
broker, its pauses): the system counts that. A count that stands still is a process that hangs.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import psutil

STILL_SECONDS: Final = 20
"""The services' longest pause is 10 s (the lag process without a broker)."""


def halted(pid: int) -> bool:
    """Whether a process is stopped by a signal (SIGSTOP) or held by a debugger."""
    try:
        return psutil.Process(pid).status() in {psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP}
    except psutil.NoSuchProcess:
        return False


@dataclass(slots=True)
class Pulse:
    """Remembers when a process' main thread was last seen to have run, and whether it ever got to its work."""

    port: int | None = None
    """Of the server on loopback that it works with: it has come up once it has a connection there."""
    _connected: int | None = None
    _pid: int | None = None
    _switches: tuple[int, int] | None = None
    _moved_at: float = 0

    def look(self, pid: int) -> str | None:
        """None while the main thread runs now and then, else how long it has not."""
        now = time.monotonic()
        try:
            process = psutil.Process(pid)
            if self._connected != pid and self.port is not None:
                ports = {one.raddr.port for one in process.net_connections("tcp") if one.raddr}
                if self.port not in ports:
                    return "has no connection to the server that it works with yet"
            self._connected = pid
            seen = process.num_ctx_switches()
        except psutil.Error:
            # It ended, which its parent will see.
            return None
        if (pid, tuple(seen)) != (self._pid, self._switches):
            self._pid, self._switches, self._moved_at = pid, (seen.voluntary, seen.involuntary), now
            return None
        still_seconds = now - self._moved_at
        return f"its main thread has not run for {still_seconds:.0f} s" if still_seconds > STILL_SECONDS else None
