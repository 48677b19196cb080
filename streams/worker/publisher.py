"""Sends records to topics in bulk: one Kafka batch a partition, built at once. Waits until the broker has them all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError

from streams.errors import TransientError, TransientKind
from streams.kafka_access import KafkaAccess

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiokafka.producer.message_accumulator import BatchBuilder
    from aiokafka.structs import RecordMetadata

BATCH_BYTES: Final = 262_144

Outgoing = tuple[int, bytes | None, bytes]
"""Partition, key, value."""


class Publisher:
    """A producer of a worker's own; every record's partition is known, for it is its customer's."""

    def __init__(self, kafka: KafkaAccess, *, client_id: str) -> None:
        self._producer = AIOKafkaProducer(
            **kafka.options(), client_id=client_id, acks="all", linger_ms=0, max_batch_size=BATCH_BYTES
        )

    async def start(self) -> None:
        """Connect."""
        await self._producer.start()

    async def stop(self) -> None:
        """Send what waits, and disconnect."""
        await self._producer.stop()

    async def publish(self, topic: str, records: Iterable[Outgoing]) -> dict[int, int]:
        """Return, a partition, the offset after the last record, once the broker has all.

        Raises:
            TransientError: it has not; sending all of them again is harmless.
        """
        batches: list[tuple[int, BatchBuilder]] = []
        open_batches: dict[int, BatchBuilder] = {}
        for partition, key, value in records:
            batch = open_batches.get(partition)
            if batch is None or batch.append(key=key, value=value, timestamp=None) is None:
                batch = open_batches[partition] = self._producer.create_batch()
                batches.append((partition, batch))
                batch.append(key=key, value=value, timestamp=None)
        try:
            sent = [await self._producer.send_batch(batch, topic, partition=partition) for partition, batch in batches]
            done: list[RecordMetadata] = await asyncio.gather(*sent)
        except KafkaError as error:
            kind = (
                TransientKind.AWAY
                if error.retriable or isinstance(error, KafkaTimeoutError)
                else TransientKind.UNEXPLAINED
            )
            raise TransientError(f"Kafka: {topic}: {error}", kind=kind) from error
        offsets: dict[int, int] = {}
        for (partition, batch), metadata in zip(batches, done, strict=True):
            offsets[partition] = max(offsets.get(partition, 0), metadata.offset + batch.record_count())
        return offsets
