from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import nullcontext
from dataclasses import dataclass, field

import pytest
from sqlalchemy.orm import Session

from api.core.errors import Forbidden, NotFound, RequestError, SignInRequired, TooManyPages
from api.core.freshness import Ages
from api.core.live import QUEUE_UPDATES, Live, Pace
from api.core.live_reads import Visitor
from api.core.pictures import Picture, Update
from streams.topics import INVOICES, MEMBERSHIPS, PARTITIONS


@dataclass
class Page:
    """A subject whose picture the test sets; counts how often it was read."""

    balance: int = 0
    entries: list[int] = field(default_factory=list)
    reads: int = 0
    reading: threading.Event = field(default_factory=threading.Event)
    may_go_on: threading.Event | None = None

    def read(self, _session: Session) -> Picture:
        self.reads += 1
        balance, entries = self.balance, list(self.entries)
        self.reading.set()
        if self.may_go_on is not None:
            assert self.may_go_on.wait(5)
        newest = [(number, f"<li>{number}</li>") for number in sorted(entries, reverse=True)[:3]]
        return Picture(frozenset({"M-1"}), {"balance": str(balance)}, {"chart": f"<p>{balance}</p>"}, newest)


@dataclass
class Account:
    """A viewer whose access the test takes away; counts how often it was asked for."""

    session: str = "cookie"
    refused: RequestError | None = None
    asked: int = 0

    def __call__(self, _session: Session) -> None:
        self.asked += 1
        if self.refused is not None:
            raise self.refused

    @property
    def visitor(self) -> Visitor:
        return Visitor(self.session, self)


ANYBODY = Visitor("anybody", lambda _session: None)


def made(**pace: float) -> Live:
    """Live pages over readers that need no database."""
    return Live(lambda: nullcontext(Session()), Pace(interval_seconds=0, **pace))  # type: ignore[arg-type]


async def until_it_ends(updates: AsyncGenerator[Update]) -> None:
    async for _ in updates:
        pass


async def following(updates: AsyncGenerator[Update]) -> Update:
    return await asyncio.wait_for(anext(updates), 5)


def test_first_update_has_everything_and_later_ones_what_differs() -> None:
    async def scenario() -> None:
        page, live = Page(7, [1, 2]), made()
        live.connected(True)
        updates = live.updates("customer M-1", page.read, ANYBODY)
        first = await following(updates)
        assert first["all"] is True
        assert first["live"] is True
        assert first["numbers"] == {"balance": "7"}
        assert [entry["id"] for entry in first["entries"]] == [2, 1]
        page.balance, page.entries = 9, [1, 2, 3]
        live.changed(frozenset({"M-1"}))
        second = await following(updates)
        assert second == {
            "live": True,
            "numbers": {"balance": "9"},
            "sections": {"chart": "<p>9</p>"},
            "entries": [{"id": 3, "html": "<li>3</li>"}],
        }
        await updates.aclose()

    asyncio.run(scenario())


def test_change_of_others_reads_nothing() -> None:
    async def scenario() -> None:
        page, live = Page(), made()
        updates = live.updates("customer M-1", page.read, ANYBODY)
        await following(updates)
        live.changed(frozenset({"M-2"}))
        await asyncio.sleep(0.05)
        assert page.reads == 1
        live.changed(None)
        await asyncio.sleep(0.05)
        assert page.reads == 2
        await updates.aclose()

    asyncio.run(scenario())


def test_changes_during_a_read_are_taken_by_one_more() -> None:
    async def scenario() -> None:
        page, live = Page(), made()
        updates = live.updates("customer M-1", page.read, ANYBODY)
        await following(updates)
        page.may_go_on = threading.Event()
        page.reading.clear()
        live.changed(None)
        await asyncio.to_thread(page.reading.wait, 5)
        page.balance = 5
        for _ in range(20):
            live.changed(frozenset({"M-1"}))
        page.may_go_on.set()
        assert (await following(updates))["numbers"] == {"balance": "5"}
        assert page.reads == 3
        await updates.aclose()

    asyncio.run(scenario())


def test_log_that_moved_on_by_more_than_a_page_is_a_gap() -> None:
    async def scenario() -> None:
        page, live = Page(0, [1, 2, 3]), made()
        updates = live.updates("customer M-1", page.read, ANYBODY)
        await following(updates)
        page.entries = [1, 2, 3, 4, 5, 6, 7]
        live.changed(None)
        assert (await following(updates))["gap"] is True
        await updates.aclose()

    asyncio.run(scenario())


