"""A batch from records to Postgres: decode, cut, read, fold, write. Runs in the worker's one thread beside the event loop.

Place on the data's way: processor.py feeds it what the agents received and forwards what it wrote. Nothing that it keeps is needed:
lanes are read again from Kafka, known invoices from Postgres.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from streams.endings import TransactionMetadata
from streams.errors import BadRecordsError, InvariantError
from streams.fold import fold
from streams.known import Entry, Group, InvoiceState, Known, MembershipState
from streams.lanes import Item, Lane, sort_items
from streams.postgres.sink import DeadLetterRow, Sink, SinkTransaction, Written
from streams.recent import Recent
from streams.records import InvoiceId
from streams.topics import INVOICES, PARTITIONS

Decoder = Callable[[Any], Item]
"""From a Kafka record to an item; never raises for what the record holds."""

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
    generation_id: int


@dataclass(slots=True)
class Outcome:
    """What a batch left behind, to be forwarded and then committed."""

    entries: Sequence[Entry] = ()
    written: Written = field(default_factory=Written)
    dead_letters: list[DeadLetterRow] = field(default_factory=list)
    next_offsets: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)
    """(topic, partition) -> (next offset, consumer generation)."""
    record_count: int = 0
    held: bool = False
    """Whether records were held back, for their transaction may not be complete."""


class Batches:
    """Works off deliveries batch by batch. Not for two threads at once."""

    def __init__(
        self,
        sink: Sink,
        decoders: Mapping[str, Decoder],
        *,
        metadata: TransactionMetadata,
        held_max: int,
        cached_invoices: int,
    ) -> None:
        self._sink = sink
        self._decoders = decoders
        self._metadata = metadata
        self._held_max = held_max
        self._lanes: dict[tuple[str, int], Lane] = {}
        self._invoices: Recent[InvoiceId, InvoiceState] = Recent(cached_invoices)
        self._memberships: Recent[str, MembershipState] = Recent(cached_invoices)
        self._bad_in_a_row: dict[tuple[str, int], int] = {}
        self._bad_window: list[int] = [0, 0]

    def take(self, deliveries: Sequence[Delivery]) -> None:
        """Decode what came; once a delivery, also when the batch is tried again.

        Raises:
            BadRecordsError: too many records cannot be used.
        """
        for delivery in deliveries:
            place = (delivery.topic, delivery.partition)
            lane = self._lanes.get(place)
            if lane is None or lane.generation_id != delivery.generation_id:
                lane = self._lanes[place] = Lane(*place, delivery.generation_id)
            items = list(map(self._decoders[delivery.topic], delivery.records))
            self._count_bad(place, items)
            self._metadata.note_delivered(place, _events(items))
            lane.add(items, delivery.end_offset)

    def forget(self) -> None:
        """Drop what is held: the partitions are given up, and whoever has them next reads from what is committed."""
        self._lanes.clear()

    def close(self) -> None:
        """Close the connection."""
        self._sink.close()

    def work(self, generation_id: int) -> Outcome:
        """Write what can be written. Tried again after a TransientError, it does the same.

        Raises:
            TransientError: Postgres is away; what was taken is still held.
            InvariantError: we are at fault.
        """
        self._lanes = {place: lane for place, lane in self._lanes.items() if lane.generation_id == generation_id}
        cuts = {place: lane.cut(self._metadata, self._held_max) for place, lane in self._lanes.items()}
        cuts = {place: cut for place, cut in cuts.items() if cut[0]}
        outcome = self._write(cuts) if cuts else Outcome()
        for place, (count, _) in cuts.items():
            del self._lanes[place].items[:count]
        outcome.held = any(lane.items for lane in self._lanes.values())
        return outcome

    def _write(self, cuts: Mapping[tuple[str, int], tuple[int, bool]]) -> Outcome:
        outcome = Outcome()
        with self._sink.transaction({partition for _, partition in cuts}) as transaction:
            groups, epochs = self._sort(cuts, transaction, outcome)
            doubt = max([transaction.horizon.doubt, *(e.position for e in epochs if e.topic == INVOICES.name)])
            horizon = replace(transaction.horizon, doubt=doubt, open_transactions=_open_transactions(transaction))
            known = self._known(groups, transaction)
            writes = fold(groups, known, horizon)
            customers = list(dict.fromkeys(_customers(groups)))
            outcome.written = transaction.write(
                writes,
                [transaction.progress[place] for place in cuts],
                customers=customers,
                epochs=epochs,
                dead_letters=outcome.dead_letters,
            )
        outcome.entries = writes.entries
        # Only now: had the transaction failed, what is known would still be what stands there.
        self._invoices.update(writes.invoices)
        self._memberships.update({**known.memberships, **writes.memberships})
        return outcome

    def _sort(
        self, cuts: Mapping[tuple[str, int], tuple[int, bool]], transaction: SinkTransaction, outcome: Outcome
    ) -> tuple[list[Group], list[Any]]:
        groups: list[Group] = []
        epochs: list[Any] = []
        for place, (count, complete) in cuts.items():
            lane, progress = self._lanes[place], transaction.progress.get(place)
            if progress is None:
                raise InvariantError(f"{place[0]} has a partition {place[1]}, but {PARTITIONS} partitions are expected")
            found = sort_items(lane.items[:count], progress, complete=complete)
            groups += found.groups
            epochs += found.epochs
            outcome.dead_letters += found.dead_letters
            outcome.next_offsets[place] = (progress.next_offset, lane.generation_id)
            outcome.record_count += count
        return groups, epochs

    def _known(self, groups: Sequence[Group], transaction: SinkTransaction) -> Known:
        """Return what stands in Postgres: what is kept where it has the same revision there, what is read where not."""
        numbers: dict[InvoiceId, None] = {}
        for group in groups:
            numbers.update([(change.invoice_id, None) for _, change in group.rows])
            numbers.update((due.invoice_id, None) for due in group.due if due.invoice_id is not None)
        joining = {change.customer_master_id for group in groups for _, change in group.memberships}
        joining.update(due.customer_master_id for group in groups for due in group.due if due.invoice_id is None)
        kept = {number: state for number in numbers if (state := self._invoices.get(number)) is not None}
        customers = dict.fromkeys(_customers(groups))
        members = {c: member for c in customers if (member := self._memberships.get(c)) is not None}
        read = transaction.read(
            {number: kept[number].revision if number in kept else 0 for number in numbers},
            {customer: members[customer].revision if customer in members else 0 for customer in customers},
            all_of=joining,
        )
        return Known({**kept, **read.invoices}, {**members, **read.memberships}, read.invoices_of)

    def _count_bad(self, place: tuple[str, int], items: Sequence[Item]) -> None:
        window = self._bad_window
        for item in items:
            if item.decoded is None and item.error is None and item.due is None:
                continue
            window[0] += 1
            if item.error is None:
                self._bad_in_a_row[place] = 0
            else:
                window[1] += 1
                in_a_row = self._bad_in_a_row[place] = self._bad_in_a_row.get(place, 0) + 1
                if in_a_row >= BAD_IN_A_ROW_MAX or window[1] > BAD_WINDOW_MAX:
                    what = (
                        f"{in_a_row} in a row"
                        if in_a_row >= BAD_IN_A_ROW_MAX
                        else f"{window[1]} of the last {window[0]}"
                    )
                    raise BadRecordsError(
                        f"{what} records cannot be used, the last at {place[0]}/{place[1]} offset {item.offset}: {item.error}. "
                        "Nothing of them was skipped: mend the source (or the mapping), then start the worker again."
                    )
            if window[0] >= BAD_WINDOW_RECORDS:
                window[:] = [0, 0]


def _events(items: Sequence[Item]) -> Iterator[tuple[str, int]]:
    """Transaction and order of each event that can be counted; one that cannot be used leaves its transaction uncounted."""
    for item in items:
        decoded = item.decoded
        if decoded is not None and decoded.order:
            yield decoded.transaction, decoded.order


def _customers(groups: Sequence[Group]) -> list[str]:
    found = []
    for group in groups:
        found += [change.key.customer_master_id for _, change in group.rows]
        found += [change.customer_master_id for _, change in group.memberships]
        found += [due.customer_master_id for due in group.due]
    return found


def _open_transactions(transaction: SinkTransaction) -> dict[int, str]:
    return {
        progress.partition: progress.last_transaction
        for progress in transaction.progress.values()
        if progress.topic == INVOICES.name and progress.last_transaction is not None
    }
