"""Cuts each partition's records into source transactions, and holds back the last until it can be taken for complete.

Place on the data's way: between the agents' decoding and fold.py. Pure.

The records of one source transaction stand together in a partition. Whether the last of them has come is known once a record of
a later transaction follows, or once all events of the transaction were counted (transaction_metadata.py); never by time. A snapshot's
end is a record of its own. What is too large to wait in memory goes on as incomplete: its rows are kept, and what they are worth waits
in Postgres.

After a fault the connector sends some records again, also of transactions before the last one and in the middle of it. They are no later
transaction: the last one stays open past them, and is taken together before and after them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from streams.errors import InvariantError, RecordError, RefusedError
from streams.source.records import DETAIL_CHARACTERS_MAX, ChangeEvent, DeadLetter, DecodedRecord
from streams.source.transaction_metadata import TransactionMetadata
from streams.state.causes import RETRY, Cause
from streams.state.changes import Reevaluation, SourceTransaction
from streams.state.positions import Position
from streams.state.progress import Epoch, Progress


@dataclass(slots=True)
class PartitionBuffer:
    """A partition of a topic on this worker: what has come and is not done."""

    topic: str
    partition: int
    consumer_generation: int
    """The consumer's generation that the records came under."""
    records: list[DecodedRecord] = field(default_factory=list)
    end_offset: int = 0
    last_commit_lsn: int = 0
    """The highest that has come by."""

    def add(self, records: Sequence[DecodedRecord], end_offset: int) -> None:
        """Take in what a fetch brought."""
        for record in records:
            event = record.event
            if event is None:
                continue
            if event.snapshot:
                self.last_commit_lsn = 0  # what is streamed after a snapshot may stand anywhere
            elif event.last_commit_lsn >= self.last_commit_lsn:
                self.last_commit_lsn = event.last_commit_lsn
            else:
                event.sent_again = event.last_commit_lsn > 0
        self.records.extend(records)
        self.end_offset = end_offset

    def cut(self, metadata: TransactionMetadata, held_max: int) -> tuple[int, bool]:
        """Return how many records can go on, and whether the last transaction among them is complete."""
        records = self.records
        start, transaction = self._tail()
        if transaction is None:
            return len(records), True
        tail = list(_events(records[start:]))
        if all(event.is_watermark for event in tail):
            return len(records), True
        # A snapshot ends with a record of its own, and more may be in the partition than has been read again so far.
        if not tail[-1].snapshot and records[-1].offset + 1 >= self.end_offset and metadata.is_complete(transaction):
            return len(records), True
        if len(records) - start > held_max:
            return len(records), False
        return start, True

    def ends_at(self, count: int) -> bool:
        """Return whether the first `count` records end with a whole source transaction, as the next ones show."""
        last = next(_events(reversed(self.records[:count])), None)
        following = next(_events(self.records[count:]), None)
        return last is None or (following is not None and following.transaction != last.transaction)

    def refuse_first(self, error: RefusedError) -> None:
        """Make a dead letter of the first record, since Postgres refuses what it came to; its row counts for nothing.

        Raises:
            RefusedError: it says nothing of any row, so that the fault is not the record's.
        """
        record = self.records[0]
        event, again = record.event, record.reevaluation
        if again is not None and again.kind == RETRY and record.error is None:
            record.error = RecordError("refused_by_postgres", _first_line(error))
            return
        if record.error is not None or event is None or not (event.rows or event.memberships):
            raise error
        event.rows = tuple(change._replace(facts=None) for change in event.rows)
        event.memberships = tuple(
            change._replace(reward_group_id=None, enrolled_on=None) for change in event.memberships
        )
        if event.row_id is None:
            event.row_id = next(event.row_ids(), None)
        detail = f"{_first_line(error)}. Its bytes stand in the topic at this place"
        record.error = event.error = RecordError("refused_by_postgres", detail)

    def _tail(self) -> tuple[int, str | None]:
        """Return where the last transaction begins, and which it is."""
        records = self.records
        start, transaction = len(records), None
        while start:
            event = records[start - 1].event
            if event is not None and not event.sent_again:
                if transaction is None:
                    transaction = event.transaction
                elif event.transaction != transaction:
                    break
            start -= 1
        return start, transaction