def test_slow_page_is_sent_everything_again() -> None:
    async def scenario() -> None:
        page, live = Page(), made()
        updates = live.updates("customer M-1", page.read, ANYBODY)
        await following(updates)
        for number in range(1, QUEUE_UPDATES + 10):
            page.balance = number
            live.changed(None)
            await asyncio.sleep(0.005)
        seen = await following(updates)
        while seen["numbers"]["balance"] != str(QUEUE_UPDATES + 9):
            seen = await following(updates)
        assert page.reads >= QUEUE_UPDATES
        await updates.aclose()

    asyncio.run(scenario())


def test_lost_and_found_connection_is_told() -> None:
    async def scenario() -> None:
        page, live = Page(), made()
        live.connected(True)
        updates = live.updates("customer M-1", page.read, ANYBODY)
        await following(updates)
        live.connected(False)
        assert (await following(updates)) == {"live": False}
        live.connected(True)
        assert (await following(updates)) == {"live": True}
        await updates.aclose()

    asyncio.run(scenario())


def test_silence_is_broken_by_signs_of_life() -> None:
    async def scenario() -> None:
        page, live = Page(), made(beat_seconds=0.02)
        updates = live.updates("customer M-1", page.read, ANYBODY)
        assert (await following(updates))["all"] is True
        assert [await following(updates) for _ in range(3)] == [{}, {}, {}]
        page.balance = 5
        live.changed(None)
        assert {"numbers": {"balance": "5"}}.items() <= (await update_among_beats(updates)).items()
        await updates.aclose()

    asyncio.run(scenario())


async def update_among_beats(updates: AsyncGenerator[Update]) -> Update:
    while not (update := await following(updates)):
        pass
    return update


def test_page_whose_time_is_over_is_ended_and_forgotten() -> None:
    async def scenario() -> None:
        page, live = Page(), made(beat_seconds=10, page_seconds=0.5)
        seen = [update async for update in live.updates("customer M-1", page.read, ANYBODY)]
        assert seen[0]["all"] is True
        assert not any(seen[1:])
        live.changed(None)
        await asyncio.sleep(0.05)
        assert page.reads == 1

    asyncio.run(scenario())


def test_close_ends_a_page_that_waits_and_one_that_comes_later() -> None:
    async def scenario() -> None:
        page, live = Page(), made()
        updates = live.updates("customer M-1", page.read, ANYBODY)
        await following(updates)
        waiting = asyncio.create_task(anext(updates, None))
        await asyncio.sleep(0)
        live.close()
        assert await asyncio.wait_for(waiting, 1) is None
        assert [update async for update in live.updates("customer M-2", page.read, ANYBODY)] == []

    asyncio.run(scenario())


def test_close_ends_a_page_that_does_not_keep_up() -> None:
    async def scenario() -> None:
        page, live = Page(), made()
        updates = live.updates("customer M-1", page.read, ANYBODY)
        await following(updates)
        for number in range(QUEUE_UPDATES):
            live.connected(number % 2 == 0)
        live.close()
        live.connected(True)
        assert [update async for update in updates] == []

    asyncio.run(scenario())


def test_access_that_is_lost_ends_the_page_before_it_is_sent_what_changed() -> None:
    async def scenario() -> None:
        page, live, joe, admin = Page(1), made(), Account("joe"), Account("admin")
        his = live.updates("customer M-1", page.read, joe.visitor)
        hers = live.updates("customer M-1", page.read, admin.visitor)
        reading = asyncio.create_task(following(hers))
        await following(his)
        await reading
        joe.refused = Forbidden()
        page.balance = 2
        live.changed(None)
        with pytest.raises(Forbidden):
            await following(his)
        assert (await following(hers))["numbers"] == {"balance": "2"}
        await hers.aclose()

    asyncio.run(scenario())


def test_access_that_is_lost_takes_back_what_waits_to_be_sent() -> None:
    async def scenario() -> None:
        page, live, joe = Page(1), made(), Account()
        his = live.updates("customer M-1", page.read, joe.visitor)
        await following(his)
        page.balance = 2
        live.changed(None)
        await asyncio.sleep(0.05)
        joe.refused = SignInRequired()
        live.changed(None)
        await asyncio.sleep(0.05)
        with pytest.raises(SignInRequired):
            await following(his)

    asyncio.run(scenario())


def test_access_that_is_lost_ends_a_page_on_which_nothing_changes() -> None:
    async def scenario() -> None:
        page, live, joe = Page(1), made(beat_seconds=0.02, authorize_seconds=0.05), Account()
        his = live.updates("customer M-1", page.read, joe.visitor)
        await following(his)
        joe.refused = SignInRequired()
        with pytest.raises(SignInRequired):
            await asyncio.wait_for(until_it_ends(his), 5)
        assert page.reads == 1

    asyncio.run(scenario())


