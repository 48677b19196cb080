"""Has the captured sources checked again and again, in a thread of its own: however long that takes, the lag is measured meanwhile.

What the check is comes from whoever composes the command, for this package knows nothing of connectors.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Final, Protocol

from streams.errors import RewardsError
from streams.lag.findings import KnownFinding, SourceFinding, failed, merged

logger = logging.getLogger(__name__)

Check = Callable[[], list[SourceFinding]]
END_SECONDS: Final = 2.0
"""How long the end of the process waits for a check that is under way."""


class Checker:
    """Makes a check, and says where it could not. What the check keeps between two looks is given back after a failure, and at the end.

    Args:
        open_check: opens what a check needs, and returns the check.
    """

    def __init__(self, open_check: Callable[[], AbstractContextManager[Check]]) -> None:
        self._open = open_check
        self._stack = ExitStack()
        self._check: Check | None = None
        self._is_failing = False

    def look(self) -> list[SourceFinding]:
        """Return what is wrong with any source; that it could not be checked is a finding as well."""
        try:
            if self._check is None:
                self._check = self._stack.enter_context(self._open())
            found = self._check()
        except Exception as error:
            # The thread's edge: one that ended would leave the process without a check.
            is_ours = isinstance(error, RewardsError)
            if not self._is_failing and not is_ours:
                logger.warning("the check of the sources failed", exc_info=True)
            self._is_failing = True
            self.close()
            return [failed(str(error) if is_ours else type(error).__name__)]
        self._is_failing = False
        return found

    def close(self) -> None:
        """Give back what is open."""
        self._check = None
        try:
            self._stack.close()
        except Exception:
            # The same edge: it is of no more use whatever it says.
            logger.debug("what the check of the sources held could not be given back", exc_info=True)


class Looking(Protocol):
    """What a watch needs of a check."""

    def look(self) -> list[SourceFinding]:
        """Return what is wrong with any source, and what could not be seen; raise nothing."""

    def close(self) -> None:
        """Give back what is open."""


class SourceWatch:
    """Keeps what is known of the sources current, and says each finding once when it begins and once when it is over.

    Args:
        checker: makes a check.
        write: takes what a check found, and returns what is known then (findings_sink.py).
        interval_seconds: from one check to the next.
    """

    def __init__(
        self,
        checker: Looking,
        write: Callable[[Sequence[SourceFinding]], list[KnownFinding]],
        interval_seconds: float,
    ) -> None:
        self._checker = checker
        self._write = write
        self._interval_seconds = interval_seconds
        self._known: list[KnownFinding] = []
        self._is_unwritten = False

    def run(self, stop: threading.Event) -> None:
        """Check until `stop` is set."""
        try:
            while not stop.is_set():
                found = self._checker.look()
                if stop.is_set():
                    # It is too late to tell what failed from what was ended.
                    break
                self.take(found)
                stop.wait(self._interval_seconds)
        finally:
            self._checker.close()

    def take(self, found: Sequence[SourceFinding]) -> None:
        """Write down what a check found, and say what began and what is over."""
        try:
            now = self._write(found)
        except RewardsError as error:
            # Tried again with the next check, and the page says meanwhile that nobody knows.
            now = merged(self._known, found, dt.datetime.now(dt.UTC))
            if not self._is_unwritten:
                logger.warning("what was found of the sources is not written, tried again with each check: %s", error)
            self._is_unwritten = True
        else:
            if self._is_unwritten:
                logger.warning("what was found of the sources is written again")
            self._is_unwritten = False
        self._log_changes(now)
        self._known = now

    def _log_changes(self, now: Sequence[KnownFinding]) -> None:
        before = {one.finding.place: one.finding for one in self._known}
        after = {one.finding.place: one.finding for one in now}
        for place, finding in after.items():
            if place not in before:
                logger.warning("%s", finding.sentence, extra={"code": finding.code})
        for place, finding in before.items():
            if place not in after:
                connector = finding.connector or "every source"
                logger.warning("%s: over: %s", connector, finding.message, extra={"code": finding.code})


@contextmanager
def watching(watch: SourceWatch, stop: threading.Event) -> Iterator[None]:
    """Have the sources checked beside what is done meanwhile. A check that hangs does not hold up the end."""
    thread = threading.Thread(target=watch.run, args=(stop,), name="source check", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(END_SECONDS)
