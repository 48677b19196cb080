"""The work on passwords: a few threads of its own, and a queue with an end.

A check takes tens of milliseconds of a core and 64 MiB. So it is done on no thread and no database connection that a page needs,
and what is too much is refused at once. The threads give way to everything else of the process.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, ParamSpec, TypeVar

from api.core.errors import TooBusy

NICENESS: Final = 10
"""More than that of the process."""
RETRY_AFTER_SECONDS: Final = 3
P = ParamSpec("P")
T = TypeVar("T")


class PasswordWork:
    """The threads, and the places of those who are being served or wait."""

    def __init__(self, *, workers: int, waiting: int) -> None:
        self._executor = ThreadPoolExecutor(workers, "password", initializer=_give_way)
        self._places = threading.BoundedSemaphore(workers + waiting)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place, whatever is done in it; raise `TooBusy` where all are taken."""
        if not self._places.acquire(blocking=False):
            raise TooBusy(
                "Very many people are signing in just now. Please try again in a moment.", RETRY_AFTER_SECONDS
            )
        try:
            yield
        finally:
            self._places.release()

    async def run(self, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Return what `work` returns, done in one of the threads. The caller holds a place."""
        return await asyncio.wrap_future(self._executor.submit(work, *arguments, **named))

    def close(self) -> None:
        """Forget what waits; the threads end with what they do."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _give_way() -> None:
    # On Linux each thread has a niceness of its own; it begins with that of the process.
    thread = threading.get_native_id()
    os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + NICENESS))