def test_access_is_asked_for_however_often_a_page_is_told_how_old_the_points_are() -> None:
    async def scenario() -> None:
        page, live, joe = Page(1), made(beat_seconds=5, authorize_seconds=0.05), Account()
        his = live.updates("customer M-1", page.read, joe.visitor)
        await following(his)
        joe.refused = SignInRequired()

        async def tell() -> None:
            for number in range(100):
                live.aged(ages(20 + 20 * number))
                await asyncio.sleep(0.01)

        telling = asyncio.create_task(tell())
        with pytest.raises(SignInRequired):
            await asyncio.wait_for(until_it_ends(his), 5)
        assert not telling.done()
        telling.cancel()

    asyncio.run(scenario())


def test_pages_of_one_session_are_authorised_by_one_look() -> None:
    async def scenario() -> None:
        page, live, joe = Page(1), made(), Account()
        opened = [live.updates("customer M-1", page.read, joe.visitor) for _ in range(20)]
        await asyncio.gather(*(following(updates) for updates in opened))
        assert page.reads == 1
        before = joe.asked
        live.changed(None)
        await asyncio.sleep(0.05)
        assert joe.asked == before + 1
        for updates in opened:
            await updates.aclose()

    asyncio.run(scenario())


def test_subject_that_is_gone_ends_its_pages() -> None:
    async def scenario() -> None:
        page, live = Page(1), made()

        def read(session: Session) -> Picture:
            if page.balance == 0:
                raise NotFound("There is no customer M-1.")
            return page.read(session)

        updates = live.updates("customer M-1", read, ANYBODY)
        await following(updates)
        page.balance = 0
        live.changed(None)
        with pytest.raises(NotFound):
            await following(updates)

    asyncio.run(scenario())


def test_fault_of_ours_ends_the_page_instead_of_leaving_it_without_updates() -> None:
    async def scenario() -> None:
        live = made()

        def read(_session: Session) -> Picture:
            raise KeyError("a template's fault")

        assert [update async for update in live.updates("customer M-1", read, ANYBODY)] == []

    asyncio.run(scenario())


def test_first_reads_are_bounded_and_open_pages_are_read_meanwhile() -> None:
    async def scenario() -> None:
        live, running, most, lock = made(first_reads=2), 0, 0, threading.Lock()
        open_page = Page(1)
        updates = live.updates("customer M-1", open_page.read, ANYBODY)
        await following(updates)
        may_end = threading.Event()

        def read(_session: Session) -> Picture:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            assert may_end.wait(5)
            with lock:
                running -= 1
            return Picture(frozenset({"M-2"}), {}, {}, [])

        coming = [live.updates(f"customer {number}", read, ANYBODY) for number in range(20)]
        waiting = [asyncio.create_task(following(one)) for one in coming]
        await asyncio.sleep(0.05)
        open_page.balance = 2
        live.changed(frozenset({"M-1"}))
        assert (await following(updates))["numbers"] == {"balance": "2"}
        may_end.set()
        await asyncio.gather(*waiting)
        assert most == 2
        for one in (*coming, updates):
            await one.aclose()

    asyncio.run(scenario())


def test_more_pages_than_there_are_places_for_are_refused_with_a_time_to_come_again() -> None:
    live = made(streams=2)
    with live.place("stream"), live.place("stream"):
        with pytest.raises(TooManyPages) as refused, live.place("stream"):
            pass
        assert refused.value.retry_after_seconds
        with live.place("poll"):
            pass
    with live.place("stream"):
        pass


def ages(seconds: float) -> Ages:
    return {(topic.name, number): seconds for topic in (INVOICES, MEMBERSHIPS) for number in range(PARTITIONS)}


def test_page_is_told_that_the_points_are_behind_and_counts_up_by_itself() -> None:
    async def scenario() -> None:
        page, live = Page(1), made(behind_seconds=8)
        live.aged(ages(2))
        updates = live.updates("customer M-1", page.read, ANYBODY)
        assert (await following(updates))["behind"] == 0
        live.aged(ages(9))
        assert await following(updates) == {"behind": 9}
        started = time.monotonic()
        for _ in range(5):
            await asyncio.sleep(0.1)
            live.aged(ages(9 + time.monotonic() - started))
        live.aged(ages(4))
        assert await following(updates) == {"behind": 0}
        live.aged({})
        assert await following(updates) == {"behind": None}
        await updates.aclose()

    asyncio.run(scenario())


def test_page_that_catches_up_is_told_where_it_would_be_wrong() -> None:
    async def scenario() -> None:
        page, live = Page(1), made(behind_seconds=8)
        live.aged(ages(60))
        updates = live.updates("customer M-1", page.read, ANYBODY)
        assert (await following(updates))["behind"] == 60
        live.aged(ages(40))
        assert await following(updates) == {"behind": 40}
        await updates.aclose()

    asyncio.run(scenario())
