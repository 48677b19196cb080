"""Bulk delivery: one Faust message a partition and fetch, instead of one a record.

Place on the data's way: under the agents; decoding starts where this ends. Two thirds of a worker's time went into Faust's delivery
record by record. This module is all that touches Faust's private API (pyproject.toml pins the version; tests/integration holds it:
rebalance in flight, several agents, a broker's restart). Offsets are ours to keep: a message stands for all records of its fetch,
and they are done when the sink, the Table and the topics have them, not when a stream has moved on.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import aiokafka
from aiokafka.errors import IllegalStateError, KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, Message
from faust.types.tuples import ConsumerMessage

from streams.worker.bulk_message import Records
from streams.worker.holds import HoldReason, Holds

if TYPE_CHECKING:
    from faust.tables.manager import TableManager

    from streams.worker.app import RewardsApp

logger = logging.getLogger(__name__)
FETCH_MAX_WAIT_MS = 10
"""Faust's 1,500 ms leave out, for as long, a partition that was still being read when the request went out."""
FETCH_INTERVAL_SECONDS = 0.01
"""Under load records are taken at most so often, for a fetch costs much the same whatever it brings."""
HELD_FETCH_SECONDS = 0.05
"""A fetch waits so long at most while partitions are held: one that is released meanwhile is part of the next."""
EARLIEST_SECONDS_MAX = 5.0
"""How long to wait for a partition's first offset: aiokafka asks for a minute and more for that of a topic that is gone."""
COMMIT_SECONDS_MAX = 5.0
"""A commit before a rebalance may take so long; without it the last records come again, which changes nothing."""


@contextmanager
def _given_up_is_illegal() -> Iterator[None]:
    """Say it as aiokafka does mostly: while nothing at all is assigned, it asserts that something is."""
    try:
        yield
    except AssertionError as error:
        raise IllegalStateError(f"nothing is assigned: {error}") from error


