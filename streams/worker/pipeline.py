"""A batch from records to Postgres: decode, cut, read, fold, write. Runs in the worker's one thread beside the event loop.

Place on the data's way: executor.py feeds it what the agents received and forwards what it wrote. Nothing that it keeps is needed:
buffers are read again from Kafka, invoices from Postgres.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from streams.errors import BadRecordsError, InvariantError, RefusedError
from streams.generation import LIVE, Generation
from streams.postgres.sink import Sink, SinkTransaction, Written
from streams.recent import Recent
from streams.source.partition_buffer import PartitionBuffer, sort_records
from streams.source.records import DeadLetter, DecodedRecord
from streams.source.transaction_metadata import TransactionMetadata
from streams.state.changes import SourceTransaction
from streams.state.changeset import Entry, LoadedState
from streams.state.fold import fold
from streams.state.invoices import InvoiceId, InvoiceState
from streams.state.memberships import MembershipState
from streams.state.positions import Position
from streams.state.progress import Epoch
from streams.topics import INVOICES, MEMBERSHIPS, PARTITIONS, topics_of

Cuts = Mapping[tuple[str, int], tuple[int, bool]]
"""Topic and partition -> how many of its records go on, and whether the last source transaction among them is complete."""

Decoder = Callable[[Any], DecodedRecord]
"""From a Kafka record to what it says; never raises for what the record holds."""

BAD_IN_A_ROW_MAX = 10
BAD_WINDOW_RECORDS = 1_000
BAD_WINDOW_MAX = 10
"""1 % of a window."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A bulk message, as an agent received it."""

    topic: str
    partition: int
    records: Sequence[Any]
    end_offset: int
    consumer_generation: int


@dataclass(slots=True)
class Outcome:
    """What a batch left behind, to be forwarded and then committed."""

    entries: Sequence[Entry] = ()
    written: Written = field(default_factory=Written)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    next_offsets: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)
    """(topic, partition) -> (next offset, consumer generation)."""
    record_count: int = 0
    more: bool = False
    """Whether what is held can go on at once: the batch was made smaller."""
    held: bool = False
    """Whether records were held back, for their transaction may not be complete."""


