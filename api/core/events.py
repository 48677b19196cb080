"""Server-sent events: the stream of updates to one open page.

The stream's shape is FastAPI's; the signs of life and the end at shutdown are our own (docs/adr/0013-server-sent-events.md).
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable

import orjson
from fastapi import Request
from fastapi.sse import EventSourceResponse, format_sse_event
from sqlalchemy.orm import Session
from starlette.types import Send

from api.core.database import Database
from api.core.live import Live, Picture, Reader

RETRY_MS = 500
# A page's script sees events only, no comments, so the sign of life is an event of its own.
BEAT = format_sse_event(event="beat", data_str="1")


def live_events(request: Request, name: str, read: Callable[[Session], Picture]) -> EventSourceResponse:
    """Stream the subject `name` to a page: a first update with everything, then what differs.

    The caller has checked that the viewer may see the subject. One `read` serves all pages that are open on it.
    """
    database: Database = request.app.state.database

    def read_anew() -> Picture:
        with database.read_sessions.begin() as session:
            return read(session)

    return _LiveResponse(_stream(request.app.state.live, name, read_anew))


class _LiveResponse(EventSourceResponse):
    def __init__(self, updates: AsyncGenerator[bytes]) -> None:
        super().__init__(updates, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._updates = updates

    async def stream_response(self, send: Send) -> None:
        """Send the stream, and close it also where the page went away while an update was being sent."""
        async with contextlib.aclosing(self._updates):
            await super().stream_response(send)


async def _stream(live: Live, name: str, read: Reader) -> AsyncGenerator[bytes]:
    async with contextlib.aclosing(live.updates(name, read)) as updates:
        async for update in updates:
            yield _encoded(update) if update else BEAT


def _encoded(update: dict[str, object]) -> bytes:
    return format_sse_event(event="update", data_str=orjson.dumps(update).decode(), retry=RETRY_MS)
