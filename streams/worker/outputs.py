"""After the sink: the topics of entries and dead letters, the Table with its changelog, and then the offsets, in this order.

A crash between any two repeats work and changes nothing: what is forwarded twice has the same ids and the same values. Read again, a
record whose entries stand in Postgres gives none: those of a worker's last moment are not forwarded later.
"""

from __future__ import annotations

import asyncio
import base64
import time
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from streams.generation import LIVE, Generation
from streams.keys import customer_key
from streams.topics import topics_of
from streams.worker.publisher import Outgoing, Publisher
from streams.worker.table import CustomerTable, Totals

if TYPE_CHECKING:
    from streams.source.records import DeadLetter
    from streams.state.changeset import Entry
    from streams.worker.batch import Outcome


FLUSH_INTERVAL_SECONDS = 0.5
"""The Table is written, and offsets are committed, at most so often: under load a customer's next total is soon another one."""


LETTER_BYTES_MAX = 256 * 1024
"""Of a record's key and of its value, as the topic of dead letters repeats them. Escaped they may be twice as long, and a producer takes a
megabyte; what is longer stands in Postgres alone."""


class Offsets(Protocol):
    """Where done offsets are marked (bulk.BulkConsumer)."""

    def mark_done(self, topic: str, partition: int, next_offset: int, generation: int) -> None:
        """Let everything before `next_offset` be committed."""


class Outputs:
    """Forwards outcomes in their order."""

    def __init__(
        self, publisher: Publisher, table: CustomerTable, offsets: Offsets, generation: Generation = LIVE
    ) -> None:
        self._topics = topics_of(generation)
        self._publisher = publisher
        self._table = table
        self._offsets = offsets
        self._totals: dict[str, Totals] = {}
        self._next_offsets: dict[tuple[str, int], tuple[int, int]] = {}
        self._flushed_at = 0.0
        self._flushing = asyncio.Lock()

    @property
    def flush_at(self) -> float | None:
        """When what was forwarded is to be flushed (monotonic seconds); None while nothing is."""
        return self._flushed_at + FLUSH_INTERVAL_SECONDS if self._next_offsets else None

    async def forward(self, outcome: Outcome) -> None:
        """Send a batch's entries and dead letters, and flush when it is time to.

        Raises:
            TransientError: Kafka did not take them; forwarding the same again is harmless.
        """
        if outcome.entries:
            entries = zip(outcome.entries, outcome.written.entry_ids, strict=True)
            await self._publisher.publish(
                self._topics.point_entries.name, [_entry_record(entry, place) for entry, place in entries]
            )
        if outcome.dead_letters:
            await self._publisher.publish(
                self._topics.dead_letters.name, map(_dead_letter_record, outcome.dead_letters)
            )
        self._totals.update(outcome.written.totals)
        self._next_offsets.update(outcome.next_offsets)
        if self.flush_at is not None and time.monotonic() >= self.flush_at:
            await self.flush()

    async def flush(self) -> None:
        """Write the Table, then let the offsets be committed.

        Raises:
            TransientError: Kafka did not take the changelog; nothing was marked.
        """
        async with self._flushing:
            changes = self._table.changes(self._totals)
            if changes:
                await self._publisher.publish(self._topics.customer_points_changelog.name, changes)
                self._table.note(changes)
            self._totals.clear()
            for (topic, partition), (next_offset, generation) in self._next_offsets.items():
                self._offsets.mark_done(topic, partition, next_offset, generation)
            self._next_offsets.clear()
            self._flushed_at = time.monotonic()

    def forget(self) -> None:
        """Drop what was not flushed: its offsets are not committed, so that it comes again."""
        self._totals.clear()
        self._next_offsets.clear()


def _entry_record(entry: Entry, place: tuple[int, int, Any]) -> Outgoing:
    key = entry.invoice.key
    number, part, recorded_at = place
    value = {
        "id": number,
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
        "recorded_at": recorded_at,
        "cause": entry.sentence,
        "cause_data": orjson.Fragment(entry.cause_data),
        "source_transaction": entry.cause.transaction,
        "part": part,
        "facts": orjson.Fragment(entry.facts),
    }
    return entry.invoice.partition, customer_key(key.customer_master_id), orjson.dumps(value)


def _dead_letter_record(letter: DeadLetter) -> Outgoing:
    value = {
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "key": _text(letter.key),
        "value": _text(letter.value),
        "reason": letter.reason,
        "detail": letter.detail,
        "row_id": letter.row_id,
    }
    key = letter.key if letter.key is None or len(letter.key) <= LETTER_BYTES_MAX else None
    return letter.partition, key, orjson.dumps(value)


def _text(value: bytes | None) -> dict[str, str | int] | None:
    """Bytes as JSON can hold them: `text` where they are UTF-8, `base64` where not; of what is too long its size in `bytes`."""
    if value is None:
        return None
    if len(value) > LETTER_BYTES_MAX:
        return {"bytes": len(value)}
    try:
        return {"text": value.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}
