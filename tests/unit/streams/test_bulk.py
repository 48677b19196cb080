"""Bulk messages leave the consumer in order and without gaps, whatever Faust fetched, dropped and sought while it recovered."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import IllegalStateError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.worker import bulk
from streams.worker.bulk import BulkConsumer
from streams.worker.holds import HoldReason, Holds

HERE = TP("warehouse.public.invoice_transactions", 3)
Fetch = dict[TP, list[Any]]


class FetchingConsumer(BulkConsumer):
    """What Faust's consumer brought is given; where it is sought to is written down."""

    should_stop = False

    def __init__(self, fetches: list[Fetch], *, committed: int | None, earliest: int = 0) -> None:
        self._done = {}
        self._positions = {}
        self._fetched_at = 0.0
        self.holds = Holds()
        self._read_offset = {}
        self._fetches = fetches
        self._committed, self._earliest = committed, earliest
        self._thread: Any = self
        self.flow_active = True
        self.sought: list[int] = []
        self.app: Any = SimpleNamespace(
            consumer_generation_id=1,
            tables=SimpleNamespace(changelog_topics=set()),
            monitor=SimpleNamespace(track_tp_end_offset=lambda *_: None),
        )
        self.diag: Any = SimpleNamespace(set_flag=lambda *_: None, unset_flag=lambda *_: None)

    async def _wait_next_records(self, *_: Any) -> Any:
        return self._fetches.pop(0), set()

    async def seek_wait(self, partitions: Any) -> None:
        self.sought += partitions.values()

    async def earliest_offsets(self, *partitions: TP) -> Any:
        return dict.fromkeys(partitions, self._earliest)

    def highwater(self, *_: Any) -> int:
        return 1_000

    async def position_anew(self) -> None:
        """As Faust does after a rebalance, once its tables are recovered."""
        await self.seek_to_committed()

    async def fetched(self) -> list[int]:
        """The offsets that the next fetch hands on."""
        return [r.offset async for _, message in self.getmany(1.0) for r in message.value.records]


class GivenUpError(Exception):
    """Ends a test where Faust's own part would begin."""


class CommittedThread:
    """Stands for the thread that asks the broker."""

    def __init__(self, committed: int | None) -> None:
        self._committed = committed

    should_stop = False

    async def seek_to_committed(self) -> dict[TP, int | None]:
        return {HERE: self._committed}

    async def commit(self, *_: Any) -> bool:
        """Never answer, as a thread does that no longer takes calls."""
        await asyncio.Event().wait()
        return True


def consumer(*fetches: range, committed: int | None, earliest: int = 0) -> FetchingConsumer:
    records = [
        {HERE: [SimpleNamespace(offset=offset, timestamp=0, timestamp_type=0) for offset in offsets]}
        for offsets in fetches
    ]
    made = FetchingConsumer(records, committed=committed, earliest=earliest)
    made._thread = CommittedThread(committed)
    return made


def test_nothing_is_handed_on_before_the_committed_offset_was_sought() -> None:
    async def run() -> None:
        one = consumer(range(5), range(2, 5), committed=2)
        assert await one.fetched() == []
        await one.position_anew()
        assert await one.fetched() == [2, 3, 4]

    asyncio.run(run())


def test_partition_without_a_committed_offset_is_read_from_its_beginning() -> None:
    async def run() -> None:
        one = consumer(range(3), range(7), committed=None)
        assert await one.fetched() == []
        await one.position_anew()
        assert one.sought == [0]
        assert await one.fetched() == list(range(7))

    asyncio.run(run())


def test_fetch_that_leaves_records_out_is_made_again_from_where_they_begin() -> None:
    async def run() -> None:
        one = consumer(range(10, 12), range(14, 20), range(12, 20), committed=10)
        await one.position_anew()
        assert await one.fetched() == [10, 11]
        assert await one.fetched() == []
        assert one.sought == [12]
        assert await one.fetched() == list(range(12, 20))

    asyncio.run(run())


def test_partition_that_a_rebalance_took_away_during_a_seek_is_left_to_its_next_owner() -> None:
    async def taken_away(_: object) -> None:
        raise IllegalStateError("No current assignment for partition")

    async def run() -> None:
        one = consumer(range(10, 12), range(14, 20), range(20, 22), range(14, 16), committed=10)
        await one.position_anew()
        assert await one.fetched() == [10, 11]
        one.seek_wait = taken_away  # type: ignore[method-assign]
        assert await one.fetched() == []
        assert await one.fetched() == []
        one._thread = CommittedThread(14)
        await one.position_anew()
        assert await one.fetched() == [14, 15]

    asyncio.run(run())


def test_records_that_were_handed_on_are_not_handed_on_again() -> None:
    async def run() -> None:
        one = consumer(range(10, 14), range(12, 16), range(12, 16), committed=10)
        await one.position_anew()
        assert [await one.fetched() for _ in range(3)] == [[10, 11, 12, 13], [14, 15], []]

    asyncio.run(run())


