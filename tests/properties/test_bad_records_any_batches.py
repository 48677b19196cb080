"""However records come and workers end: a partition halts at the same row, and goes on once all of it is corrected."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.source.bad_records import BadRecordLimits, BadRows, admit
from streams.source.decode import decode_invoice
from streams.source.partition_buffer import PartitionBuffer, sort_records
from streams.source.records import DecodedRecord
from streams.state.progress import Progress
from streams.topics import INVOICES
from tests.change_events import Source, invoice_row, record

LIMITS = BadRecordLimits(rows_in_a_row=4, window_records=12, window_share=0.25)


def records_of(source: Source) -> list[DecodedRecord]:
    return [decode_invoice(record(offset, value)) for offset, (_, value) in enumerate(source.events)]


def inserted(goods: list[bool]) -> Source:
    source = Source()
    for number, good in enumerate(goods):
        source.begin()
        source.insert(invoice_row(number, transaction_amount="1.00" if good else None))
    return source


class Drive:
    """One partition, read by workers that end and begin again."""

    def __init__(self, records: list[DecodedRecord]) -> None:
        self.records = records
        self.letters: list[int] = []
        self.progress = Progress(INVOICES.name, 0, 0, 0, snapshot_done=True, next_offset=0, last_transaction=None)

    def read(self, begin: int, end: int) -> None:
        """A worker that has the records from `begin` to `end`, and works them off until nothing goes on."""
        buffer = PartitionBuffer(INVOICES.name, 0, 1)
        buffer.add(self.records[begin:end], len(self.records))
        while buffer.records:
            # As it comes back from Postgres.
            self.progress.bad_records = BadRows.load(self.progress.bad_records).dump()
            count, complete = admit(buffer, self.progress, (len(buffer.records), True), LIMITS)
            if not count:
                return
            found = sort_records(buffer.records[:count], self.progress, complete=complete)
            self.letters += [letter.offset for letter in found.dead_letters]
            del buffer.records[:count]


@given(
    goods=st.lists(st.booleans(), max_size=60),
    reads=st.lists(st.tuples(st.integers(0, 20), st.integers(1, 25)), max_size=12),
)
def test_same_rows_halt_at_the_same_place_however_they_are_read(
    goods: list[bool], reads: list[tuple[int, int]]
) -> None:
    records = records_of(inserted(goods))
    whole, parts = Drive(records), Drive(records)
    whole.read(0, len(records))
    for back, length in reads:
        begin = max(0, parts.progress.next_offset - back)
        parts.read(begin, max(begin + length, parts.progress.next_offset))
    parts.read(parts.progress.next_offset, len(records))
    assert parts.progress.next_offset == whole.progress.next_offset
    assert parts.progress.halted_reason == whole.progress.halted_reason
    assert parts.progress.bad_records == whole.progress.bad_records
    assert parts.letters == whole.letters == sorted(set(whole.letters))
    if whole.progress.halted_reason is None:
        assert whole.progress.next_offset == len(records)


@given(
    goods=st.lists(st.booleans(), max_size=40),
    order=st.randoms(use_true_random=False),
    reads=st.lists(st.integers(1, 25), max_size=8),
)
def test_partition_goes_on_by_itself_once_every_row_of_it_is_corrected_or_gone(
    goods: list[bool], order: object, reads: list[int]
) -> None:
    source = inserted(goods)
    bad = [number for number, good in enumerate(goods) if not good]
    order.shuffle(bad)  # type: ignore[attr-defined]
    for number in bad:
        source.begin()
        if order.random() < 0.3:  # type: ignore[attr-defined]
            source.delete(number)
        else:
            source.update(number, transaction_amount="2.00")
    drive = Drive(records_of(source))
    for length in reads:
        drive.read(drive.progress.next_offset, drive.progress.next_offset + length)
    drive.read(drive.progress.next_offset, len(drive.records))
    assert drive.progress.halted_reason is None
    assert drive.progress.next_offset == len(drive.records)
