"""When bad rows halt their partition, where exactly, and what makes it go on by itself."""

from __future__ import annotations

from typing import Any

from streams.source.bad_records import BadRecordLimits, BadRows, admit
from streams.source.decode import decode_invoice
from streams.source.partition_buffer import PartitionBuffer, sort_records
from streams.state.progress import Progress
from streams.topics import INVOICES
from tests.change_events import Source, invoice_row, record

THREE = BadRecordLimits(rows_in_a_row=3, window_records=20, window_share=0.1)


def here(next_offset: int = 0, **values: Any) -> Progress:
    return Progress(
        INVOICES.name, 0, 0, 0, snapshot_done=True, next_offset=next_offset, last_transaction=None, **values
    )


def buffer_of(source: Source) -> PartitionBuffer:
    buffer = PartitionBuffer(INVOICES.name, 0, 1)
    records = [decode_invoice(record(offset, value)) for offset, (_, value) in enumerate(source.events)]
    buffer.add(records, len(records))
    return buffer


def bad_rows(count: int, first: int = 1, source: Source | None = None) -> Source:
    source = source or Source()
    for number in range(first, first + count):
        source.begin()
        source.insert(invoice_row(number, transaction_amount=None))
    return source


def all_of(buffer: PartitionBuffer) -> tuple[int, bool]:
    return len(buffer.records), True


def test_partition_halts_right_behind_the_row_that_is_one_too_many() -> None:
    buffer, progress = buffer_of(bad_rows(5)), here()
    assert admit(buffer, progress, all_of(buffer), THREE) == (3, True)
    assert progress.halted_reason == "3 rows in a row cannot be used, up to offset 2, the last for missing_value"


def test_halt_within_a_source_transaction_leaves_it_incomplete() -> None:
    source = Source()
    source.begin()
    for number in range(5):
        source.insert(invoice_row(number, transaction_amount=None))
    buffer, progress = buffer_of(source), here()
    assert admit(buffer, progress, all_of(buffer), THREE) == (3, False)


def test_row_that_stays_bad_while_it_is_touched_is_one_bad_row() -> None:
    source = bad_rows(1)
    for _ in range(10):
        source.update(1, transaction_retainage=None)
    buffer, progress = buffer_of(source), here()
    assert admit(buffer, progress, all_of(buffer), THREE) == all_of(buffer)
    assert progress.halted_reason is None


def test_good_row_in_between_ends_the_row_of_bad_ones_and_a_watermark_does_not() -> None:
    source = bad_rows(2)
    source.insert(invoice_row(50))
    bad_rows(2, 10, source)
    source.begin()
    source.watermark("w", 1)
    buffer, progress = buffer_of(source), here()
    assert admit(buffer, progress, all_of(buffer), THREE) == all_of(buffer)
    assert progress.bad_records["in_a_row"] == [10, 11]
    again = buffer_of(bad_rows(1, 12))
    again.records[0].offset = progress.next_offset = len(buffer.records)
    assert admit(again, progress, all_of(again), THREE) == (1, True)
    assert progress.halted_reason is not None


def test_row_that_a_later_record_of_the_buffer_corrects_does_not_count() -> None:
    source = bad_rows(5)
    for number in (1, 2, 3):
        source.update(number, transaction_amount="5.00")
    buffer, progress = buffer_of(source), here()
    # Also where the correction lies behind the cut.
    assert admit(buffer, progress, (5, True), THREE) == (5, True)
    assert progress.bad_records["in_a_row"] == [4, 5]


def test_row_that_is_deleted_later_does_not_count_whatever_was_wrong_with_it() -> None:
    source = Source()
    for number in range(4):
        source.begin()
        source.insert(invoice_row(number, transaction_description="x" * 3_000))
    for number in range(4):
        source.delete(number)
    buffer, progress = buffer_of(source), here()
    assert admit(buffer, progress, all_of(buffer), THREE) == all_of(buffer)


