"""Counts failed sign-ins by e-mail, in memory: after a few of them the e-mail has to wait."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable

from api.core.errors import TooManyAttempts

MOST_EMAILS = 10_000


class SignInAttempts:
    """A sliding window of attempts for each e-mail.

    An attempt counts as failed until it succeeds, so that attempts made at the same moment count as well.
    """

    def __init__(self, *, failures: int, window_seconds: float, clock: Callable[[], float]) -> None:
        self._failures = failures
        self._window_seconds = window_seconds
        self._clock = clock
        self._attempts: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, email: str) -> None:
        """Count an attempt; raise `TooManyAttempts` where the e-mail has to wait."""
        key = email.strip().lower()
        now = self._clock()
        with self._lock:
            times = self._attempts.setdefault(key, deque())
            self._attempts.move_to_end(key)
            while times and times[0] <= now - self._window_seconds:
                times.popleft()
            if len(times) >= self._failures:
                raise TooManyAttempts(int(times[0] + self._window_seconds - now) + 1)
            times.append(now)
            while len(self._attempts) > MOST_EMAILS:
                self._attempts.popitem(last=False)

    def succeeded(self, email: str) -> None:
        """Forget the e-mail's attempts."""
        with self._lock:
            self._attempts.pop(email.strip().lower(), None)
