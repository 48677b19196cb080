"""Records cut into source transactions: what goes on, what is held back, and what is noted."""

from __future__ import annotations

import pytest

from streams.errors import InvariantError
from streams.source.decode import decode_invoice as decode
from streams.source.partition_buffer import PartitionBuffer, sort_records
from streams.source.records import DecodedRecord
from streams.source.transaction_metadata import TransactionMetadata
from streams.state.positions import Position
from streams.state.progress import Progress
from streams.topics import INVOICES, REEVALUATIONS
from tests.change_events import Source, invoice_row, record


def metadata(*, seen: int = 0, ended: bool = False, begins: int = 1) -> TransactionMetadata:
    """Of transaction 702 (two events), as far as it is known: delivered events, and whether its end has come."""
    known = TransactionMetadata()
    for _ in range(begins):
        known.note_begin("warehouse:702")
    known.note_delivered((INVOICES.name, 0), [("warehouse:702", order + 1) for order in range(seen)])
    if ended:
        known.note_end("warehouse:702", 2)
    return known


def lane_of(source: Source, *, more: int = 0) -> PartitionBuffer:
    lane = PartitionBuffer(INVOICES.name, 0, 1)
    items = [decode(record(offset, value)) for offset, (_, value) in enumerate(source.events)]
    lane.add(items, len(items) + more)
    return lane


def progress() -> Progress:
    return Progress(INVOICES.name, 0, 0, 0, snapshot_done=True, next_offset=0, last_transaction=None)


def two_transactions() -> Source:
    source = Source()
    source.begin()
    source.insert(invoice_row(1))
    source.begin()
    source.insert(invoice_row(2))
    source.insert(invoice_row(3))
    return source


def test_last_transaction_goes_on_when_all_of_its_events_were_delivered() -> None:
    lane = lane_of(two_transactions())
    assert lane.cut(metadata(seen=2, ended=True), 1_000) == (3, True)


def test_last_transaction_whose_end_overtook_its_rows_is_held() -> None:
    lane = lane_of(two_transactions())
    assert lane.cut(metadata(seen=1, ended=True), 1_000) == (1, True)


def test_last_transaction_whose_end_is_not_known_is_held() -> None:
    lane = lane_of(two_transactions())
    assert lane.cut(metadata(seen=2), 1_000) == (1, True)


def test_last_transaction_is_held_while_more_is_in_the_partition() -> None:
    lane = lane_of(two_transactions(), more=1)
    assert lane.cut(metadata(seen=2, ended=True), 1_000) == (1, True)


def test_transaction_too_large_to_hold_goes_on_as_incomplete() -> None:
    lane = lane_of(two_transactions(), more=1)
    assert lane.cut(metadata(), 1) == (3, False)


def test_delete_and_its_tombstone_stay_together() -> None:
    source = two_transactions()
    source.delete(3)
    assert lane_of(source).cut(metadata(), 1_000) == (1, True)


def test_watermark_is_never_held_and_closes_what_came_before() -> None:
    source = two_transactions()
    source.begin()
    source.watermark("watermark-0-1", 9)
    assert lane_of(source).cut(metadata(), 1_000) == (4, True)


def test_snapshot_is_held_until_its_watermark() -> None:
    source = two_transactions()
    source.events.clear()
    source.snapshot()
    assert lane_of(source).cut(metadata(), 1_000) == (0, True)
    source.watermark("watermark-0-1", 1, snapshot=True)
    assert lane_of(source).cut(metadata(), 1_000) == (4, True)


def test_items_of_no_source_transaction_go_on_at_once() -> None:
    lane = PartitionBuffer(INVOICES.name, 0, 1)
    lane.add([DecodedRecord(0), DecodedRecord(1)], 2)
    assert lane.cut(metadata(), 1_000) == (2, True)


def test_groups_are_the_source_transactions_in_order() -> None:
    source = two_transactions()
    found = sort_records(lane_of(source).records, progress(), complete=False)
    assert [transaction.cause.transaction for transaction in found.transactions] == ["warehouse:701", "warehouse:702"]
    assert [transaction.complete for transaction in found.transactions] == [True, False]
    assert [len(transaction.rows) for transaction in found.transactions] == [1, 2]


def test_snapshot_begins_a_generation_in_which_its_rows_come_before_every_change() -> None:
    source = two_transactions()
    source.snapshot()
    snapshot_lsn = source.lsn
    source.watermark("watermark-0-1", 4, snapshot=True)
    source.begin()
    source.update(2, transaction_amount="7.00")
    noted = progress()
    found = sort_records(lane_of(source).records, noted, complete=True)
    snapshot, end, update = found.transactions[2:]
    assert {lsn for lsn, _ in snapshot.rows} == {0}
    assert snapshot.snapshot_lsn == update.snapshot_lsn == snapshot_lsn
    assert end.rows == []
    assert [(epoch.kind, epoch.position) for epoch in found.epochs] == [("snapshot", Position(snapshot_lsn, 0))]
    assert (noted.snapshot_lsn, noted.snapshot_offset, noted.snapshot_done, noted.mark) == (snapshot_lsn, 3, True, 4)
    assert noted.next_offset == 8