def test_records_that_the_topic_no_longer_has_are_gone_past() -> None:
    async def run() -> None:
        one = consumer(range(40, 42), range(42, 43), committed=10, earliest=40)
        await one.position_anew()
        assert [await one.fetched() for _ in range(2)] == [[40, 41], [42]]
        assert one.sought == []

    asyncio.run(run())


def test_nothing_is_handed_on_while_the_partitions_are_given_up() -> None:
    async def run() -> None:
        one = consumer(range(10, 14), range(14, 16), committed=10)
        await one.position_anew()
        assert await one.fetched() == [10, 11, 12, 13]

        async def give_up() -> None:
            assert await one.fetched() == []
            raise GivenUpError

        one.before_revoke = give_up
        with pytest.raises(GivenUpError):
            await one.on_partitions_revoked({HERE})

    asyncio.run(run())


@pytest.mark.parametrize("stopping", [True, False])
def test_partitions_are_given_up_though_the_consumers_thread_takes_no_calls_any_more(
    monkeypatch: pytest.MonkeyPatch, stopping: bool
) -> None:
    monkeypatch.setattr(bulk, "COMMIT_SECONDS_MAX", 0.01)
    given_up: list[set[TP]] = []

    async def faust_gives_up(_: Any, revoked: set[TP]) -> None:
        given_up.append(revoked)

    async def run() -> None:
        one = consumer(committed=10)
        one._thread.should_stop = stopping
        one.commit = one._thread.commit  # type: ignore[method-assign]
        one.before_revoke = _nothing
        monkeypatch.setattr(driver.Consumer, "on_partitions_revoked", faust_gives_up)
        await asyncio.wait_for(one.on_partitions_revoked({HERE}), 5)

    asyncio.run(run())
    assert given_up == [{HERE}]


async def _nothing() -> None:
    pass


THERE = TP("warehouse.public.invoice_transactions", 4)


class AskedThread:
    """Stands for the thread that fetches; notes of which partitions, and for how long."""

    def __init__(self) -> None:
        self.asked: list[tuple[set[TP], float]] = []

    async def getmany(self, partitions: set[TP], timeout: float) -> Fetch:  # noqa: ASYNC109 -- Faust's signature
        self.asked.append((set(partitions), timeout))
        return {}


def test_held_partition_is_left_out_of_fetches_until_its_last_reason_is_gone() -> None:
    async def run() -> None:
        one = consumer(committed=0)
        one._thread = thread = AskedThread()

        async def fetched_from() -> set[TP]:
            await one._getmany({HERE, THERE}, 1.0)
            return thread.asked[-1][0]

        one.hold(HERE.topic, HERE.partition, HoldReason.FULL)
        one.hold(HERE.topic, HERE.partition, HoldReason.FULL)
        one.hold(HERE.topic, HERE.partition, HoldReason.HALTED)
        assert await fetched_from() == {THERE}
        one.release(HERE.topic, HERE.partition, HoldReason.FULL)
        one.release(THERE.topic, THERE.partition, HoldReason.FULL)
        assert await fetched_from() == {THERE}
        assert one.holds.reasons(HERE) == {HoldReason.HALTED}
        one.release(HERE.topic, HERE.partition, HoldReason.HALTED)
        assert await fetched_from() == {HERE, THERE}
        assert one.holds.reasons(HERE) == frozenset()

    asyncio.run(run())


def test_fetch_waits_shortly_while_a_partition_is_held_for_it_may_be_released_meanwhile() -> None:
    async def run() -> None:
        one = consumer(committed=0)
        one._thread = thread = AskedThread()
        one.hold(HERE.topic, HERE.partition, HoldReason.FULL)
        await one._getmany({HERE, THERE}, 1.0)
        one.release(HERE.topic, HERE.partition, HoldReason.FULL)
        await one._getmany({HERE, THERE}, 1.0)
        assert [timeout for _, timeout in thread.asked] == [bulk.HELD_FETCH_SECONDS, 1.0]

    asyncio.run(run())


def test_nothing_is_asked_for_while_every_partition_is_held_since_nothing_means_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bulk, "HELD_FETCH_SECONDS", 30.0)

    async def run() -> None:
        one = consumer(committed=0)
        one._thread = thread = AskedThread()
        one.hold(HERE.topic, HERE.partition, HoldReason.FULL)
        fetching = asyncio.create_task(one._getmany({HERE}, 30.0))
        await asyncio.sleep(0.01)
        assert not fetching.done()
        one.release(HERE.topic, HERE.partition, HoldReason.FULL)
        assert await asyncio.wait_for(fetching, 5) == {}
        assert thread.asked == []

    asyncio.run(run())


def test_holds_end_with_the_assignment(monkeypatch: pytest.MonkeyPatch) -> None:
    async def faust_gives_up(*_: Any) -> None:
        pass

    async def run() -> None:
        one = consumer(committed=0)
        one._thread = thread = AskedThread()
        one.hold(HERE.topic, HERE.partition, HoldReason.HALTED)
        monkeypatch.setattr(driver.Consumer, "on_partitions_revoked", faust_gives_up)
        await one.on_partitions_revoked({HERE})
        await one._getmany({HERE}, 1.0)
        assert thread.asked == [({HERE}, 1.0)]

    asyncio.run(run())