class _ConsumerThread(driver.AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:  # noqa: ANN401
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_MAX_WAIT_MS  # noqa: SLF001 -- Faust fixes it in its source
        return consumer

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Commit what is still assigned; nothing is where a rebalance took all of it, and Faust would end the worker over that."""
        assigned = self.assignment()
        kept = {tp: offset for tp, offset in offsets.items() if tp in assigned}
        return bool(kept) and await super()._commit(kept)


class BulkConsumer(driver.Consumer):
    """Faust's consumer with bulk messages for source topics; changelogs come record by record as ever."""

    before_revoke: Callable[[], Awaitable[None]] | None = None
    """Awaited before partitions are given up, while their offsets can still be committed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 -- Faust's signature
        super().__init__(*args, **kwargs)
        self._done: dict[TP, int] = {}
        self._fetched_at = 0.0
        self._positions: dict[TP, int] = {}
        """Where each source partition of this assignment is to be read on; none until Faust has sought to what is committed."""
        self.holds = Holds()
        """Which source partitions are not fetched from for now."""
        self.consumer_generation = 0
        """How many assignments there were. Counted here, for a member that joins a group anew can meet Kafka's number again."""
        self._fetched_under = 0

    def hold(self, topic: str, partition: int, reason: HoldReason) -> None:
        """Leave a partition out of the fetches to come, until it is released or given up. What was fetched before still comes."""
        self.holds.hold(TP(topic, partition), reason)

    def release(self, topic: str, partition: int, reason: HoldReason) -> None:
        """Take a partition in again where no other reason holds it; it goes on after the last record that was handed on."""
        self.holds.release(TP(topic, partition), reason)

    def mark_done(self, topic: str, partition: int, next_offset: int, generation: int) -> None:
        """Let everything before `next_offset` be committed; of no effect if the partition has been assigned anew since."""
        tp = TP(topic, partition)
        if generation == self.consumer_generation and next_offset > self._done.get(tp, -1):
            self._done[tp] = next_offset

    def done(self, tp: TP) -> int:
        """Return the offset before which all of a partition is done."""
        return max(self._done.get(tp, 0), self._committed_offset[tp] or 0)

    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:  # noqa: ANN401, ASYNC109 -- Faust's signature
        """Fetch from what is not held. aiokafka would take an empty set of partitions for all of them."""
        self._fetched_under = self.consumer_generation
        if active_partitions is None or not self.holds:
            return await super()._getmany(active_partitions, timeout)
        free = self.holds.free(active_partitions)
        timeout = min(timeout, HELD_FETCH_SECONDS)
        if free:
            return await super()._getmany(free, timeout)
        await self.holds.wait_released(timeout)
        return {}

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:  # noqa: ASYNC109 -- Faust's signature
        """Yield a message a changelog record, and one for all records that a fetch brought of a source partition."""
        await asyncio.sleep(max(0.0, self._fetched_at + FETCH_INTERVAL_SECONDS - time.monotonic()))
        records, active_partitions = await self._wait_next_records(timeout)
        if records is None or self.should_stop:
            return
        if records:
            self._fetched_at = time.monotonic()
        for tp, batch in records.items():
            messages = [] if self._is_overtaken else await self._messages(tp, batch, active_partitions)
            for message in messages:
                if self._is_overtaken:
                    break
                yield tp, cast("Message", message)
            if self._is_overtaken and self._is_changelog_tp(tp):
                await self._recover_again(tp)

    async def _recover_again(self, tp: TP) -> None:
        """Go back in a changelog to what its recovery has seen.

        A fetch that a rebalance overtook is dropped. What it brought may have been read after the new assignment's seek, and its
        position counts on: recovery would wait for those records for ever. Source partitions are read on from their `_positions`.
        """
        recovery = cast("TableManager", self.app.tables).recovery
        seen = recovery.active_offsets.get(tp, recovery.standby_offsets.get(tp))
        if seen is None:
            return
        try:
            await self.seek_wait({tp: max(0, seen)})
        except IllegalStateError:
            return  # A rebalance took it away: the next assignment seeks by itself.

    @property
    def _is_overtaken(self) -> bool:
        """Whether a rebalance came since the fetch was sent: the next assignment reads what it brought again, and counts on it."""
        return not self.flow_active or self.consumer_generation != self._fetched_under

    async def _messages(
        self, tp: TP, batch: list[aiokafka.ConsumerRecord], active_partitions: set[TP] | None
    ) -> list[ConsumerMessage]:
        """Return what a fetch of one partition is handed on as."""
        if self._is_changelog_tp(tp):
            if active_partitions is not None and tp not in active_partitions:
                return []
            return [self._to_message(tp, record) for record in batch]
        try:
            batch = await self._in_order(tp, batch)
        except IllegalStateError:
            # A rebalance took the partition away meanwhile: whoever has it now reads from what is committed.
            self._positions.pop(tp, None)
            return []
        # Read on past what is dropped, and it would be missing.
        if not batch or self._is_overtaken:
            return []
        self._positions[tp] = batch[-1].offset + 1
        return [self._bulk(tp, batch)]

    async def _in_order(self, tp: TP, batch: list[aiokafka.ConsumerRecord]) -> list[aiokafka.ConsumerRecord]:
        """Return what of a fetch follows on what was handed on; go back where records are missing in between.

        While it recovers its tables, Faust fetches from source partitions too, drops that, and seeks to what is committed: what was
        under way meanwhile may come before or after. So may what aiokafka fetches where a position is not in the topic: it begins
        with the first record, and whether that is still the same topic is looked at.
        """
        position = self._positions.get(tp)
        if position is None:
            return []
        first, last = batch[0].offset, batch[-1].offset
        if first > position:
            cast("RewardsApp", self.app).source_topics.look_soon()
            earliest = await self._earliest(tp)
            if earliest is None or earliest < first:
                await self.seek_wait({tp: max(position, earliest or 0)})
                return []
            logger.warning("%s/%s: %d records are no longer in the topic", tp.topic, tp.partition, first - position)
        elif last < position:
            cast("RewardsApp", self.app).source_topics.look_soon()
            await self.seek_wait({tp: position})
            return []
        return batch if first >= position else [record for record in batch if record.offset >= position]

    async def _earliest(self, tp: TP) -> int | None:
        """Return the offset of a partition's first record; None where the broker does not say: it restarts, or the topic is gone."""
        try:
            return (await asyncio.wait_for(self.earliest_offsets(tp), EARLIEST_SECONDS_MAX))[tp]
        except (KafkaError, TimeoutError) as error:
            logger.warning("%s/%s: the first record's offset is not known: %r", tp.topic, tp.partition, error)
            return None

    def highwater(self, tp: TP) -> int | None:  # type: ignore[override]  # Faust's says int, and returns None as well
        """Return a partition's end offset as of its last fetch; None where there was none, or a rebalance took the partition away."""
        try:
            return super().highwater(tp)
        except (AssertionError, AttributeError, IllegalStateError):
            # aiokafka asserts that the partition is assigned, and the consumer's thread may just have given it up.
            return None

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Seek, and wait until the positions are set.

        Raises:
            IllegalStateError: a rebalance took the partitions away; Faust waits for the next assignment.
        """
        with _given_up_is_illegal():
            await super().seek_wait(partitions)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek to what is committed, but never past what stands in Postgres, which may have been restored to an earlier state.

        Where nothing is committed, all is read again from the beginning: it changes nothing that is known.
        """
        positions = self._positions
        starts = await cast("RewardsApp", self.app).starts()
        with _given_up_is_illegal():
            committed = dict(await super().seek_to_committed())
        sought: dict[TP, int] = {}
        for tp, offset in committed.items():
            start = starts.get((tp.topic, tp.partition))
            if start is not None and not self._is_changelog_tp(tp):
                sought[tp] = max(start.earliest, min(offset or 0, start.next_offset))
        positions.update(sought)
        # All are sought again: what was fetched before the positions were known was dropped, and nothing may follow that shows it.
        if sought:
            await self.seek_wait(sought)
        return committed | sought

    def _bulk(self, tp: TP, batch: list[aiokafka.ConsumerRecord]) -> ConsumerMessage:
        last = batch[-1]
        end_offset = self.highwater(tp) or last.offset + 1
        self.app.monitor.track_tp_end_offset(tp, end_offset)
        value = cast("Any", Records(batch, end_offset, self.consumer_generation))
        return ConsumerMessage(
            tp.topic, tp.partition, last.offset, last.timestamp / 1000.0, last.timestamp_type, [], None, value, None, 0, 0, tp,
            generation_id=self.app.consumer_generation_id,
        )  # fmt: skip

    # -- offsets: what is done, instead of what was acknowledged

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:  # noqa: ANN401 -- Faust's signature
        return (tp for tp in list(self._done) if topics is None or tp in topics or tp.topic in topics)

    def _new_offset(self, tp: TP) -> int | None:
        return self._done.get(tp)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Do nothing: a fetch's earlier records are no gap, and would be committed as one."""

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Begin a generation of our own count: what comes of earlier ones is dropped."""
        self.consumer_generation += 1
        await super().on_partitions_assigned(assigned, generation_id)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Finish and commit what is under way, then give the partitions up."""
        self._positions = {}
        if self.before_revoke is not None:
            await self.before_revoke()
            await self._commit_before_revoke()
        self.holds.clear()
        await super().on_partitions_revoked(revoked)
        for tp in revoked:
            self._done.pop(tp, None)

    async def _commit_before_revoke(self) -> None:
        """Commit, unless the consumer's thread takes no calls any more: it waits for this, and the stop would never end."""
        if self._thread.should_stop:
            return
        try:
            await asyncio.wait_for(self.commit(), COMMIT_SECONDS_MAX)
        except TimeoutError:
            logger.warning("Offsets were not committed before partitions were given up: their last records come again")

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Do nothing: Faust would look at acknowledgements; watchdog.py looks at what is done."""


class BulkTransport(driver.Transport):
    """The aiokafka driver with the consumer above."""

    Consumer = BulkConsumer
