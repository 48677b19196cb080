"""What a supervisor starts: processes that go on, commands that run once, and steps inside the supervisor itself.

A unit knows how to start, how to say what it is doing, and how to stop. When, and what to do about it, is the
supervisor's to decide.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import psutil

from connectors.local.accounts import Account
from connectors.local.groups import end_group

MARK: Final = "REWARDS_STACK_ID"
"""In every child's environment: what was started for a stack is found by it, also when no record of it was written."""
BACKOFF_SECONDS: Final = (0.5, 1, 2, 5, 10, 30)
EXIT_STAY_DOWN: Final = 65
"""sysexits' EX_DATAERR: a worker met too many records that cannot be used, and would only meet them again."""
STEADY_SECONDS: Final = 60
"""After so long without an end, the next one counts as the first."""


class State(StrEnum):
    """What a unit is doing."""

    WAITING = "waiting"
    """For what it comes after."""
    STARTING = "starting"
    RUNNING = "running"
    UNHEALTHY = "unhealthy"
    """Alive, and does not answer."""
    BACKOFF = "backoff"
    """Ended; will be started again."""
    DONE = "done"
    """Ran once, as it should."""
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(slots=True)
class Step:
    """A function that the supervisor runs once, in a thread."""

    name: str
    run: Callable[[], None]
    after: tuple[str, ...] = ()
    state: State = State.WAITING
    reason: str | None = None
    _future: Future[None] | None = None

    def start(self, pool: ThreadPoolExecutor) -> None:
        """Run it."""
        self._future = pool.submit(self.run)
        self.state = State.STARTING

    def poll(self) -> None:
        """Look whether it is through."""
        if self.state is State.STARTING and self._future is not None and self._future.done():
            error = self._future.exception()
            self.state = State.FAILED if error else State.DONE
            self.reason = str(error) if error else None


@dataclass(slots=True)
class Child:
    """A process: a server that goes on (`once` is false), or a command that ends."""

    name: str
    command: tuple[str, ...]
    after: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    account: Account | None = None
    once: bool = False
    probe: Callable[[], str | None] = lambda: None
    """None while it is healthy, else what is wrong."""
    remedy: Callable[[], None] | None = None
    """What to try when it is alive and not healthy."""
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 15

    state: State = State.WAITING
    reason: str | None = None
    pid: int | None = None
    created: float | None = None
    """The process' start in seconds since the epoch: a pid alone may have been given to another process."""
    restarts: int = 0
    last_exit: int | None = None
    started_at: float = 0
    retry_at: float = 0
    failures: int = 0
    """Ends in a row without a steady time between."""
    _process: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        """Whether its process is there."""
        return self._process is not None and self._process.returncode is None

    def start(self, log: Path) -> None:
        """Start it in a session of its own: Ctrl-C reaches the supervisor alone, which then stops things in order."""
        if self.started_at:
            self.restarts += 1
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603
                self.command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd="/",
                env=dict(self.environment), start_new_session=True,
                user=self.account.uid if self.account else None, group=self.account.gid if self.account else None,
                extra_groups=[] if self.account else None,
            )  # fmt: skip
        self.pid, self.created = self._process.pid, _created(self._process.pid)
        self.state, self.reason, self.started_at = State.STARTING, None, time.monotonic()

    def poll(self) -> None:
        """Look whether it ended; a server that did is to be started again, later each time."""
        if self._process is None or not self.alive or self._process.poll() is None:
            return
        self.last_exit = self._process.returncode
        # What it started itself must not live on beside its successor.
        end_group(self._process.pid)
        self.pid = self.created = None
        if self.once or self.last_exit == EXIT_STAY_DOWN:
            self.state = State.FAILED if self.last_exit else State.DONE
        else:
            self.failures = 0 if time.monotonic() - self.started_at > STEADY_SECONDS else self.failures
            self.retry_at = time.monotonic() + BACKOFF_SECONDS[min(self.failures, len(BACKOFF_SECONDS) - 1)]
            self.failures += 1
            self.state = State.BACKOFF
        self.reason = f"ended with {_exit_text(self.last_exit)}" if self.last_exit or not self.once else None
        if self.last_exit == EXIT_STAY_DOWN:
            self.reason = (
                f"ended with {_exit_text(self.last_exit)} and is not started again by itself; its log says why"
            )

    def ask_to_stop(self) -> None:
        """Send the signal on which it ends in good order."""
        if self._process is not None and self.alive:
            self._process.send_signal(self.stop_signal)

    def kill(self) -> None:
        """End it at once, as `poll` will then see."""
        if self._process is not None and self.alive:
            self._process.kill()

    def wait_stopped(self) -> None:
        """Wait for its end; kill it, with everything that it started, when it takes too long."""
        if self._process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(self.stop_seconds)
        if self._process.poll() is None:
            self._process.kill()
        self.last_exit = self._process.wait()
        end_group(self._process.pid)
        self.pid = self.created = None
        self.state = State.STOPPED

    def describe(self) -> dict[str, Any]:
        """What `rewards status` says of it."""
        return {
            "name": self.name,
            "pid": self.pid,
            "created": self.created,
            "state": str(self.state),
            "reason": self.reason,
            "restarts": self.restarts,
            "last_exit": self.last_exit,
            "stop_signal": int(self.stop_signal),
            "stop_seconds": self.stop_seconds,
        }


Unit = Step | Child


def _created(pid: int) -> float | None:
    try:
        created: float = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return None
    return created


def _exit_text(code: int | None) -> str:
    if code is not None and code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"