class Pipeline:
    """Works off deliveries batch by batch. Not for two threads at once."""

    def __init__(
        self,
        sink: Sink,
        decoders: Mapping[str, Decoder],
        *,
        metadata: TransactionMetadata,
        held_max: int,
        cached_invoices: int,
        generation: Generation = LIVE,
    ) -> None:
        self._sink = sink
        self._reevaluations = topics_of(generation).reevaluations.name
        self._decoders = decoders
        self._metadata = metadata
        self._held_max = held_max
        self._buffers: dict[tuple[str, int], PartitionBuffer] = {}
        self._invoices: Recent[InvoiceId, InvoiceState] = Recent(cached_invoices)
        self._memberships: Recent[str, MembershipState] = Recent(cached_invoices)
        self._bad_in_a_row: dict[tuple[str, int], set[tuple[str, int, int | None]]] = {}
        self._window_records = 0
        self._window_bad: set[tuple[str, int, int | None]] = set()

    def take(self, deliveries: Sequence[Delivery]) -> None:
        """Decode what came; once a delivery, also when the batch is tried again.

        Raises:
            BadRecordsError: too many records cannot be used.
        """
        for delivery in deliveries:
            place = (delivery.topic, delivery.partition)
            buffer = self._buffers.get(place)
            if buffer is None or buffer.consumer_generation != delivery.consumer_generation:
                buffer = self._buffers[place] = PartitionBuffer(*place, delivery.consumer_generation)
            records = list(map(self._decoders[delivery.topic], delivery.records))
            self._count_bad(place, records)
            self._metadata.note_delivered(place, _events(records))
            buffer.add(records, delivery.end_offset)

    def forget(self) -> None:
        """Drop what is held: the partitions are given up, and whoever has them next reads from what is committed."""
        self._buffers.clear()

    def close(self) -> None:
        """Close the connection."""
        self._sink.close()

    def work(self, consumer_generation: int) -> Outcome:
        """Write what can be written. Tried again after a TransientError, it does the same.

        Raises:
            TransientError: Postgres is away; what was taken is still held.
            InvariantError: we are at fault.
        """
        self._buffers = {
            place: buffer
            for place, buffer in self._buffers.items()
            if buffer.consumer_generation == consumer_generation
        }
        whole = {place: buffer.cut(self._metadata, self._held_max) for place, buffer in self._buffers.items()}
        cuts: Cuts = {place: cut for place, cut in whole.items() if cut[0]}
        try:
            outcome = self._write(cuts) if cuts else Outcome()
        except RefusedError as error:
            cuts, outcome = self._write_less(cuts, error)
        for place, (count, _) in cuts.items():
            del self._buffers[place].records[:count]
        outcome.held = any(buffer.records for buffer in self._buffers.values())
        return outcome

    def _write_less(self, cuts: Cuts, error: RefusedError) -> tuple[Cuts, Outcome]:
        """Write the beginning of a batch that Postgres refused; a record that it refuses alone becomes a dead letter."""
        while True:
            if sum(count for count, _ in cuts.values()) == 1:
                (place,) = cuts
                self._buffers[place].refuse_first(error)
            else:
                cuts = self._halved(cuts)
            try:
                outcome = self._write(cuts)
            except RefusedError as again:
                error = again
                continue
            outcome.more = True
            return cuts, outcome

    def _halved(self, cuts: Cuts) -> Cuts:
        room = sum(count for count, _ in cuts.values()) // 2
        kept: dict[tuple[str, int], tuple[int, bool]] = {}
        for place, (count, complete) in cuts.items():
            taken = min(count, room)
            room -= taken
            if taken:
                whole = complete if taken == count else self._buffers[place].ends_at(taken)
                kept[place] = (taken, whole)
        return kept

    def _write(self, cuts: Cuts) -> Outcome:
        outcome = Outcome()
        with self._sink.transaction({partition for _, partition in cuts}) as transaction:
            transactions, epochs = self._sort(cuts, transaction, outcome)
            known = transaction.context
            context = replace(
                known,
                suspect_before=_latest(known.suspect_before, epochs, INVOICES.name),
                memberships_suspect_before=_latest(known.memberships_suspect_before, epochs, MEMBERSHIPS.name),
                open_transactions=_open_transactions(transaction),
            )
            loaded = self._load(transactions, transaction)
            changeset = fold(transactions, loaded, context)
            customers = list(dict.fromkeys(_customers(transactions)))
            outcome.written = transaction.write(
                changeset,
                [transaction.progress[place] for place in cuts],
                customers=customers,
                epochs=epochs,
                dead_letters=outcome.dead_letters,
            )
        outcome.entries = changeset.entries
        # Only now: had the transaction failed, what is kept would still be what stands there.
        self._invoices.update(changeset.invoices)
        self._memberships.update({**loaded.memberships, **changeset.memberships})
        return outcome

    def _sort(
        self, cuts: Cuts, transaction: SinkTransaction, outcome: Outcome
    ) -> tuple[list[SourceTransaction], list[Epoch]]:
        transactions: list[SourceTransaction] = []
        epochs: list[Epoch] = []
        for place, (count, complete) in cuts.items():
            buffer, progress = self._buffers[place], transaction.progress.get(place)
            if progress is None:
                raise InvariantError(f"{place[0]} has a partition {place[1]}, but {PARTITIONS} partitions are expected")
            found = sort_records(
                buffer.records[:count], progress, complete=complete, gaps_allowed=place[0] == self._reevaluations
            )
            transactions += found.transactions
            epochs += found.epochs
            outcome.dead_letters += found.dead_letters
            outcome.next_offsets[place] = (progress.next_offset, buffer.consumer_generation)
            outcome.record_count += count
        return transactions, epochs

    def _load(self, transactions: Sequence[SourceTransaction], sink: SinkTransaction) -> LoadedState:
        """Return what stands in Postgres: what is kept where it has the same revision there, what is read where not."""
        numbers: dict[InvoiceId, None] = {}
        for transaction in transactions:
            numbers.update([(change.invoice_id, None) for _, change in transaction.rows])
            numbers.update(
                (again.invoice_id, None) for again in transaction.reevaluations if again.invoice_id is not None
            )
        joining = {change.customer_master_id for transaction in transactions for _, change in transaction.memberships}
        joining.update(
            again.customer_master_id
            for transaction in transactions
            for again in transaction.reevaluations
            if again.invoice_id is None
        )
        kept = {number: state for number in numbers if (state := self._invoices.get(number)) is not None}
        customers = dict.fromkeys(_customers(transactions))
        members = {c: member for c in customers if (member := self._memberships.get(c)) is not None}
        read = sink.read(
            {number: kept[number].revision if number in kept else 0 for number in numbers},
            {customer: members[customer].revision if customer in members else 0 for customer in customers},
            all_of=joining,
        )
        return LoadedState({**kept, **read.invoices}, {**members, **read.memberships}, read.invoices_of)

    def _count_bad(self, place: tuple[str, int], records: Sequence[DecodedRecord]) -> None:
        """Count bad rows, not bad records: a row that stays bad while it is touched again and again is one."""
        for record in records:
            if record.event is None and record.error is None and record.reevaluation is None:
                continue
            self._window_records += 1
            if record.error is None:
                self._bad_in_a_row.pop(place, None)
            else:
                row = (*place, record.offset if record.event is None else record.event.row_id)
                in_a_row = self._bad_in_a_row.setdefault(place, set())
                in_a_row.add(row)
                self._window_bad.add(row)
                if len(in_a_row) >= BAD_IN_A_ROW_MAX:
                    raise _too_many(f"{len(in_a_row)} rows in a row", place, record)
            if self._window_records >= BAD_WINDOW_RECORDS:
                if len(self._window_bad) > BAD_WINDOW_MAX:
                    raise _too_many(
                        f"{len(self._window_bad)} rows of the last {self._window_records} records", place, record
                    )
                self._window_records = 0
                self._window_bad.clear()


