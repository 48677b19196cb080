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
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final

import psutil

from connectors.local import background
from connectors.local.accounts import Account
from connectors.local.groups import ask_to_end, end_group, kill_tree
from connectors.local.logs import LogPipe
from connectors.local.pulse import Pulse, halted
from connectors.local.states import Finding, State

MARK: Final = "REWARDS_STACK_ID"
"""In every child's environment: what was started for a stack is found by it, also when no record of it was written."""
BACKOFF_SECONDS: Final = (0.5, 1, 2, 5, 10, 30)
"""Pauses before a start, one longer than the other, for what ends before it was of use."""
AGAIN_SECONDS: Final = 0.1
"""Pause before the start of what ran well."""
WELL_SECONDS: Final = 30
"""What ends by itself sooner after it came up than this has a fault that it will meet again."""
KEEPS_ENDING: Final = 3
"""After so many ends in a row a unit counts as running only once it has been up for WELL_SECONDS."""
ENDED_BY: Final = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
KILLED: Final = {code for number in ENDED_BY for code in (-number, 128 + number)}
"""Exit codes of what somebody else ended; Java's programs say it as shells do."""
EXIT_STAY_DOWN: Final = 65
"""sysexits' EX_DATAERR: a worker met records that cannot be used, or a topic that is not the one it read, and would only meet it again."""
FIRM_SECONDS: Final = 10


@dataclass(slots=True)
class Step:
    """A function that the supervisor runs once, in a thread."""

    name: str
    run: Callable[[], None]
    after: tuple[str, ...] = ()
    essential: bool = True
    state: State = State.WAITING
    reason: str | None = None
    _future: Future[None] | None = None

    def start(self) -> None:
        """Run it."""
        self._future = background.start(self.run, self.name)
        self.state = State.STARTING

    def poll(self) -> None:
        """Look whether it is through."""
        if self.state is State.STARTING and self._future is not None and self._future.done():
            error = self._future.exception()
            self.state = State.FAILED if error else State.DONE
            self.reason = (str(error) or type(error).__name__) if error else None


