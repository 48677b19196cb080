"""Reads for live pages, in a few threads: who may still see a subject, and what it shows, on one snapshot.

Place on the data's way: api/core/live.py says when. Pages that come are read for `first_reads` at once, however many come; threads are
left for the pages that are open already, and for the requests of others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from typing import Final, NamedTuple

from sqlalchemy.orm import Session

from api.core.errors import RequestError
from api.core.pictures import Picture

REFRESH_THREADS: Final = 2
"""Threads that first reads leave to the pages that are open already."""

Reader = Callable[[Session], Picture]
Authorize = Callable[[Session], None]
"""Raises `RequestError` where the page's viewer may not see the subject."""
Sessions = Callable[[], AbstractContextManager[Session]]
"""Opens a read-only session on one snapshot."""


class Visitor(NamedTuple):
    """Whom a page is open for."""

    session: str
    """Pages of one session are authorised by one look."""
    authorize: Authorize


class Seen(NamedTuple):
    """What a look saw on one snapshot."""

    picture: Picture | None
    """None where it was not asked for, or nobody may see it."""
    refused: Mapping[str, RequestError]
    """By session: why it may not see the subject."""


class LiveReads:
    """Looks for the live pages of this process; runs on the event loop."""

    def __init__(self, sessions: Sessions, *, first_reads: int) -> None:
        self._sessions = sessions
        self._threads = ThreadPoolExecutor(first_reads + REFRESH_THREADS, thread_name_prefix="live")
        self._first_reads = asyncio.Semaphore(first_reads)

    def turn(self, *, is_first: bool) -> AbstractAsyncContextManager[None]:
        """Wait for one of the first reads' turns; at once where it is none."""
        return self._first_reads if is_first else nullcontext()

    async def look(self, read: Reader | None, visitors: Collection[Visitor]) -> Seen:
        """Ask for the visitors, and read where there is something to read and one who may see it.

        Raises:
            NotFound: the subject is gone.
            SQLAlchemyError: the database does not answer.

        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._look, read, visitors)

    def _look(self, read: Reader | None, visitors: Collection[Visitor]) -> Seen:
        asked = {visitor.session: visitor.authorize for visitor in visitors}
        refused: dict[str, RequestError] = {}
        with self._sessions() as session:
            for name, authorize in asked.items():
                try:
                    authorize(session)
                except RequestError as error:
                    refused[name] = error
            is_seen = len(refused) < len(asked)
            return Seen(read(session) if read is not None and is_seen else None, refused)
