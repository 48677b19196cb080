"""Cuts each partition's records into source transactions, and holds back the last until it can be taken for complete.

Place on the data's way: between the agents' decoding and fold.py. Pure.

The records of one source transaction stand together in a partition. Whether the last of them has come is known once a record of
another transaction follows, or once all events of the transaction were counted (endings.py); never by time. A snapshot's end is a record
of its own. What is too large to wait in memory goes on as incomplete: its rows are kept, and what they are worth waits in Postgres.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from streams.decode import Decoded
from streams.endings import TransactionMetadata
from streams.errors import InvariantError, RecordError
from streams.known import Cause, Group
from streams.postgres.sink import DeadLetterRow, EpochRow, Progress
from streams.records import DueInvoice, Position
from streams.topics import DUE_INVOICES


@dataclass(slots=True)
class Item:
    """A record after decoding; a tombstone has neither content nor error."""

    offset: int
    decoded: Decoded | None = None
    due: DueInvoice | None = None
    error: RecordError | None = None
    key: bytes | None = None
    value: bytes | None = None
    """Key and bytes only where there is an error to keep them with."""


@dataclass(slots=True)
class Lane:
    """A partition of a topic on this worker: what has come and is not done."""

    topic: str
    partition: int
    generation_id: int
    """The consumer's generation that the records came under."""
    items: list[Item] = field(default_factory=list)
    end_offset: int = 0

    def add(self, items: Sequence[Item], end_offset: int) -> None:
        """Take in what a fetch brought."""
        self.items.extend(items)
        self.end_offset = end_offset

    def cut(self, metadata: TransactionMetadata, held_max: int) -> tuple[int, bool]:
        """Return how many items can go on, and whether the last transaction among them is complete."""
        items = self.items
        start, transaction = self._tail()
        if transaction is None:
            return len(items), True
        tail = [item.decoded for item in items[start:] if item.decoded is not None]
        if all(decoded.watermark is not None for decoded in tail):
            return len(items), True
        # A snapshot ends with a record of its own, and more may be in the partition than has been read again so far.
        if not tail[-1].snapshot and items[-1].offset + 1 >= self.end_offset and metadata.is_complete(transaction):
            return len(items), True
        if len(tail) > held_max:
            return len(items), False
        return start, True

    def _tail(self) -> tuple[int, str | None]:
        """Return where the last transaction begins, and which it is."""
        items = self.items
        start, transaction = len(items), None
        while start:
            decoded = items[start - 1].decoded
            if decoded is not None:
                if transaction is None:
                    transaction = decoded.transaction
                elif decoded.transaction != transaction:
                    break
            start -= 1
        return start, transaction


@dataclass(slots=True)
class Sorted:
    """What a lane's items come to."""

    groups: list[Group] = field(default_factory=list)
    epochs: list[EpochRow] = field(default_factory=list)
    dead_letters: list[DeadLetterRow] = field(default_factory=list)


def sort_items(items: Sequence[Item], progress: Progress, *, complete: bool) -> Sorted:
    """Cut items into groups and note in `progress` how far the partition has come.

    `complete` says whether the last transaction is.

    Raises:
        InvariantError: records between what is done and these are missing.
    """
    _require_no_gap(items, progress)
    found = Sorted()
    group: Group | None = None
    for item in items:
        if item.error is not None:
            found.dead_letters.append(_dead_letter(item, progress))
        if item.due is not None:
            found.groups.append(Group(progress.partition, 0, Cause(item.due.cause), due=[item.due]))
        decoded = item.decoded
        if decoded is None:
            continue
        if decoded.snapshot and decoded.lsn > progress.generation and item.offset >= progress.generation_offset:
            progress.generation = decoded.lsn
            progress.generation_offset = item.offset
            progress.snapshot_done = False
            epoch = EpochRow(progress.topic, Position(decoded.lsn, 0), "snapshot", decoded.committed_ms)
            found.epochs.append(epoch)
        # What was read again from before the snapshot belongs to the one before; any lesser generation does.
        generation = progress.generation if item.offset >= progress.generation_offset else -1
        if group is None or group.cause.transaction != decoded.transaction:
            group = Group(progress.partition, generation, Cause(decoded.transaction, decoded.committed_ms))
            found.groups.append(group)
        lsn = 0 if decoded.snapshot else decoded.lsn
        group.rows += [(lsn, change) for change in decoded.rows]
        group.memberships += [(lsn, change) for change in decoded.memberships]
        if decoded.truncated:
            position = Position(generation, decoded.lsn)
            found.epochs.append(EpochRow(progress.topic, position, "truncate", decoded.committed_ms))
        if decoded.watermark is not None:
            _note_watermark(decoded, progress)
        progress.ignored_rows += decoded.ignored
        progress.last_transaction = decoded.transaction
    if group is not None:
        group.complete = complete
    progress.next_offset = items[-1].offset + 1
    return found


def _require_no_gap(items: Sequence[Item], progress: Progress) -> None:
    # Due invoices are sent again until they were evaluated, and their topic does not keep them for ever.
    if progress.topic != DUE_INVOICES.name and items[0].offset > progress.next_offset:
        raise InvariantError(
            f"{progress.topic}/{progress.partition}: the next record is {progress.next_offset}, but {items[0].offset} came. "
            "What lies between was lost on the way, or is no longer in the topic, or the database was restored to an earlier state."
        )


def _note_watermark(decoded: Decoded, progress: Progress) -> None:
    if decoded.watermark is None:
        return
    progress.mark = decoded.watermark.mark
    progress.mark_lsn = decoded.lsn
    progress.marked_ms = decoded.committed_ms
    if decoded.snapshot:
        progress.snapshot_done = True


def _dead_letter(item: Item, progress: Progress) -> DeadLetterRow:
    error = item.error
    reason, detail = (error.reason, error.detail) if error is not None else ("", "")
    return DeadLetterRow(progress.topic, progress.partition, item.offset, item.key, item.value, reason, detail)
