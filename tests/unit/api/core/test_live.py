from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from api.core.live import QUEUE_UPDATES, Live, Picture, Update


@dataclass
class Page:
    """A subject whose picture the test sets; counts how often it was read."""

    balance: int = 0
    entries: list[int] = field(default_factory=list)
    reads: int = 0
    reading: threading.Event = field(default_factory=threading.Event)
    may_go_on: threading.Event | None = None

    def read(self) -> Picture:
        self.reads += 1
        balance, entries = self.balance, list(self.entries)
        self.reading.set()
        if self.may_go_on is not None:
            assert self.may_go_on.wait(5)
        newest = [(number, f"<li>{number}</li>") for number in sorted(entries, reverse=True)[:3]]
        return Picture(frozenset({"M-1"}), {"balance": str(balance)}, {"chart": f"<p>{balance}</p>"}, newest)


async def following(updates: AsyncGenerator[Update]) -> Update:
    return await asyncio.wait_for(anext(updates), 5)


def test_first_update_has_everything_and_later_ones_what_differs() -> None:
    async def scenario() -> None:
        page, live = Page(7, [1, 2]), Live(interval_seconds=0)
        live.connected(True)
        updates = live.updates("customer M-1", page.read)
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
        page, live = Page(), Live(interval_seconds=0)
        updates = live.updates("customer M-1", page.read)
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
        page, live = Page(), Live(interval_seconds=0)
        updates = live.updates("customer M-1", page.read)
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
        page, live = Page(0, [1, 2, 3]), Live(interval_seconds=0)
        updates = live.updates("customer M-1", page.read)
        await following(updates)
        page.entries = [1, 2, 3, 4, 5, 6, 7]
        live.changed(None)
        assert (await following(updates))["gap"] is True
        await updates.aclose()

    asyncio.run(scenario())


def test_slow_page_is_sent_everything_again() -> None:
    async def scenario() -> None:
        page, live = Page(), Live(interval_seconds=0)
        updates = live.updates("customer M-1", page.read)
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
        page, live = Page(), Live(interval_seconds=0)
        live.connected(True)
        updates = live.updates("customer M-1", page.read)
        await following(updates)
        live.connected(False)
        assert (await following(updates)) == {"live": False}
        live.connected(True)
        assert (await following(updates)) == {"live": True}
        await updates.aclose()

    asyncio.run(scenario())


def test_silence_is_broken_by_signs_of_life() -> None:
    async def scenario() -> None:
        page, live = Page(), Live(interval_seconds=0, beat_seconds=0.02)
        updates = live.updates("customer M-1", page.read)
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
        page, live = Page(), Live(interval_seconds=0, beat_seconds=10, page_seconds=0.5)
        seen = [update async for update in live.updates("customer M-1", page.read)]
        assert seen[0]["all"] is True
        assert not any(seen[1:])
        live.changed(None)
        await asyncio.sleep(0.05)
        assert page.reads == 1

    asyncio.run(scenario())


def test_close_ends_a_page_that_waits_and_one_that_comes_later() -> None:
    async def scenario() -> None:
        page, live = Page(), Live(interval_seconds=0)
        updates = live.updates("customer M-1", page.read)
        await following(updates)
        waiting = asyncio.create_task(anext(updates, None))
        await asyncio.sleep(0)
        live.close()
        assert await asyncio.wait_for(waiting, 1) is None
        assert [update async for update in live.updates("customer M-2", page.read)] == []

    asyncio.run(scenario())


def test_close_ends_a_page_that_does_not_keep_up() -> None:
    async def scenario() -> None:
        page, live = Page(), Live(interval_seconds=0)
        updates = live.updates("customer M-1", page.read)
        await following(updates)
        for number in range(QUEUE_UPDATES):
            live.connected(number % 2 == 0)
        live.close()
        live.connected(True)
        assert [update async for update in updates] == []

    asyncio.run(scenario())