def test_what_lies_before_a_truncate_does_not_count() -> None:
    source = bad_rows(5)
    source.truncate()
    buffer, progress = buffer_of(source), here()
    assert admit(buffer, progress, all_of(buffer), THREE) == all_of(buffer)
    assert progress.halted_reason is None


def test_what_a_person_accepted_does_not_count() -> None:
    buffer, progress = buffer_of(bad_rows(8)), here(accept_bad_until=5)
    assert admit(buffer, progress, all_of(buffer), THREE) == (8, True)
    assert progress.bad_records["in_a_row"] == [6, 7, 8]
    assert progress.halted_reason is not None


def test_share_of_a_window_counts_once_the_window_is_full() -> None:
    source = Source()
    for number in range(20):
        source.begin()
        source.insert(invoice_row(number, transaction_amount=None if number % 5 == 0 else "1.00"))
    buffer, progress = buffer_of(source), here()
    assert admit(buffer, progress, (19, True), THREE) == (19, True)
    progress = here()
    assert admit(buffer, progress, all_of(buffer), THREE) == (20, True)
    assert progress.halted_reason == "4 rows of the last 20 records cannot be used, up to offset 19"


def test_window_that_is_well_begins_anew() -> None:
    source = Source()
    for number in range(60):
        source.begin()
        source.insert(invoice_row(number, transaction_amount=None if number % 20 < 2 else "1.00"))
    buffer, progress = buffer_of(source), here()
    assert admit(buffer, progress, all_of(buffer), THREE) == all_of(buffer)


def test_halted_partition_goes_on_by_itself_once_its_rows_later_versions_have_come() -> None:
    source = bad_rows(5)
    first, progress = buffer_of(source), here()
    admit(first, progress, all_of(first), THREE)
    progress.next_offset = 3
    del first.records[:3]
    assert admit(first, progress, all_of(first), THREE) == (0, True)
    assert progress.halted_reason is not None

    for number in (1, 3, 4):
        source.update(number, transaction_amount="5.00")
    more = buffer_of(source)
    del more.records[:3]
    assert admit(more, progress, all_of(more), THREE) == (5, True)
    assert progress.halted_reason is None


def test_count_is_kept_with_the_progress_so_that_no_restart_begins_anew() -> None:
    progress, source = here(), bad_rows(3)
    for offset in range(3):
        one = PartitionBuffer(INVOICES.name, 0, 1)
        one.add([decode_invoice(record(offset, source.events[offset][1]))], offset + 1)
        progress = here(offset, bad_records=BadRows.load(progress.bad_records).dump())
        admit(one, progress, (1, True), THREE)
    assert progress.halted_reason is not None


def test_records_that_are_read_again_are_not_counted_again_and_make_no_second_letter() -> None:
    buffer, progress = buffer_of(bad_rows(2)), here()
    admit(buffer, progress, all_of(buffer), THREE)
    assert len(sort_records(buffer.records, progress, complete=True).dead_letters) == 2
    counted = progress.bad_records
    assert admit(buffer, progress, all_of(buffer), THREE) == (2, True)
    assert progress.bad_records == counted
    assert sort_records(buffer.records, progress, complete=True).dead_letters == []


def test_records_that_name_no_row_count_each() -> None:
    buffer = PartitionBuffer(INVOICES.name, 0, 1)
    buffer.add([decode_invoice(record(offset, b"{")) for offset in range(4)], 4)
    progress = here()
    assert admit(buffer, progress, all_of(buffer), THREE) == (3, True)


def test_letter_names_its_row_and_says_of_a_value_only_so_much() -> None:
    source = Source()
    source.insert(invoice_row(7, transaction_amount="9" * 5_000 + "x"))
    (letter,) = sort_records(buffer_of(source).records, here(), complete=True).dead_letters
    assert letter.row_id == 7
    assert len(letter.detail) == 500
