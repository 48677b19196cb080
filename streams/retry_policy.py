"""How our loops wait for the world: one policy for each kind of fault, over tenacity. A poll that waits for a state is none of this.

Waits grow by two from `first_seconds` to `longest_seconds`, and chance takes up to half of each, so that processes which lost the same
server do not come back at the same moment. What nobody answers for is tried without an end, since the lag shows it; what only a new
process or a person gets over ends, and with it the process.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from tenacity import AsyncRetrying, RetryCallState, Retrying, retry_if_exception_type
from tenacity.wait import wait_base, wait_exponential, wait_random_exponential

from streams.errors import InvariantError, TransientError, TransientKind

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Policy:
    """How one kind of fault is met."""

    first_seconds: float
    longest_seconds: float
    seconds_max: float | None = None
    """So long it is tried where it goes on without a break; None: without an end."""
    jitter: bool = True

    @property
    def wait(self) -> wait_base:
        """What tenacity waits by: between half of the pause and all of it; exactly the pause without jitter."""
        if not self.jitter:
            return wait_exponential(multiplier=self.first_seconds, max=self.longest_seconds)
        half = {"multiplier": self.first_seconds / 2, "max": self.longest_seconds / 2}
        return wait_exponential(**half) + wait_random_exponential(**half)


POLICIES: Final[Mapping[TransientKind, Policy]] = {
    TransientKind.AWAY: Policy(0.1, 10.0),
    TransientKind.CONTENDED: Policy(0.05, 2.0, seconds_max=100.0),
    TransientKind.UNEXPLAINED: Policy(0.5, 10.0, seconds_max=60.0),
}


class GaveUpError(InvariantError):
    """A fault went on for longer than its kind may; its cause is the last one."""


@dataclass(frozen=True, kw_only=True)
class Retries:
    """What a loop retries, and how it says so.

    Attributes:
        failing: what the log says first, e.g. "the batch is not written".
        working: what it says afterwards, e.g. "written again".
        logger: the loop's.
        on: errors that are tried again; one that says no kind counts as `away`.
        policies: a policy for each kind.
        count: called for each retry.
        say: what the log says of an error; less than its text where that may quote data.
        until: an event (of the thread or of the loop, as the call); once it is set, nothing is tried again.
    """

    failing: str
    working: str
    logger: logging.Logger
    on: tuple[type[Exception], ...] = (TransientError,)
    policies: Mapping[TransientKind, Policy] = field(default_factory=lambda: POLICIES)
    count: Callable[[TransientKind], None] = lambda _kind: None
    until: threading.Event | asyncio.Event | None = None
    say: Callable[[BaseException], str] = str

    def call(self, attempt: Callable[[], T]) -> T:
        """Return what an attempt returns that does not fail.

        Raises:
            GaveUpError: the fault went on for longer than its kind may.
            Exception: one of `on`, the last, where `until` was set meanwhile; anything else at once.
        """
        try:
            return attempt()
        except self.on as error:
            run = _Run(self, error)

        def called() -> T:
            run.begin()
            return attempt()

        result: T = Retrying(sleep=run.sleep, **run.strategies)(called)
        run.over()
        return result

    async def acall(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Do the same on the event loop, which goes on meanwhile."""
        try:
            return await attempt()
        except self.on as error:
            run = _Run(self, error)

        async def awaited() -> T:
            run.begin()
            return await attempt()

        result: T = await AsyncRetrying(sleep=run.asleep, **run.strategies)(awaited)
        run.over()
        return result


class _Run:
    """A call whose first attempt failed: since when it fails, and in which way.

    tenacity costs 50 µs where nothing fails, so it is asked from the first error on, which is its first attempt's.
    """

    def __init__(self, retries: Retries, error: Exception) -> None:
        self._of = retries
        self._since = time.monotonic()
        self._error: BaseException = error
        self._kind = _kind(error)
        self._kind_since = self._since
        self._begun = False

    def begin(self) -> None:
        """Raise the error of the first attempt, once."""
        if not self._begun:
            self._begun = True
            raise self._error

    @property
    def strategies(self) -> dict[str, Any]:
        """What tenacity asks."""
        return {
            "retry": retry_if_exception_type(self._of.on),
            "wait": self._wait,
            "stop": self._stop,
            "before_sleep": self._tell,
            "retry_error_callback": self._give_up,
        }

    def over(self) -> None:
        """Say that it works again."""
        self._of.logger.warning("%s after %.0f s", self._of.working, time.monotonic() - self._since)

    def sleep(self, seconds: float) -> None:
        """Wait, or end with the last error where `until` is set meanwhile."""
        until = self._of.until
        if until is None:
            time.sleep(seconds)
            return
        assert isinstance(until, threading.Event)
        if until.wait(seconds):
            raise self._error

    async def asleep(self, seconds: float) -> None:
        """Do the same on the event loop."""
        until = self._of.until
        if until is None:
            await asyncio.sleep(seconds)
            return
        assert isinstance(until, asyncio.Event)
        try:
            await asyncio.wait_for(until.wait(), seconds)
        except TimeoutError:
            return
        raise self._error

    def _wait(self, state: RetryCallState) -> float:
        self._look(state)
        return self._policy.wait(state)

    def _stop(self, _state: RetryCallState) -> bool:
        return self._is_stopped() or self._lasted_too_long()

    def _is_stopped(self) -> bool:
        return self._of.until is not None and self._of.until.is_set()

    def _lasted_too_long(self) -> bool:
        longest = self._policy.seconds_max
        return longest is not None and time.monotonic() - self._kind_since >= longest

    def _look(self, state: RetryCallState) -> None:
        error = None if state.outcome is None else state.outcome.exception()
        self._error = error or self._error
        kind = _kind(self._error)
        if kind != self._kind:
            self._kind, self._kind_since = kind, time.monotonic()

    @property
    def _policy(self) -> Policy:
        return self._of.policies[self._kind]

    def _tell(self, state: RetryCallState) -> None:
        self._of.count(self._kind)
        self._of.logger.log(
            logging.WARNING if state.attempt_number == 1 else logging.DEBUG,
            "%s, trying again until it works: %s",
            self._of.failing,
            self._of.say(self._error),
            extra={"tries": state.attempt_number, "wait_seconds": round(state.upcoming_sleep, 3), "kind": self._kind},
        )

    def _give_up(self, state: RetryCallState) -> None:
        if self._is_stopped():
            raise self._error
        seconds = time.monotonic() - self._kind_since
        raise GaveUpError(
            f"{self._of.failing}, {state.attempt_number} tries in {seconds:.0f} s: {self._of.say(self._error)}"
        ) from self._error


def _kind(error: BaseException) -> TransientKind:
    kind: TransientKind = getattr(error, "kind", TransientKind.AWAY)
    return kind