def test_records_read_again_from_before_a_snapshot_change_nothing_after_it() -> None:
    source = two_transactions()
    noted = progress()
    noted.snapshot_lsn, noted.snapshot_offset = 5_000, 2
    found = sort_records(lane_of(source).records, noted, complete=True)
    assert [transaction.snapshot_lsn for transaction in found.transactions] == [-1, -1]
    assert noted.snapshot_lsn == 5_000


def test_truncate_is_an_epoch_at_its_position() -> None:
    source = two_transactions()
    source.truncate()
    noted = progress()
    noted.snapshot_lsn = 900
    found = sort_records(lane_of(source).records, noted, complete=True)
    assert [(epoch.kind, epoch.position) for epoch in found.epochs] == [("truncate", Position(900, source.lsn))]


def test_gap_after_what_is_done_is_refused() -> None:
    noted = progress()
    noted.next_offset = 7
    with pytest.raises(InvariantError, match="next record is 7, but 8 came"):
        sort_records([DecodedRecord(8)], noted, complete=True)
    sort_records([DecodedRecord(6), DecodedRecord(7)], noted, complete=True)
    assert noted.next_offset == 8


def test_reevaluations_may_be_missing_for_they_are_sent_again() -> None:
    noted = Progress(REEVALUATIONS.name, 0, 0, 0, snapshot_done=True, next_offset=0, last_transaction=None)
    sort_records([DecodedRecord(5)], noted, complete=True, gaps_allowed=True)
    assert noted.next_offset == 6


def test_record_that_cannot_be_used_becomes_a_dead_letter_with_its_place_and_bytes() -> None:
    item = decode(record(41, b"\xff"))
    noted = progress()
    noted.next_offset = 41
    found = sort_records([item], noted, complete=True)
    (letter,) = found.dead_letters
    assert (letter.topic, letter.partition, letter.offset, letter.value, letter.reason) == (
        INVOICES.name,
        0,
        41,
        b"\xff",
        "undecodable",
    )


def sent_again() -> Source:
    """Transactions 701 (row 1) and 702 (rows 2 and 3), where a fault had the first sent again in the middle of the second."""
    source = two_transactions()
    first, second, third = source.events
    source.events[:] = [first, second, first, second, third]
    return source


def test_record_that_was_sent_again_completes_no_later_transaction() -> None:
    source = sent_again()
    del source.events[3:]
    assert lane_of(source).cut(metadata(), 1_000) == (1, True)
    assert not lane_of(source).ends_at(2)


def test_record_that_was_sent_again_is_known_by_what_an_earlier_fetch_brought() -> None:
    lane = lane_of(sent_again())
    del lane.records[2:]
    again = decode(record(2, sent_again().events[2][1]))
    lane.add([again], 3)
    assert lane.cut(metadata(), 1_000) == (1, True)


def test_transaction_around_what_was_sent_again_is_taken_together() -> None:
    source = sent_again()
    source.begin()
    source.insert(invoice_row(4))
    lane = lane_of(source)
    assert lane.cut(metadata(), 1_000) == (5, True)
    found = sort_records(lane.records[:5], progress(), complete=True)
    assert [(one.cause.transaction, len(one.rows)) for one in found.transactions] == [
        ("warehouse:701", 2),
        ("warehouse:702", 3),
    ]


def test_record_that_was_sent_again_is_not_the_partitions_last_transaction() -> None:
    source = sent_again()
    del source.events[3:]
    noted = progress()
    found = sort_records(lane_of(source).records, noted, complete=False)
    assert noted.last_transaction == "warehouse:702"
    assert [one.complete for one in found.transactions] == [True, False]


def test_records_streamed_after_a_snapshot_may_stand_before_what_came_before_it() -> None:
    source = two_transactions()
    source.snapshot()
    source.watermark("watermark-0-1", 1, snapshot=True)
    source.last_commit_lsn = source.lsn = 10
    source.begin()
    source.insert(invoice_row(4))
    source.begin()
    source.insert(invoice_row(5))
    lane = lane_of(source)
    assert lane.cut(metadata(), 1_000) == (len(source.events) - 1, True)


def test_connector_that_says_no_sequence_has_transactions_completed_by_any_other() -> None:
    source = two_transactions()
    source.events[:] = [(key, (value or b"").replace(b'"sequence":', b'"other":')) for key, value in source.events]
    source.events.append(source.events[0])
    assert lane_of(source).cut(metadata(), 1_000) == (3, True)


def test_transaction_that_is_sent_again_after_a_snapshot_is_not_taken_with_what_came_before_it() -> None:
    source = two_transactions()
    source.snapshot()
    source.watermark("watermark-0-1", 1, snapshot=True)
    source.events.append(source.events[0])
    found = sort_records(lane_of(source).records, progress(), complete=True)
    assert [one.snapshot_lsn for one in found.transactions] == [0, 0, source.lsn, source.lsn, source.lsn]
