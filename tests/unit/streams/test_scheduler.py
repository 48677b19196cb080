"""How often the scheduler looks."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import pytest

from streams.source.decode import decode_reevaluation
from streams.state.changes import Reevaluation
from streams.state.epochs import ReloadLimits
from streams.worker import scheduler
from streams.worker.scheduler import INTERVAL_SECONDS, LOOK_SHARE, REST_SECONDS_MAX, Scheduler
from tests.change_events import record

LIMITS = ReloadLimits(quiet=dt.timedelta(minutes=5), patience=dt.timedelta(hours=1), share_max=0.05)
DUE = [Reevaluation("M-1", None, "reload", "0/1")]


class Clock:
    """Time that passes in looks alone; ends the scheduler after some rests."""

    def __init__(self, looks: list[tuple[float, list[Reevaluation]]]) -> None:
        self.now = 0.0
        self.looks = iter(looks)
        self.left = len(looks)
        self.rests: list[float] = []

    def look(self) -> tuple[list[Reevaluation], list[scheduler.Retry]]:
        took, due = next(self.looks)
        self.now += took
        return due, []

    async def sleep(self, seconds: float) -> None:
        self.rests.append(seconds)
        self.left -= 1
        if not self.left:
            raise asyncio.CancelledError


class Published:
    async def publish(self, _topic: str, _records: Any) -> dict[int, int]:
        return {}


def test_looks_that_find_nothing_and_take_long_are_made_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock([(0.001, []), (0.5, []), (9.0, []), (0.5, DUE), (0.001, [])])
    made = Scheduler("", Published(), timezone="UTC", limits=LIMITS)  # type: ignore[arg-type]
    monkeypatch.setattr(made, "_look", clock.look)
    monkeypatch.setattr(scheduler.time, "monotonic", lambda: clock.now)
    monkeypatch.setattr(scheduler.asyncio, "sleep", clock.sleep)

    async def at_once(function: Any) -> Any:
        return function()

    monkeypatch.setattr(scheduler.asyncio, "to_thread", at_once)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(made.run())

    assert clock.rests == [INTERVAL_SECONDS, LOOK_SHARE * 0.5, REST_SECONDS_MAX, INTERVAL_SECONDS, INTERVAL_SECONDS]


def test_letter_is_sent_to_the_partition_that_its_record_was_in() -> None:
    partition, key, value = scheduler._outgoing_retry((17, 5))
    assert (partition, key) == (5, None)
    again = decode_reevaluation(record(0, value)).reevaluation
    assert again is not None
    assert (again.kind, again.of) == ("retry", "17")
