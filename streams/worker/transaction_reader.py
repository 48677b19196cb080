"""Reads Debezium's topics of transactions: each worker for itself, from a little before its start.

Place on the data's way: beside the agents; what it reads goes into source/transaction_metadata.py.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.errors import TransientKind
from streams.kafka_access import KafkaAccess
from streams.retry_policy import Retries
from streams.source.transaction_metadata import TransactionMetadata, note_record
from streams.topics import TRANSACTIONS

logger = logging.getLogger(__name__)

FETCH_MAX_WAIT_MS: Final = 100
ANEW_SECONDS: Final = 1.0
READ_INTERVAL_SECONDS: Final = 0.02
"""Under load the topics are read at most so often; an end that comes alone is read at once."""
LOOK_BACK_MS: Final = 60_000
"""A worker that takes over reads again what the one before it did not commit, and counts that."""


class TransactionMetadataReader:
    """Reads Debezium's topics of transactions for as long as the worker runs.

    Args:
        wake: called when something was read.
        count: called for each retry.
    """

    def __init__(
        self,
        kafka: KafkaAccess,
        metadata: TransactionMetadata,
        wake: Callable[[], None],
        count: Callable[[TransientKind], None] = lambda _kind: None,
    ) -> None:
        self._count = count
        self._kafka = kafka
        self._metadata = metadata
        self._wake = wake

    async def run(self) -> None:
        """Run until cancelled."""
        retries = Retries(
            failing="transaction metadata cannot be read (later records complete transactions meanwhile)",
            working="reading transaction metadata again",
            logger=logger,
            on=(KafkaError,),
            count=self._count,
        )
        while True:
            consumer = await retries.acall(self._connect)
            try:
                await self._follow(consumer)
            except KafkaError as error:
                logger.warning("reading transaction metadata is begun anew: %s", error)
            finally:
                await consumer.stop()
            # A broker that takes connections and answers nothing else is not asked in a circle.
            await asyncio.sleep(ANEW_SECONDS)

    async def _connect(self) -> AIOKafkaConsumer:
        """Return a consumer that stands a little before now."""
        consumer = AIOKafkaConsumer(**self._kafka.options(), fetch_max_wait_ms=FETCH_MAX_WAIT_MS)
        try:
            await consumer.start()
            partitions = [TopicPartition(topic.name, 0) for topic in TRANSACTIONS]
            consumer.assign(partitions)
            await consumer.seek_to_end(*partitions)
            since = int(time.time() * 1000) - LOOK_BACK_MS
            for partition, found in (await consumer.offsets_for_times(dict.fromkeys(partitions, since))).items():
                if found is not None:
                    consumer.seek(partition, found.offset)
        except BaseException:
            await consumer.stop()
            raise
        return consumer

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            for records in (await consumer.getmany(timeout_ms=1_000)).values():
                for record in records:
                    note_record(self._metadata, record.topic, record.value)
                self._wake()
            await asyncio.sleep(READ_INTERVAL_SECONDS)