@dataclass(slots=True)
class Child:
    """A process: a server that goes on (`once` is false), or a command that ends."""

    name: str
    command: tuple[str, ...]
    after: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    account: Account | None = None
    once: bool = False
    essential: bool = True
    """A stack does not come up without it. Others are shown as failed, and what needs them waits."""
    probe: Callable[[], str | None] = lambda: None
    """None while it is healthy, else what is wrong."""
    answers: Callable[[], bool] = lambda: False
    """Asked where the probe finds something wrong: whether it answers all the same, so that no new process is needed."""
    pulse: Pulse | None = None
    """Its sign of life where it has no port to be asked at."""
    remedy: Callable[[], None] | None = None
    """What to try when it is alive and not healthy."""
    start_seconds: float = 90
    """What has not answered by then is started again."""
    hang_seconds: float = 60
    """What came up and has not answered for so long, while all that it needs is well, is started again."""
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 15
    firm_signal: signal.Signals | None = None
    """Sent after `stop_seconds`, FIRM_SECONDS before SIGKILL, where that would do harm."""

    state: State = State.WAITING
    reason: str | None = None
    pid: int | None = None
    created: float | None = None
    """The process' start in seconds since the epoch: a pid alone may have been given to another process."""
    restarts: int = 0
    last_exit: int | None = None
    started_at: float = 0
    came_up_at: float | None = None
    """When this process was first found well."""
    retry_at: float = 0
    failures: int = 0
    """Ends in a row of processes that were of no use."""
    _process: subprocess.Popen[bytes] | None = None
    _log: LogPipe | None = None
    _stopping_since: float | None = None
    _start_at_once: bool = False

    @property
    def alive(self) -> bool:
        """Whether its process is there."""
        return self._process is not None and self._process.returncode is None

    @property
    def log(self) -> LogPipe | None:
        """Where its process prints to; None before the first start."""
        return self._log

    def start(self, log: LogPipe) -> None:
        """Start it in a session of its own: Ctrl-C reaches the supervisor alone, which then stops things in order."""
        if self.started_at:
            self.restarts += 1
        self.started_at, self.came_up_at, self._stopping_since = time.monotonic(), None, None
        try:
            with open(log.open(), "ab", buffering=0) as output:  # noqa: PTH123 - a descriptor
                self._process = subprocess.Popen(  # noqa: S603
                    self.command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd="/",
                    env=dict(self.environment), start_new_session=True,
                    user=self.account.uid if self.account else None, group=self.account.gid if self.account else None,
                    extra_groups=[] if self.account else None,
                )  # fmt: skip
        except OSError as error:
            # No memory, no process, no file to be had: that may pass.
            log.close()
            self._fail(f"could not be started: {error}")
            return
        self._log = log
        self.pid, self.created = self._process.pid, _created(self._process.pid)
        self.state, self.reason = State.STARTING, None

    def examine(self) -> Finding:
        """Ask it how it is. May take as long as its probe does, and raise what that raises."""
        pid = self.pid
        if pid is not None and halted(pid):
            return Finding("is stopped by a signal (SIGSTOP) or held by a debugger", hangs=True, by_itself=True)
        if (wrong := self.probe()) is not None:
            return Finding(wrong, hangs=not self.answers())
        still = self.pulse.look(pid) if self.pulse is not None and pid is not None else None
        return Finding(still, hangs=still is not None)

    def poll(self) -> None:
        """Look whether it ended; a server that did is to be started again, later each time that it was of no use."""
        if self._process is None or not self.alive or self._process.poll() is None:
            return
        code = self._buried()
        said = f"ended with {_exit_text(code)}"
        if self._start_at_once:
            self.state, self.retry_at = State.BACKOFF, 0
        elif code == EXIT_STAY_DOWN and not self.once:
            self.state, self.reason = State.FAILED, f"{said} and is not started again by itself; its log says why"
        elif self.once:
            self.state, self.reason = (State.FAILED, said) if code else (State.DONE, None)
        elif self._ran_well(code):
            self.state, self.reason, self.failures = State.BACKOFF, said, 0
            self.retry_at = time.monotonic() + AGAIN_SECONDS
        else:
            self._fail(said)
        self._start_at_once = False

    def ask_to_stop(self) -> None:
        """Send the signal on which it ends in good order."""
        if self._process is not None and self.alive:
            ask_to_end(self._process.pid, self.stop_signal)

    def replace(self, reason: str | None, *, asked: bool = False) -> None:
        """Ask its process to end; `press` helps it along, and the supervisor starts another one.

        Args:
            reason: why, as its status says it meanwhile.
            asked: a person wants it: the next start comes at once.

        """
        self._start_at_once = self._start_at_once or asked
        self.reason = reason
        if self._stopping_since is None:
            self.state, self._stopping_since = State.STOPPING, time.monotonic()
            self.ask_to_stop()

    def press(self, now: float) -> None:
        """Be firmer with a process that was asked to end and has not."""
        if self._process is None or not self.alive or self._stopping_since is None:
            return
        late = now - self._stopping_since - self.stop_seconds
        if late > (FIRM_SECONDS if self.firm_signal else 0):
            kill_tree(self._process.pid)
        elif late > 0 and self.firm_signal:
            ask_to_end(self._process.pid, self.firm_signal)

    def wait_stopped(self) -> None:
        """Wait for its end; kill it, with everything that it started, when it takes too long."""
        if self._process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(self.stop_seconds)
        if self._process.poll() is None and self.firm_signal:
            ask_to_end(self._process.pid, self.firm_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(FIRM_SECONDS)
        if self._process.poll() is None:
            kill_tree(self._process.pid)
        self._process.wait()
        self._buried()
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
            "firm_signal": int(self.firm_signal) if self.firm_signal else None,
        }

    def _buried(self) -> int:
        """Clear away what its process leaves behind; returns its exit code."""
        if self._process is None or self._process.returncode is None:
            raise RuntimeError(f"{self.name} has not ended")
        self.last_exit = self._process.returncode
        # What it started itself must not live on beside its successor.
        end_group(self._process.pid)
        if self._log is not None:
            self._log.close()
        self.pid = self.created = self._stopping_since = None
        return self.last_exit

    def _ran_well(self, code: int) -> bool:
        up = self.came_up_at is not None
        return up and (code in KILLED or time.monotonic() - (self.came_up_at or 0) >= WELL_SECONDS)

    def _fail(self, reason: str) -> None:
        pause = BACKOFF_SECONDS[min(self.failures, len(BACKOFF_SECONDS) - 1)]
        self.failures += 1
        self.state, self.retry_at = (State.FAILED, 0) if self.once else (State.BACKOFF, time.monotonic() + pause)
        again = f" ({self.failures} times in a row)" if self.failures > 1 else ""
        self.reason = f"{reason}{again}"


Unit = Step | Child


def _created(pid: int) -> float | None:
    try:
        created: float = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return None
    return created


def _exit_text(code: int) -> str:
    if code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"
