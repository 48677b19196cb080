"""A batch from records to Postgres: decode, cut, read, fold, write. Runs in the worker's one thread beside the event loop.

Place on the data's way: executor.py feeds it what the agents received and forwards what it wrote. Nothing that it keeps is needed:
buffers are read again from Kafka, invoices from Postgres.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from streams.errors import InvariantError, RefusedError
from streams.generation import LIVE, Generation
from streams.postgres.sink import Sink, SinkTransaction
from streams.recent import Recent
from streams.source.bad_records import BadRecordLimits, admit
from streams.source.partition_buffer import PartitionBuffer, SortedRecords, sort_records
from streams.source.records import DecodedRecord
from streams.source.transaction_metadata import TransactionMetadata
from streams.state.changes import SourceTransaction
from streams.state.changeset import Changeset, EvaluationContext, LoadedState
from streams.state.fold import fold
from streams.state.invoices import InvoiceId, InvoiceState
from streams.state.memberships import MembershipState
from streams.state.positions import Position
from streams.state.progress import Epoch, Progress
from streams.topics import INVOICES, MEMBERSHIPS, PARTITIONS, topics_of
from streams.worker.batch import Delivery, Outcome, Place
from streams.worker.retries import Decoder, read_retries, settled

logger = logging.getLogger(__name__)

Cuts = Mapping[tuple[str, int], tuple[int, bool]]
"""Topic and partition -> how many of its records go on, and whether the last source transaction among them is complete."""

HALTED_LOOK_SECONDS = 1.0
"""How often a halted partition is looked at again: a person may have said go on, or its rows' later versions may have come."""


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
        limits: BadRecordLimits = BadRecordLimits(),  # noqa: B008 -- it cannot be changed
    ) -> None:
        self._sink = sink
        self._limits = limits
        self._reevaluations = topics_of(generation).reevaluations.name
        self._decoders = decoders
        self._metadata = metadata
        self._held_max = held_max
        self._buffers: dict[tuple[str, int], PartitionBuffer] = {}
        self._invoices: Recent[InvoiceId, InvoiceState] = Recent(cached_invoices)
        self._memberships: Recent[str, MembershipState] = Recent(cached_invoices)
        self._halted: dict[Place, str] = {}
        self._look_at: dict[Place, float] = {}
        """When each halted partition is looked at again (monotonic seconds)."""

    def take(self, deliveries: Sequence[Delivery]) -> None:
        """Decode what came; once a delivery, also when the batch is tried again."""
        for delivery in deliveries:
            place = (delivery.topic, delivery.partition)
            buffer = self._buffers.get(place)
            if buffer is None or buffer.consumer_generation != delivery.consumer_generation:
                buffer = self._buffers[place] = PartitionBuffer(*place, delivery.consumer_generation)
            records = list(map(self._decoders[delivery.topic], delivery.records))
            self._metadata.note_delivered(place, _events(records))
            buffer.add(records, delivery.end_offset)

    def forget(self) -> None:
        """Drop what is held: the partitions are given up, and whoever has them next reads from what is committed."""
        self._buffers.clear()
        self._halted.clear()

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
        self._halted = {place: reason for place, reason in self._halted.items() if place in self._buffers}
        cuts = self._cuts()
        try:
            outcome = self._write(cuts) if cuts else Outcome()
        except RefusedError as error:
            outcome = self._write_less(cuts, error)
        for place, count in outcome.taken.items():
            del self._buffers[place].records[:count]
        outcome.halted = {place: len(self._buffers[place].records) for place in self._halted}
        outcome.held = any(buffer.records for place, buffer in self._buffers.items() if place not in self._halted)
        return outcome

    def _cuts(self) -> Cuts:
        """Return what could go on now: of each partition with records, and of a halted one when it is looked at again."""
        now, cuts = time.monotonic(), {}
        for place, buffer in self._buffers.items():
            if place in self._halted and now < self._look_at[place]:
                continue
            cut = buffer.cut(self._metadata, self._held_max)
            if cut[0] or place in self._halted:
                cuts[place] = cut
        return cuts

    def _write_less(self, cuts: Cuts, error: RefusedError) -> Outcome:
        """Write the beginning of a batch that Postgres refused; a record that it refuses alone becomes a dead letter."""
        while True:
            if sum(count for count, _ in cuts.values()) == 1:
                place = next(place for place, (count, _) in cuts.items() if count)
                self._buffers[place].refuse_first(error)
            else:
                cuts = self._halved(cuts)
            try:
                outcome = self._write(cuts)
            except RefusedError as again:
                error = again
                continue
            outcome.more = True
            return outcome

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
        loaded, changeset = LoadedState(), Changeset()
        with self._sink.transaction({partition for _, partition in cuts}) as transaction:
            found, changed = self._sort(cuts, transaction, outcome)
            if changed:
                retries = read_retries(found.retries, transaction, self._decoders)
                transactions = [
                    *found.transactions,
                    *(one.transaction for one in retries if one.transaction is not None),
                ]
                customers = dict.fromkeys(_customers(transactions))
                loaded = self._load(transactions, customers, transaction)
                changeset = fold(transactions, loaded, _context(transaction, found))
                outcome.written = transaction.write(
                    changeset,
                    changed,
                    customers=list(customers),
                    epochs=found.epochs,
                    dead_letters=found.dead_letters,
                )
                transaction.settle_letters(settled(retries, changeset), self._superseded(transaction, outcome))
        outcome.entries = changeset.entries
        # Only now: had the transaction failed, what is kept would still be what stands there.
        self._invoices.update(changeset.invoices)
        self._memberships.update({**loaded.memberships, **changeset.memberships})
        self._note_halts(transaction, outcome)
        return outcome

    def _sort(self, cuts: Cuts, transaction: SinkTransaction, outcome: Outcome) -> tuple[SortedRecords, list[Progress]]:
        """Return what goes on of the cuts, and the progress of the partitions where that changes."""
        whole, changed = SortedRecords(), []
        for place, cut in cuts.items():
            buffer, progress = self._buffers[place], transaction.progress.get(place)
            if progress is None:
                raise InvariantError(f"{place[0]} has a partition {place[1]}, but {PARTITIONS} partitions are expected")
            halted = progress.halted_reason
            count, complete = admit(buffer, progress, cut, self._limits)
            outcome.taken[place] = count
            if count or progress.halted_reason != halted:
                changed.append(progress)
            if not count:
                continue
            found = sort_records(
                buffer.records[:count], progress, complete=complete, gaps_allowed=place[0] == self._reevaluations
            )
            whole.extend(found)
            outcome.dead_letters += found.dead_letters
            outcome.next_offsets[place] = (progress.next_offset, buffer.consumer_generation)
            outcome.record_count += count
        return whole, changed

    def _superseded(self, transaction: SinkTransaction, outcome: Outcome) -> list[tuple[str, int, int, int]]:
        """Return the rows of which a later record goes on, where a letter of them may be open: topic, partition, row, offset."""
        with_letters = {(letter.topic, letter.partition) for letter in outcome.dead_letters}
        return [
            (*place, row, record.offset)
            for place, count in outcome.taken.items()
            if place in with_letters or transaction.progress[place].has_open_letters
            for record in self._buffers[place].records[:count]
            if record.event is not None
            for row in record.event.row_ids()
        ]

    def _note_halts(self, transaction: SinkTransaction, outcome: Outcome) -> None:
        """Remember, once it stands in Postgres, which partitions are halted."""
        for place in outcome.taken:
            reason = transaction.progress[place].halted_reason
            if reason is None:
                if self._halted.pop(place, None) is not None:
                    logger.warning("%s/%d goes on", *place)
                continue
            if self._halted.get(place) != reason:
                logger.error(
                    "%s/%d is halted: %s. `rewards dead-letters list` shows them, and what leads out", *place, reason
                )
            self._halted[place] = reason
            self._look_at[place] = time.monotonic() + HALTED_LOOK_SECONDS

    def _load(
        self, transactions: Sequence[SourceTransaction], customers: Iterable[str], sink: SinkTransaction
    ) -> LoadedState:
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
        members = {c: member for c in customers if (member := self._memberships.get(c)) is not None}
        read = sink.read(
            {number: kept[number].revision if number in kept else 0 for number in numbers},
            {customer: members[customer].revision if customer in members else 0 for customer in customers},
            all_of=joining,
        )
        return LoadedState({**kept, **read.invoices}, {**members, **read.memberships}, read.invoices_of)


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


def _context(transaction: SinkTransaction, found: SortedRecords) -> EvaluationContext:
    """Return what a batch is evaluated under: what stands in Postgres, and the epochs that it brings itself."""
    stands = transaction.context
    return replace(
        stands,
        suspect_before=_latest(stands.suspect_before, found.epochs, INVOICES.name),
        memberships_suspect_before=_latest(stands.memberships_suspect_before, found.epochs, MEMBERSHIPS.name),
        open_transactions=_open_transactions(transaction),
    )


def _latest(known: Position, epochs: Sequence[Epoch], topic: str) -> Position:
    """The position before which rows are in doubt, with the epochs that a batch came upon."""
    return max([known, *(epoch.position for epoch in epochs if epoch.topic == topic)])


def _open_transactions(transaction: SinkTransaction) -> dict[int, str]:
    return {
        progress.partition: progress.last_transaction
        for progress in transaction.progress.values()
        if progress.topic == INVOICES.name and progress.last_transaction is not None
    }
