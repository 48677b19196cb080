"""After the sink: the Table, the topics of entries and dead letters, and then the offsets, in this order.

A crash between any two repeats work and changes nothing: what is forwarded twice has the same ids.
"""

from __future__ import annotations

import asyncio
import base64
import time
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from streams.records import customer_key
from streams.tables import CustomerTable, Totals, set_totals
from streams.topics import DEAD_LETTERS, POINT_ENTRIES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiokafka import AIOKafkaProducer

    from streams.batches import Outcome
    from streams.known import Entry
    from streams.postgres.sink import DeadLetterRow

TABLE_INTERVAL_SECONDS = 0.5
"""Under load the Table is written at most so often: a Table write costs as much as several changes."""


class Offsets(Protocol):
    """Where done offsets are marked (bulk.BulkConsumer)."""

    def mark_done(self, topic: str, partition: int, next_offset: int, generation: int) -> None:
        """Let everything before `next_offset` be committed."""


class Forwarder:
    """Forwards outcomes in their order."""

    def __init__(self, producer: AIOKafkaProducer, table: CustomerTable, offsets: Offsets) -> None:
        self._producer = producer
        self._table = table
        self._offsets = offsets
        self._totals: dict[str, Totals] = {}
        self._next_offsets: dict[tuple[str, int], tuple[int, int]] = {}
        self._table_written_at = 0.0

    async def forward(self, outcome: Outcome, *, idle: bool) -> None:
        """Send a batch's entries and dead letters; write the Table when nothing waits or it is time to."""
        sent = [
            await self._send_entry(entry, place)
            for entry, place in zip(outcome.entries, outcome.written.entry_ids, strict=True)
        ]
        sent += [await self._send_dead_letter(letter) for letter in outcome.dead_letters]
        if sent:
            await asyncio.gather(*sent)
        self._totals.update(outcome.written.totals)
        self._next_offsets.update(outcome.next_offsets)
        now = time.monotonic()
        if idle or now - self._table_written_at >= TABLE_INTERVAL_SECONDS:
            self.flush()
            self._table_written_at = now

    def flush(self) -> None:
        """Write the Table, then let the offsets be committed (Faust's commit flushes the changelog before)."""
        set_totals(self._table, self._totals)
        self._totals.clear()
        for (topic, partition), (next_offset, generation) in self._next_offsets.items():
            self._offsets.mark_done(topic, partition, next_offset, generation)
        self._next_offsets.clear()

    async def _send_entry(self, entry: Entry, place: tuple[int, int, Any]) -> asyncio.Future[Any]:
        key = entry.invoice.key
        value = {
            "id": place[0],
            "invoice_id": entry.invoice.id,
            "reward_group_id": entry.reward_group_id,
            "customer_master_id": key.customer_master_id,
            "company": key.company,
            "document": key.document,
            "kind": entry.kind,
            "stage": entry.stage,
            "points_before": entry.points_before,
            "points_after": entry.points_after,
            "delta": entry.points_after - entry.points_before,
            "effective_on": entry.effective_on,
            "recorded_at": place[2],
            "cause": entry.cause.sentence,
            "source_transaction": entry.cause.transaction,
            "part": place[1],
            "facts": orjson.Fragment(entry.facts),
        }
        return await self._send(
            POINT_ENTRIES.name, customer_key(key.customer_master_id), value, entry.invoice.partition
        )

    async def _send_dead_letter(self, letter: DeadLetterRow) -> asyncio.Future[Any]:
        value = {
            "topic": letter.topic,
            "partition": letter.partition,
            "offset": letter.offset,
            "key": _text(letter.key),
            "value": _text(letter.value),
            "reason": letter.reason,
            "detail": letter.detail,
        }
        return await self._send(DEAD_LETTERS.name, letter.key, value, letter.partition)

    async def _send(
        self, topic: str, key: bytes | None, value: Mapping[str, Any], partition: int
    ) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = await self._producer.send(topic, orjson.dumps(value), key, partition)
        return future


def _text(value: bytes | None) -> dict[str, str] | None:
    """Bytes as JSON can hold them: `text` where they are UTF-8, `base64` where not."""
    if value is None:
        return None
    try:
        return {"text": value.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}
