"""Live pages: this knows which pages are open, reads again what changed, and sends each page only what differs.

Place on the data's way: api/core/listener.py says who changed. What open pages show of it is read again here, once for all
pages that are open on it. Changes that come while a read runs only mark the subject; the next read takes them all.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from api.core.errors import NotFound
from streams.errors import TransientKind
from streams.retry_policy import Policy, Retries

LOG = logging.getLogger(__name__)

QUEUE_UPDATES = 50
RETRIES = Retries(
    failing="a live page cannot be read",
    working="live pages are read again",
    logger=LOG,
    on=(SQLAlchemyError,),
    policies={TransientKind.AWAY: Policy(0.5, 5.0)},
    # Its text holds the query's values.
    say=lambda error: type(error).__name__,
)


@dataclass(frozen=True, slots=True)
class Picture:
    """The changing parts of a page, rendered."""

    watches: frozenset[str]
    """Changes of these customers may change the picture."""
    numbers: dict[str, str]
    """By the name of the element that shows it."""
    sections: dict[str, str]
    """HTML by the section's name."""
    entries: list[tuple[int, str]]
    """(id, HTML) of the newest entries of the log, the newest first."""


Update = dict[str, Any]
"""What a page lacks. An empty one is a sign of life."""
Reader = Callable[[], Picture]


@dataclass(eq=False, slots=True)
class _Subscriber:
    updates: asyncio.Queue[Update | None] = field(default_factory=lambda: asyncio.Queue(QUEUE_UPDATES))
    """None ends the page's stream."""
    needs_all: bool = True

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
    task: asyncio.Task[None] | None = None


class Live:
    """The open pages of this process. Everything but `Reader` runs on the event loop."""

    def __init__(self, *, interval_seconds: float, beat_seconds: float = 5, page_seconds: float = 300) -> None:
        """Take the pace of updates, the longest silence towards a page, and the longest time that a page stays open."""
        self._interval_seconds = interval_seconds
        self._beat_seconds = beat_seconds
        self._page_seconds = page_seconds
        self._subjects: dict[str, _Subject] = {}
        self._connected = False
        self._closed = False

    async def updates(self, name: str, read: Reader) -> AsyncGenerator[Update]:
        """Yield updates of the subject `name` to one page: first everything, then what differs, empty ones in silence.

        It ends when the page goes away, when the page's time is over, or when `close` is called.
        """
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + self._page_seconds
        subject = self._subjects.setdefault(name, _Subject(read))
        subscriber = _Subscriber()
        subject.subscribers.add(subscriber)
        self._mark(subject)
        try:
            while not self._closed and (left := ends_at - loop.time()) > 0:
                try:
                    async with asyncio.timeout(min(left, self._beat_seconds)):
                        update = await subscriber.updates.get()
                except TimeoutError:
                    update = {}
                if update is not None:
                    yield update
        finally:
            subject.subscribers.discard(subscriber)
            if not subject.subscribers:
                self._subjects.pop(name, None)
                if subject.task is not None:
                    subject.task.cancel()

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
            for subscriber in subject.subscribers:
                self._send(subject, subscriber, {"live": connected})

    def close(self) -> None:
        """End the stream of every page, now and from now on: the server stops."""
        self._closed = True
        for subject in self._subjects.values():
            for subscriber in subject.subscribers:
                subscriber.clear()
                subscriber.updates.put_nowait(None)

    def _mark(self, subject: _Subject) -> None:
        subject.dirty = True
        if subject.task is None or subject.task.done():
            subject.task = asyncio.get_running_loop().create_task(self._refresh(subject))

    async def _refresh(self, subject: _Subject) -> None:
        while subject.dirty:
            try:
                picture = await RETRIES.acall(partial(_read, subject))
            except NotFound:
                return
            self._tell(subject, picture)
            await asyncio.sleep(self._interval_seconds)

    def _tell(self, subject: _Subject, picture: Picture) -> None:
        before, subject.picture = subject.picture, picture
        everything = _difference(None, picture)
        difference = _difference(before, picture)
        for subscriber in tuple(subject.subscribers):
            if subscriber.needs_all:
                subscriber.needs_all = False
                self._send(subject, subscriber, {"live": self._connected, **everything})
            elif difference:
                self._send(subject, subscriber, {"live": self._connected, **difference})

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


async def _read(subject: _Subject) -> Picture:
    # A change that comes while this reads marks the subject again.
    subject.dirty = False
    return await asyncio.to_thread(subject.read)


def _difference(before: Picture | None, after: Picture) -> Update:
    """Return what a page that shows `before` lacks (everything where that is None); empty where nothing does."""
    known = set() if before is None else {entry_id for entry_id, _ in before.entries}
    update: Update = {
        "numbers": {
            name: text for name, text in after.numbers.items() if before is None or before.numbers.get(name) != text
        },
        "sections": {
            name: html for name, html in after.sections.items() if before is None or before.sections.get(name) != html
        },
        "entries": [{"id": entry_id, "html": html} for entry_id, html in after.entries if entry_id not in known],
    }
    if before is None:
        return {"all": True, **update}
    # The whole newest page of the log is new: entries between are not in the update, and the page must not show a hole.
    if known and after.entries and known.isdisjoint(entry_id for entry_id, _ in after.entries):
        update["gap"] = True
    return {name: value for name, value in update.items() if value}
