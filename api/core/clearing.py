"""Deletes what is over, in the background: each feature says what that is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from api.core.database import Database

LOG = logging.getLogger(__name__)


async def clear_regularly(database: Database, clear: Sequence[Callable[[Session], None]], every_seconds: float) -> None:
    """Call each of `clear` again and again, in a transaction of its own, until this is cancelled."""
    while True:
        await asyncio.to_thread(_clear, database, clear)
        await asyncio.sleep(every_seconds)


def _clear(database: Database, clear: Sequence[Callable[[Session], None]]) -> None:
    for one in clear:
        try:
            with database.write_sessions.begin() as session:
                one(session)
        except SQLAlchemyError as error:
            # It is tried again the next time. Whatever is over counts for nothing meanwhile.
            LOG.warning("what is over could not be deleted", extra={"reason": type(error).__name__})
