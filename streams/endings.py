"""Knows which source transactions are complete: Debezium says how many events each had, and this counts them as they arrive.

Place on the data's way: beside the agents. The partition buffers (lanes.py) ask whether the last transaction of a partition is complete.
It is once all of its events were delivered to this worker. Nothing else is proof: a producer gives no order between partitions, so that the
end of a transaction can be readable before its rows are. A worker that does not get all events, for others have some of the partitions,
learns it from the next record of the partition instead; the watermarks bring one at every heartbeat.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.recent import Recent
from streams.topics import TRANSACTIONS

logger = logging.getLogger(__name__)

Place = tuple[str, int]
"""Topic and partition."""

REMEMBERED: Final = 20_000
"""Transactions; one that was forgotten is completed by the next record of its partition."""
FETCH_MAX_WAIT_MS: Final = 100
RETRY_SECONDS: Final = 1.0
READ_INTERVAL_SECONDS: Final = 0.02
"""Under load the topics are read at most so often; an end that comes alone is read at once."""
LOOK_BACK_MS: Final = 60_000
"""A worker that takes over reads again what the one before it did not commit, and counts that."""


@dataclass(slots=True)
class _Seen:
    """What is known of one source transaction."""

    begins: int = 0
    event_count: int | None = None
    """Events that it had, once it has ended."""
    delivered: dict[Place, tuple[int, int]] = field(default_factory=dict)
    """Place -> (events delivered, the highest order among them)."""

    @property
    def complete(self) -> bool:
        # Two beginnings: Debezium was restarted in the middle and may have numbered the rest anew, so that counts prove nothing.
        return (
            self.event_count is not None
            and self.begins == 1
            and sum(count for count, _ in self.delivered.values()) >= self.event_count
        )


class TransactionMetadata:
    """Counts the events of each source transaction. The processors' threads ask it.

    Args:
        wake: called (from any thread) when a transaction that had ended has become complete by what was delivered.
    """

    def __init__(self, wake: Callable[[], object] = lambda: None) -> None:
        self._wake = wake
        self._transactions: Recent[str, _Seen] = Recent(REMEMBERED)
        self._lock = Lock()

    def note_delivered(self, place: Place, events: Iterable[tuple[str, int]]) -> None:
        """Count what was delivered of a partition, in its order: the transaction of each event and its order in that (from 1).

        An event that was delivered before, by Debezium twice or by Kafka again, has no higher order than the ones before it.
        """
        completed = False
        with self._lock:
            seen, current = _Seen(), None
            count = highest = 0
            for transaction, order in events:
                if transaction != current:
                    if current is not None:
                        seen.delivered[place] = (count, highest)
                        completed |= seen.complete
                    seen, current = self._of(transaction), transaction
                    count, highest = seen.delivered.get(place, (0, 0))
                if order > highest:
                    count, highest = count + 1, order
            if current is not None:
                seen.delivered[place] = (count, highest)
                completed |= seen.complete
        if completed:
            self._wake()

    def note_begin(self, transaction: str) -> None:
        """Note that a transaction has begun."""
        with self._lock:
            self._of(transaction).begins += 1

    def note_end(self, transaction: str, event_count: int) -> None:
        """Note that a transaction has ended, and how many events it had."""
        with self._lock:
            self._of(transaction).event_count = event_count

    def is_complete(self, transaction: str) -> bool:
        """Whether all events of a transaction were delivered to this worker."""
        with self._lock:
            seen = self._transactions.get(transaction)
            return seen is not None and seen.complete

    def _of(self, transaction: str) -> _Seen:
        seen = self._transactions.get(transaction)
        if seen is None:
            seen = _Seen()
            self._transactions.update({transaction: seen})
        return seen


class TransactionMetadataReader:
    """Reads Debezium's topics of transactions for as long as the worker runs.

    Args:
        wake: called when something was read.
    """

    def __init__(self, bootstrap: str, metadata: TransactionMetadata, wake: Callable[[], None]) -> None:
        self._bootstrap = bootstrap
        self._metadata = metadata
        self._wake = wake

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            try:
                await self._read()
            except KafkaError as error:
                logger.warning(
                    "Transaction metadata cannot be read, later records complete transactions until it can: %s", error
                )
                await asyncio.sleep(RETRY_SECONDS)

    async def _read(self) -> None:
        consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap, fetch_max_wait_ms=FETCH_MAX_WAIT_MS)
        try:
            await consumer.start()
            partitions = [TopicPartition(topic.name, 0) for topic in TRANSACTIONS]
            consumer.assign(partitions)
            await consumer.seek_to_end(*partitions)
            since = int(time.time() * 1000) - LOOK_BACK_MS
            for partition, found in (await consumer.offsets_for_times(dict.fromkeys(partitions, since))).items():
                if found is not None:
                    consumer.seek(partition, found.offset)
            while True:
                for records in (await consumer.getmany(timeout_ms=1_000)).values():
                    for record in records:
                        note_record(self._metadata, record.topic, record.value)
                    self._wake()
                await asyncio.sleep(READ_INTERVAL_SECONDS)
        finally:
            await consumer.stop()


def note_record(metadata: TransactionMetadata, topic: str, value: bytes | None) -> None:
    """Take in a record of a topic of transactions; one that says nothing usable is logged, and later records complete its transaction."""
    try:
        event = orjson.loads(value or b"{}")
        status = event.get("status")
        if status is None:
            return
        source = topic.rpartition(".")[0]
        transaction = f"{source}:{event['id'].partition(':')[0]}"
        if status == "BEGIN":
            metadata.note_begin(transaction)
        elif status == "END":
            metadata.note_end(transaction, int(event["event_count"]))
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        logger.warning("A record of %s says nothing of a transaction (%s)", topic, error)