def _too_many(what: str, place: tuple[str, int], record: DecodedRecord) -> BadRecordsError:
    last = f", this one for: {record.error}" if record.error is not None else ""
    return BadRecordsError(
        f"{what} cannot be used, up to {place[0]}/{place[1]} offset {record.offset}{last}."
        " Nothing of them was skipped: mend the source (or the mapping), then start the worker again."
    )


def _events(records: Sequence[DecodedRecord]) -> Iterator[tuple[str, int]]:
    """Transaction and order of each event that can be counted; one that cannot be used leaves its transaction uncounted."""
    for record in records:
        event = record.event
        if event is not None and event.order:
            yield event.transaction, event.order


def _customers(transactions: Sequence[SourceTransaction]) -> list[str]:
    found = []
    for transaction in transactions:
        found += [change.key.customer_master_id for _, change in transaction.rows]
        found += [change.customer_master_id for _, change in transaction.memberships]
        found += [again.customer_master_id for again in transaction.reevaluations]
    return found


def _latest(known: Position, epochs: Sequence[Epoch], topic: str) -> Position:
    """The position before which rows are in doubt, with the epochs that a batch came upon."""
    return max([known, *(epoch.position for epoch in epochs if epoch.topic == topic)])


def _open_transactions(transaction: SinkTransaction) -> dict[int, str]:
    return {
        progress.partition: progress.last_transaction
        for progress in transaction.progress.values()
        if progress.topic == INVOICES.name and progress.last_transaction is not None
    }
