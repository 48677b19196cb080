"""Knows which source transactions have ended: Debezium says so, with the number of their events, on a topic of its own.

Place on the data's way: beside the agents. lanes.py asks whether the last transaction of a partition is complete. A worker that has all
partitions counts, and knows at once; one that shares them knows that the end has come, and gives what was sent before it a moment to
arrive. Read from the topic's end, by each worker for itself: what it does not know, time decides.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Final

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.topics import TRANSACTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

logger = logging.getLogger(__name__)

REMEMBERED: Final = 50_000
FETCH_MAX_WAIT_MS: Final = 100
RETRY_SECONDS: Final = 1.0
UNKNOWN_SECONDS: Final = 1.0
"""How long an end that is not known is waited for: it may have come before this worker, or the connector may not tell."""


class TransactionEnds:
    """What has been seen of each source transaction, and how much there is of it. Asked by the processors' threads."""

    def __init__(self, settle_seconds: float) -> None:
        self._settle_seconds = settle_seconds
        self._seen: OrderedDict[str, int] = OrderedDict()
        self._ended: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._lock = Lock()

    def see(self, transactions: Iterable[str]) -> None:
        """Count events, each by its transaction."""
        counts = Counter(transactions)
        with self._lock:
            for transaction, count in counts.items():
                self._seen[transaction] = self._seen.get(transaction, 0) + count
            _shorten(self._seen)

    def end(self, transaction: str, event_count: int, now: float) -> None:
        """Note that a transaction has ended."""
        with self._lock:
            self._ended[transaction] = (event_count, now)
            _shorten(self._ended)

    def complete_at(self, transaction: str, arrived_at: float) -> float:
        """Return from when on a transaction whose last event came at `arrived_at` is complete (monotonic seconds)."""
        with self._lock:
            ended = self._ended.get(transaction)
            if ended is None:
                return arrived_at + UNKNOWN_SECONDS
            event_count, ended_at = ended
            if self._seen.get(transaction, 0) >= event_count:
                return arrived_at
            return max(arrived_at, ended_at) + self._settle_seconds


def _shorten(entries: OrderedDict[str, object] | OrderedDict[str, int] | OrderedDict[str, tuple[int, float]]) -> None:
    while len(entries) > REMEMBERED:
        entries.popitem(last=False)


class EndingsReader:
    """Reads the topics of transactions for as long as the worker runs."""

    def __init__(self, bootstrap: str, ends: TransactionEnds, wake: Callable[[], None]) -> None:
        self._bootstrap = bootstrap
        self._ends = ends
        self._wake = wake

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            try:
                await self._read()
            except KafkaError as error:
                logger.warning("The ends of transactions cannot be read, time decides until they can: %s", error)
                await asyncio.sleep(RETRY_SECONDS)

    async def _read(self) -> None:
        consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap, fetch_max_wait_ms=FETCH_MAX_WAIT_MS)
        try:
            await consumer.start()
            partitions = [TopicPartition(topic.name, 0) for topic in TRANSACTIONS]
            consumer.assign(partitions)
            await consumer.seek_to_end(*partitions)
            while True:
                for records in (await consumer.getmany(timeout_ms=1_000)).values():
                    for record in records:
                        self._note(record.topic, record.value)
                    self._wake()
        finally:
            await consumer.stop()

    def _note(self, topic: str, value: bytes | None) -> None:
        try:
            event = orjson.loads(value or b"{}")
            if event.get("status") == "END":
                source = topic.rpartition(".")[0]
                self._ends.end(f"{source}:{event['id'].partition(':')[0]}", event["event_count"], time.monotonic())
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            logger.warning("A record of %s says nothing of a transaction's end (%s); time decides", topic, error)