@dataclass(slots=True)
class SortedRecords:
    """What records of a partition come to."""

    transactions: list[SourceTransaction] = field(default_factory=list)
    epochs: list[Epoch] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    retries: list[tuple[int, RecordError | None]] = field(default_factory=list)
    """Dead letters to be tried again, by id, with what Postgres said where it refused one."""
    _by_id: dict[str, SourceTransaction] = field(default_factory=dict)

    def extend(self, other: SortedRecords) -> None:
        """Add what another partition's records come to."""
        self.transactions += other.transactions
        self.epochs += other.epochs
        self.dead_letters += other.dead_letters
        self.retries += other.retries

    def transaction_of(self, event: ChangeEvent, partition: int, snapshot_lsn: int) -> SourceTransaction:
        """Return the transaction that an event's rows are taken with: one of its id, also where another was sent again in its middle."""
        found = self._by_id.get(event.transaction)
        if found is None:
            if event.snapshot:
                self._by_id.clear()  # what is sent again after a snapshot has other positions than before it
            cause = Cause(event.transaction, event.committed_ms)
            found = self._by_id[event.transaction] = SourceTransaction(partition, snapshot_lsn, cause)
            self.transactions.append(found)
        return found


def sort_records(
    records: Sequence[DecodedRecord], progress: Progress, *, complete: bool, gaps_allowed: bool = False
) -> SortedRecords:
    """Sort records by source transaction and note in `progress` how far the partition has come.

    Args:
        records: of one partition, in its order; records that stand in Postgres already may come again.
        progress: where the partition stands; it never goes back.
        complete: whether the last transaction is.
        gaps_allowed: whether the topic may lack records: what was in them is sent again.

    Raises:
        InvariantError: records between what is done and these are missing.
    """
    if not gaps_allowed:
        _require_no_gap(records, progress)
    found = SortedRecords()
    done_before = progress.next_offset
    last: SourceTransaction | None = None
    for record in records:
        if record.reevaluation is not None:
            _take_reevaluation(record.reevaluation, record.error, progress, found)
        elif record.error is not None and record.offset >= done_before:  # what is read again has its letter already
            found.dead_letters.append(_dead_letter(record, progress))
        event = record.event
        if event is None:
            continue
        if record.offset >= done_before:
            _note_progress(record.offset, event, progress, found)
        snapshot_lsn = progress.snapshot_lsn_at(record.offset)
        transaction = found.transaction_of(event, progress.partition, snapshot_lsn)
        last = last if event.sent_again else transaction
        lsn = 0 if event.snapshot else event.lsn
        transaction.rows += [(lsn, change) for change in event.rows]
        transaction.memberships += [(lsn, change) for change in event.memberships]
        if event.truncated:
            position = Position(snapshot_lsn, event.lsn)
            found.epochs.append(Epoch(progress.topic, position, "truncate", event.committed_ms))
    if last is not None:
        last.complete = complete
    progress.next_offset = max(done_before, records[-1].offset + 1)
    return found


def _events(records: Iterable[DecodedRecord]) -> Iterator[ChangeEvent]:
    """The events among records, without what was sent again."""
    return (record.event for record in records if record.event is not None and not record.event.sent_again)


def _first_line(error: RefusedError) -> str:
    """Return what Postgres refused, without its DETAIL, which has the row."""
    return str(error).partition("\n")[0]


def _take_reevaluation(
    again: Reevaluation, error: RecordError | None, progress: Progress, found: SortedRecords
) -> None:
    if again.kind == RETRY:
        found.retries.append((int(again.of), error))
        return
    cause = Cause.of_reevaluation(again.kind, again.of)
    found.transactions.append(SourceTransaction(progress.partition, 0, cause, reevaluations=[again]))


def _require_no_gap(records: Sequence[DecodedRecord], progress: Progress) -> None:
    if records[0].offset > progress.next_offset:
        raise InvariantError(
            f"{progress.topic}/{progress.partition}: the next record is {progress.next_offset}, but {records[0].offset} came. "
            "What lies between was lost on the way, or is no longer in the topic, or the database was restored to an earlier state."
        )


def _note_progress(offset: int, event: ChangeEvent, progress: Progress, found: SortedRecords) -> None:
    """Note what a record that was not done before says of its partition."""
    if event.snapshot and event.lsn > progress.snapshot_lsn:
        progress.snapshot_lsn = event.lsn
        progress.snapshot_offset = offset
        progress.snapshot_done = False
        found.epochs.append(Epoch(progress.topic, Position(event.lsn, 0), "snapshot", event.committed_ms))
    if event.watermark is not None:
        progress.mark = event.watermark.mark
        progress.mark_lsn = event.lsn
        progress.marked_ms = event.committed_ms
        progress.snapshot_done |= event.snapshot
    progress.ignored_rows += event.ignored
    if not event.sent_again:
        progress.last_transaction = event.transaction


def _dead_letter(record: DecodedRecord, progress: Progress) -> DeadLetter:
    error = record.error
    reason, detail = (error.reason, error.detail) if error is not None else ("", "")
    row_id = None if record.event is None else record.event.row_id
    return DeadLetter(
        progress.topic,
        progress.partition,
        record.offset,
        record.key,
        record.value,
        reason,
        detail[:DETAIL_CHARACTERS_MAX],
        row_id,
    )
