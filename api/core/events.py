"""Server-sent events: the stream of updates to one open page; and the same as one answer, for a page that has no stream.

The stream's shape is FastAPI's; the signs of life and the end at shutdown are our own (docs/adr/0013-server-sent-events.md). Why a page may
have none, and how it comes back, is docs/adr/0026-live-pages-share-and-come-back.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Callable
from typing import Final

import orjson
from fastapi import Request
from fastapi.responses import Response
from fastapi.sse import EventSourceResponse, format_sse_event
from sqlalchemy.orm import Session
from starlette.types import Receive, Scope, Send

from api.core.errors import RequestError, TooManyPages
from api.core.live import Live
from api.core.live_reads import Reader, Visitor
from api.core.permissions import Viewer
from api.core.pictures import Update
from api.core.sessions import COOKIE, current_viewer, signed_in

RETRY_MS: Final = (1_000, 3_000)
"""Streams that were cut off together do not come back together."""
ONCE_SECONDS: Final = 10.0
# A page's script sees events only, no comments, so the sign of life is an event of its own.
BEAT: Final = format_sse_event(event="beat", data_str="1")

MaySee = Callable[[Session, Viewer], None]
"""Raises `RequestError` where the viewer may not see the subject."""


async def live_events(request: Request, name: str, may_see: MaySee, read: Reader, *, once: bool) -> Response:
    """Stream the subject `name` to a page: a first update with everything, then what differs; with `once` answer the first one alone.

    The viewer is asked for before anything is answered, and again at each read, as at a page's request. One `read` serves all pages
    that are open on the subject. No database connection is held while a page waits for its turn, or is open.

    Raises:
        TooManyPages: all places are taken, or the turn did not come.
        RequestError: nobody is signed in, or the viewer may not see the subject.

    """
    live: Live = request.app.state.live

    def authorize(session: Session) -> None:
        may_see(session, signed_in(current_viewer(request, session)))

    visitor = Visitor(request.cookies.get(COOKIE, ""), authorize)
    with contextlib.ExitStack() as place:
        place.enter_context(live.place("poll" if once else "stream"))
        await live.admit(visitor)
        updates = live.updates(name, read, visitor)
        if once:
            return Response(orjson.dumps(await _first(updates)), media_type="application/json")
        return _LiveResponse(updates, place.pop_all())


class _LiveResponse(EventSourceResponse):
    def __init__(self, updates: AsyncGenerator[Update], place: contextlib.ExitStack) -> None:
        self._stream = _encoded(updates)
        self._place = place
        super().__init__(self._stream, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream, and give its place back."""
        with self._place:
            await super().__call__(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        """Send the stream, and close it also where the page went away while an update was being sent."""
        async with contextlib.aclosing(self._stream):
            await super().stream_response(send)


async def _first(updates: AsyncGenerator[Update]) -> Update:
    """Return the update that has everything."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ONCE_SECONDS), contextlib.aclosing(updates):
            async for update in updates:
                if "all" in update:
                    return update
    raise TooManyPages


async def _encoded(updates: AsyncGenerator[Update]) -> AsyncGenerator[bytes]:
    retry_ms = random.randint(*RETRY_MS)  # noqa: S311 - spreads, and guards nothing
    try:
        async with contextlib.aclosing(updates):
            async for update in updates:
                if update:
                    yield format_sse_event(event="update", data_str=orjson.dumps(update).decode(), retry=retry_ms)
                else:
                    yield BEAT
    except RequestError as error:
        # The page loads again, and is told by the site what has become of its access.
        yield format_sse_event(event="end", data_str=orjson.dumps({"status": error.status}).decode())
