"""Bulk messages leave the consumer in order and without gaps, whatever Faust fetched, dropped and sought while it recovered."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import IllegalStateError, KafkaTimeoutError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.worker import bulk
from streams.worker.bulk import BulkConsumer
from streams.worker.holds import HoldReason, Holds
from streams.worker.source_topics import Start

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
        self.consumer_generation = 1
        self._fetched_under = 1
        self._committed_offset = {}
        self._read_offset = {}
        self._fetches = fetches
        self._committed, self.earliest = committed, earliest
        self._thread: Any = self
        self.flow_active = True
        self.begun: list[int] = []
        self.sought: list[int] = []
        self.taken_away = False
        self.app: Any = SimpleNamespace(
            consumer_generation_id=1,
            tables=SimpleNamespace(changelog_topics=set()),
            monitor=SimpleNamespace(track_tp_end_offset=lambda *_: None),
            starts=self._starts,
            source_topics=SimpleNamespace(look_soon=self._look_soon),
        )
        self.looks = 0
        self.next_offset = 1_000
        self.diag: Any = SimpleNamespace(set_flag=lambda *_: None, unset_flag=lambda *_: None)

    async def _wait_next_records(self, *_: Any) -> Any:
        self._fetched_under = self.consumer_generation
        return self._fetches.pop(0), set()

    async def seek_wait(self, partitions: Any) -> None:
        if self.taken_away:
            raise IllegalStateError("No current assignment for partition")
        self.sought += partitions.values()

    async def earliest_offsets(self, *partitions: TP) -> Any:
        return dict.fromkeys(partitions, self.earliest)

    def highwater(self, *_: Any) -> int | None:
        return 1_000

    async def _starts(self) -> dict[tuple[str, int], Start]:
        return {tuple(HERE): Start(self.next_offset, self.earliest)}

    def _look_soon(self) -> None:
        self.looks += 1

    async def position_anew(self) -> None:
        """As Faust does after a rebalance, once its tables are recovered."""
        await self.seek_to_committed()
        self.begun, self.sought = self.sought, []

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
        assert one.begun == [0]
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
    async def run() -> None:
        one = consumer(range(10, 12), range(14, 20), range(20, 22), range(14, 16), committed=10)
        await one.position_anew()
        assert await one.fetched() == [10, 11]
        one.taken_away = True
        assert await one.fetched() == []
        assert await one.fetched() == []
        one.taken_away = False
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
        one = consumer(range(40, 42), range(42, 43), committed=10)
        await one.position_anew()
        one.earliest = 40
        assert [await one.fetched() for _ in range(2)] == [[40, 41], [42]]
        assert one.sought == []
        assert one.looks == 1

    asyncio.run(run())


@pytest.mark.parametrize(
    ("committed", "next_offset", "earliest", "begins_at"),
    [
        pytest.param(10, 10, 0, 10, id="as it was left"),
        pytest.param(10, 7, 0, 7, id="Postgres was restored to an earlier state"),
        pytest.param(10, 15, 0, 10, id="killed between the sink and the commit"),
        pytest.param(None, 15, 3, 3, id="what was committed is lost"),
        pytest.param(2, 8, 5, 5, id="records that stand in Postgres are gone"),
        pytest.param(900, 4, 4, 4, id="committed of a topic that was made anew and adopted"),
    ],
)
def test_reading_begins_where_nothing_is_left_out(
    committed: int | None, next_offset: int, earliest: int, begins_at: int
) -> None:
    async def run() -> None:
        one = consumer(range(begins_at, begins_at + 3), committed=committed, earliest=earliest)
        one.next_offset = next_offset
        sought_and_committed = await one.seek_to_committed()
        assert one.sought == [begins_at], "what was fetched before was dropped, and maybe nothing follows"
        assert sought_and_committed == {HERE: begins_at}, "Faust drops what is below, and commits what is above"
        assert await one.fetched() == list(range(begins_at, begins_at + 3))

    asyncio.run(run())


def test_records_from_before_what_was_handed_on_may_be_another_topics_and_are_looked_into() -> None:
    async def run() -> None:
        one = consumer(range(10, 14), range(3), range(14, 16), committed=10)
        await one.position_anew()
        assert await one.fetched() == [10, 11, 12, 13]
        assert one.looks == 0
        assert await one.fetched() == []
        assert (one.looks, one.sought) == (1, [14])
        assert await one.fetched() == [14, 15]

    asyncio.run(run())


def test_topic_that_is_gone_does_not_end_the_fetch(monkeypatch: pytest.MonkeyPatch) -> None:
    async def gone(*_: object) -> Any:
        raise KafkaTimeoutError("Failed to get offsets by times in 90000 ms")

    async def run() -> None:
        one = consumer(range(10, 12), range(14, 16), committed=10)
        await one.position_anew()
        assert await one.fetched() == [10, 11]
        monkeypatch.setattr(one, "earliest_offsets", gone)
        assert await one.fetched() == []
        assert (one.looks, one.sought) == (1, [12])

    asyncio.run(run())


def test_rebalance_that_took_everything_away_is_waited_for() -> None:
    async def nothing_assigned(*_: Any) -> Any:
        raise AssertionError("No partitions are currently assigned")

    async def run() -> None:
        one = consumer(committed=10)
        one._thread.seek_to_committed = nothing_assigned
        with pytest.raises(IllegalStateError):
            await one.perform_seek()
        one._thread.seek_wait = nothing_assigned
        with pytest.raises(IllegalStateError):
            await BulkConsumer.seek_wait(one, {HERE: 12})

    asyncio.run(run())


def test_end_of_a_partition_that_was_given_up_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_assigned(*_: object) -> int:
        raise AssertionError("Partition is not assigned")

    monkeypatch.setattr(driver.Consumer, "highwater", not_assigned)
    assert BulkConsumer.highwater(consumer(committed=0), HERE) is None


def test_records_are_handed_on_though_their_partitions_end_is_not_known() -> None:
    async def run() -> None:
        one = consumer(range(10, 12), committed=10)
        await one.position_anew()
        one.highwater = lambda *_: None  # type: ignore[method-assign]
        assert await one.fetched() == [10, 11]

    asyncio.run(run())


def test_nothing_is_committed_of_what_was_given_up() -> None:
    async def run() -> None:
        thread: Any = object.__new__(bulk._ConsumerThread)
        thread.assignment = set
        assert not await thread._commit({HERE: 12})

    asyncio.run(run())


def test_generations_are_counted_though_kafka_gives_a_number_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    async def faust_takes(*_: Any) -> None:
        pass

    async def run() -> None:
        one = consumer(range(10, 12), range(10, 12), committed=10)
        monkeypatch.setattr(driver.Consumer, "on_partitions_assigned", faust_takes)
        monkeypatch.setattr(driver.Consumer, "on_partitions_revoked", faust_takes)
        seen = []
        for _ in range(2):
            await one.on_partitions_assigned({HERE}, generation_id=1)
            await one.position_anew()
            (message,) = [message async for _, message in one.getmany(1.0)]
            seen.append(message.value.consumer_generation)
            await one.on_partitions_revoked({HERE})
        assert seen[0] != seen[1]
        one.mark_done(*HERE, 12, seen[0])
        assert one._new_offset(HERE) is None
        one.mark_done(*HERE, 12, seen[1])
        assert one._new_offset(HERE) == 12

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


def test_fetch_that_a_rebalance_overtook_is_fetched_again_by_the_next_assignment() -> None:
    async def run() -> None:
        one = consumer(range(16, 18), range(18, 20), range(16, 20), committed=16)
        await one.position_anew()
        fetch = one._wait_next_records

        async def overtaken(*arguments: Any) -> Any:
            """The fetch was sent before the rebalance and comes back once the next assignment's positions are sought."""
            answer = await fetch(*arguments)
            one._positions = {}
            one.consumer_generation = 2
            await one.position_anew()
            return answer

        one._wait_next_records = overtaken  # type: ignore[method-assign]
        assert await one.fetched() == []
        one._wait_next_records = fetch  # type: ignore[method-assign]
        # aiokafka goes on after the fetch that was dropped: it is sought back to.
        assert await one.fetched() == []
        assert one.sought == [16]
        assert await one.fetched() == [16, 17, 18, 19]

    asyncio.run(run())


def test_changelog_of_a_fetch_that_a_rebalance_overtook_is_sought_back_to_what_recovery_has_seen() -> None:
    async def run(seen: int | None) -> list[int]:
        one = consumer(range(3, 6), committed=0)
        one.app.tables.changelog_topics = {HERE.topic}
        one.app.tables.recovery = SimpleNamespace(
            active_offsets={} if seen is None else {HERE: seen}, standby_offsets={}
        )
        fetch = one._wait_next_records

        async def overtaken(*arguments: Any) -> Any:
            answer = await fetch(*arguments)
            one.consumer_generation = 2
            return answer

        one._wait_next_records = overtaken  # type: ignore[method-assign]
        assert await one.fetched() == []
        return one.sought

    assert asyncio.run(run(2)) == [2]
    assert asyncio.run(run(-1)) == [0]
    # Its recovery has not begun: it will seek by itself.
    assert asyncio.run(run(None)) == []


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
