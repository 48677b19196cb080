"""Knows which source transactions have ended: Debezium says so, with the number of their events, on a topic of its own.

Place on the data's way: beside the agents. lanes.py asks whether the last transaction of a partition is complete. A worker that has all
partitions counts, and knows at once. One that shares them asks how far each partition went after the end had come: what has been read
to there has all of it. Read by each worker for itself, from a little before its start; what it does not know, time decides.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from threading import Lock
from typing import TYPE_CHECKING, Final

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.recent import Recent
from streams.topics import INVOICES, MEMBERSHIPS, TRANSACTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

logger = logging.getLogger(__name__)

Place = tuple[str, int]
"""Topic and partition."""

REMEMBERED: Final = 50_000
FETCH_MAX_WAIT_MS: Final = 100
RETRY_SECONDS: Final = 1.0
READ_INTERVAL_SECONDS: Final = 0.02
"""Under load ends are read at most so often; one that comes alone is read at once."""
ASK_INTERVAL_SECONDS: Final = 0.05
"""And partitions are asked for at most so often."""
UNKNOWN_SECONDS: Final = 30.0
"""After so long a transaction is taken for complete whose end is not known, where not even the next heartbeat's record closed it
before: the end may have come long before this worker, or the broker may have gone down between a transaction's records."""
ARRIVAL_SECONDS: Final = 2.0
"""What is older than that when it comes is given this long, for what may have been kept from the broker as well."""
LOOK_BACK_MS: Final = 60_000
"""A worker that takes over reads again what the one before it did not commit, and needs the ends of that."""


class TransactionEnds:
    """What has been seen of each source transaction, and how much there is of it. Asked by the processors' threads."""

    def __init__(self) -> None:
        self._seen: Recent[str, int] = Recent(REMEMBERED)
        self._ended: Recent[str, tuple[int, float]] = Recent(REMEMBERED)
        self._end_offsets: Mapping[Place, int] = {}
        self._asked_at = 0.0
        self._lock = Lock()

    def see(self, transactions: Iterable[str]) -> None:
        """Count events, each by its transaction."""
        counts = Counter(transactions)
        with self._lock:
            self._seen.update({name: (self._seen.get(name) or 0) + count for name, count in counts.items()})

    def end(self, transaction: str, event_count: int, now: float) -> None:
        """Note that a transaction has ended."""
        with self._lock:
            self._ended.update({transaction: (event_count, now)})

    def note_end_offsets(self, offsets: Mapping[Place, int], asked_at: float) -> None:
        """Note how far each partition went when it was asked for."""
        with self._lock:
            self._end_offsets, self._asked_at = offsets, asked_at

    def is_counted(self, transaction: str) -> bool:
        """Whether all events of a transaction that has ended were seen here."""
        with self._lock:
            ended = self._ended.get(transaction)
            return ended is not None and (self._seen.get(transaction) or 0) >= ended[0]

    def is_complete(self, transaction: str, place: Place, next_offset: int) -> bool:
        """Whether a partition has no more of a transaction after `next_offset`, where nothing has come yet."""
        with self._lock:
            ended = self._ended.get(transaction)
            if ended is None:
                return False
            event_count, ended_at = ended
            if (self._seen.get(transaction) or 0) >= event_count:
                return True
            end_offset = self._end_offsets.get(place)
            return end_offset is not None and self._asked_at >= ended_at and next_offset >= end_offset


def wait_until(written_ms: int) -> float:
    """Return until when more of the transaction of a record is waited for, if its end does not come (monotonic seconds).

    Args:
        written_ms: the record's timestamp in its topic.
    """
    age = max(0.0, time.time() - written_ms / 1000)
    return time.monotonic() + max(UNKNOWN_SECONDS - age, ARRIVAL_SECONDS)


class EndingsReader:
    """Reads the topics of transactions for as long as the worker runs."""

    def __init__(
        self, bootstrap: str, ends: TransactionEnds, wake: Callable[[], None], *, settle_seconds: float
    ) -> None:
        self._bootstrap = bootstrap
        self._ends = ends
        self._wake = wake
        self._settle_seconds = settle_seconds
        self._ended: list[str] = []
        self._came = asyncio.Event()

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._read())
                    tasks.create_task(self._ask())
            except* KafkaError as errors:
                logger.warning(
                    "The ends of transactions cannot be read, time decides until they can: %s", errors.exceptions[0]
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
                        self._note(record.topic, record.value)
                    self._wake()
                    self._came.set()
                await asyncio.sleep(READ_INTERVAL_SECONDS)
        finally:
            await consumer.stop()

    async def _ask(self) -> None:
        """Ask how far the partitions went, whenever something ended of which not all was seen here."""
        # On a connection of its own: a broker answers one request of a connection after the other, and a fetch waits.
        consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap)
        partitions = [TopicPartition(t.name, number) for t in (INVOICES, MEMBERSHIPS) for number in range(t.partitions)]
        try:
            await consumer.start()
            while True:
                await self._came.wait()
                self._came.clear()
                # What was sent before the end may be on its way yet, to another broker.
                await asyncio.sleep(self._settle_seconds)
                ended, self._ended = self._ended, []
                if not all(map(self._ends.is_counted, ended)):
                    asked_at = time.monotonic()
                    offsets = await consumer.end_offsets(partitions)
                    self._ends.note_end_offsets({(p.topic, p.partition): end for p, end in offsets.items()}, asked_at)
                    self._wake()
                    await asyncio.sleep(ASK_INTERVAL_SECONDS)
        finally:
            await consumer.stop()

    def _note(self, topic: str, value: bytes | None) -> None:
        try:
            event = orjson.loads(value or b"{}")
            if event.get("status") == "END":
                source = topic.rpartition(".")[0]
                transaction = f"{source}:{event['id'].partition(':')[0]}"
                self._ends.end(transaction, event["event_count"], time.monotonic())
                self._ended.append(transaction)
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            logger.warning("A record of %s says nothing of a transaction's end (%s); time decides", topic, error)
