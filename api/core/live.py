"""Live pages: this knows which pages are open, reads again what changed, and sends each page only what differs.

Place on the data's way: api/core/listener.py says who changed, api/core/freshness.py how old the points are. What open pages show is read
again here, once for all pages that are open on it. Changes that come while a read runs only mark the subject; the next read takes them all.
Each page's viewer is asked for again on the very snapshot that is read for it, so that no page is sent what its viewer may no longer see.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncGenerator, Collection, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Literal

from sqlalchemy.exc import SQLAlchemyError

from api.core.errors import NotFound, RequestError, TooManyPages
from api.core.freshness import Ages, Behind, seconds_behind
from api.core.live_reads import LiveReads, Reader, Sessions, Visitor
from api.core.pictures import Picture, Update, difference
from streams.errors import TransientKind
from streams.retry_policy import Policy, Retries

LOG = logging.getLogger(__name__)

QUEUE_UPDATES: Final = 50
DRIFT_SECONDS: Final = 2
"""A page counts up by itself how far the points are behind; it is told where it would be off by so much."""
EARLIEST_END: Final = 0.8
"""Of a page's time: pages that came together do not come back together."""
RETRIES: Final = Retries(
    failing="a live page cannot be read",
    working="live pages are read again",
    logger=LOG,
    on=(SQLAlchemyError,),
    policies={TransientKind.AWAY: Policy(0.5, 5.0)},
    # Its text holds the query's values.
    say=lambda error: type(error).__name__,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often, and how much at once."""

    interval_seconds: float
    """Two updates of a page are at least so far apart."""
    beat_seconds: float = 5
    """The longest silence towards a page."""
    page_seconds: float = 300
    """A page's stream ends after so long at most."""
    authorize_seconds: float = 10
    """Where nothing changes, a page's viewer is asked for again so often, to within `beat_seconds`."""
    behind_seconds: float = 8
    """Points that are older than this are behind."""
    first_reads: int = 2
    """So many pages that come are read for at once; the others wait."""
    streams: int = 1000
    """So many streams at once, and so many single requests."""


@dataclass(eq=False, slots=True)
class _Subscriber:
    visitor: Visitor
    updates: asyncio.Queue[Update | RequestError | None] = field(default_factory=lambda: asyncio.Queue(QUEUE_UPDATES))
    """An error or None ends the page's stream."""
    needs_all: bool = True

    def end(self, error: RequestError | None) -> None:
        self.clear()
        self.updates.put_nowait(error)

    def clear(self) -> None:
        while not self.updates.empty():
            self.updates.get_nowait()


@dataclass(eq=False, slots=True)
class _Subject:
    """Pages are open on it; `read` reads it, in a thread."""

    read: Reader
    subscribers: set[_Subscriber] = field(default_factory=set)
    picture: Picture | None = None
    dirty: bool = False
    to_authorize: bool = False
    authorized_at: float = 0.0
    behind: Behind = None
    behind_at: float = 0.0
    """What was told last, and when."""
    task: asyncio.Task[None] | None = None


class Live:
    """The open pages of this process. Everything but reading runs on the event loop."""

    def __init__(self, sessions: Sessions, pace: Pace) -> None:
        self._reads = LiveReads(sessions, first_reads=pace.first_reads)
        self._pace = pace
        self._subjects: dict[str, _Subject] = {}
        self._open = {"stream": 0, "poll": 0}
        self._ages: Ages = {}
        self._connected = False
        self._closed = False

    @contextlib.contextmanager
    def place(self, kind: Literal["stream", "poll"]) -> Iterator[None]:
        """Hold one of the places that there are for streams, or for single requests; raise `TooManyPages` where all are taken."""
        if self._open[kind] >= self._pace.streams:
            raise TooManyPages
        self._open[kind] += 1
        try:
            yield
        finally:
            self._open[kind] -= 1

    async def admit(self, visitor: Visitor) -> None:
        """Return where the viewer may see the subject, raise as `visitor.authorize` does; `first_reads` are asked for at once."""
        async with self._reads.turn(is_first=True):
            seen = await self._reads.look(None, (visitor,))
        for error in seen.refused.values():
            raise error

    async def updates(self, name: str, read: Reader, visitor: Visitor) -> AsyncGenerator[Update]:
        """Yield updates of the subject `name` to one page: first everything, then what differs, empty ones in silence.

        It ends when the page goes away, when the page's time is over, or when `close` is called.

        Raises:
            RequestError: the viewer may no longer see the subject, or it is gone.

        """
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + self._pace.page_seconds * random.uniform(EARLIEST_END, 1)  # noqa: S311 - spreads, and guards nothing
        subject = self._subjects.setdefault(name, _Subject(read))
        subscriber = _Subscriber(visitor)
        subject.subscribers.add(subscriber)
        self._mark(subject)
        try:
            while not self._closed and (left := ends_at - loop.time()) > 0:
                update: Update | RequestError | None = {}
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(left, self._pace.beat_seconds)):
                        update = await subscriber.updates.get()
                self._authorize_when_due(subject)
                if isinstance(update, RequestError):
                    raise update
                if update is None:
                    return
                yield update
        finally:
            self._leave(name, subject, subscriber)

    def changed(self, customers: frozenset[str] | None) -> None:
        """Take note that these customers changed (None: any may have): read again what shows them."""
        for subject in self._subjects.values():
            if customers is None or subject.picture is None or not customers.isdisjoint(subject.picture.watches):
                self._mark(subject)

    def connected(self, connected: bool) -> None:
        """Take note whether changes are heard of; pages show it."""
        if connected == self._connected:
            return
        self._connected = connected
        for subject in self._subjects.values():
            self._send_all(subject, {"live": connected})

    def aged(self, ages: Ages) -> None:
        """Take note of how old the points are; pages show it."""
        self._ages = ages
        now = asyncio.get_running_loop().time()
        for subject in self._subjects.values():
            behind = self._behind(subject)
            # A page that is behind counts up by itself.
            shown = subject.behind and subject.behind + (now - subject.behind_at)
            if abs(behind - shown) < DRIFT_SECONDS if behind and shown else behind == shown:
                continue
            subject.behind, subject.behind_at = behind, now
            self._send_all(subject, {"behind": behind})

    def close(self) -> None:
        """End the stream of every page, now and from now on: the server stops."""
        self._closed = True
        for subject in self._subjects.values():
            for subscriber in subject.subscribers:
                subscriber.end(None)

    def _behind(self, subject: _Subject) -> Behind:
        if subject.picture is None:
            return None
        return seconds_behind(self._ages, subject.picture.partitions, tolerated=self._pace.behind_seconds)

    def _mark(self, subject: _Subject) -> None:
        subject.dirty = True
        self._look(subject)

    def _authorize_when_due(self, subject: _Subject) -> None:
        if asyncio.get_running_loop().time() - subject.authorized_at >= self._pace.authorize_seconds:
            subject.to_authorize = True
            self._look(subject)

    def _look(self, subject: _Subject) -> None:
        if subject.task is None or subject.task.done():
            subject.task = asyncio.get_running_loop().create_task(self._refresh(subject))
            subject.task.add_done_callback(partial(_note_fault, subject))

    async def _refresh(self, subject: _Subject) -> None:
        while (subject.dirty or subject.to_authorize) and subject.subscribers and not self._closed:
            try:
                await RETRIES.acall(partial(self._read, subject))
            except NotFound as error:
                for subscriber in tuple(subject.subscribers):
                    self._refuse(subject, subscriber, error)
            await asyncio.sleep(self._pace.interval_seconds)

    async def _read(self, subject: _Subject) -> None:
        async with self._reads.turn(is_first=subject.picture is None):
            # A change that comes while this reads marks the subject again; a page that comes waits for the next read.
            is_whole, subject.dirty, subject.to_authorize = subject.dirty, False, False
            subscribers = tuple(subject.subscribers)
            try:
                seen = await self._reads.look(
                    subject.read if is_whole else None, [subscriber.visitor for subscriber in subscribers]
                )
            except SQLAlchemyError:
                subject.dirty, subject.to_authorize = subject.dirty or is_whole, True
                raise
        subject.authorized_at = asyncio.get_running_loop().time()
        for subscriber in subscribers:
            if subscriber.visitor.session in seen.refused:
                self._refuse(subject, subscriber, seen.refused[subscriber.visitor.session])
        if seen.picture is not None:
            self._tell(subject, seen.picture, [one for one in subscribers if one in subject.subscribers])

    def _tell(self, subject: _Subject, picture: Picture, subscribers: Collection[_Subscriber]) -> None:
        before, subject.picture = subject.picture, picture
        if before is None:
            subject.behind, subject.behind_at = self._behind(subject), asyncio.get_running_loop().time()
        everything = {"live": self._connected, "behind": self._behind(subject), **difference(None, picture)}
        differs = difference(before, picture)
        for subscriber in subscribers:
            if subscriber.needs_all:
                subscriber.needs_all = False
                self._send(subject, subscriber, everything)
            elif differs:
                self._send(subject, subscriber, {"live": self._connected, **differs})

    def _send_all(self, subject: _Subject, update: Update) -> None:
        for subscriber in tuple(subject.subscribers):
            self._send(subject, subscriber, update)

    def _send(self, subject: _Subject, subscriber: _Subscriber, update: Update) -> None:
        if self._closed:
            return
        try:
            subscriber.updates.put_nowait(update)
        except asyncio.QueueFull:
            # A page that does not keep up loses the updates that wait for it, and is sent everything instead.
            subscriber.clear()
            subscriber.needs_all = True
            self._mark(subject)

    def _refuse(self, subject: _Subject, subscriber: _Subscriber, error: RequestError) -> None:
        subject.subscribers.discard(subscriber)
        if not self._closed:
            subscriber.end(error)

    def _leave(self, name: str, subject: _Subject, subscriber: _Subscriber) -> None:
        subject.subscribers.discard(subscriber)
        if not subject.subscribers and self._subjects.get(name) is subject:
            del self._subjects[name]
            if subject.task is not None:
                subject.task.cancel()


def _note_fault(subject: _Subject, task: asyncio.Task[None]) -> None:
    """Log a fault of ours that ended a subject's task; its pages end, and come again."""
    if task.cancelled() or (error := task.exception()) is None:
        return
    LOG.error("a live page failed", exc_info=error)
    for subscriber in subject.subscribers:
        subscriber.end(None)
