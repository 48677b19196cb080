"""Records cut into source transactions: what goes on, what is held back, and what is noted."""

from __future__ import annotations

import time

import pytest

from streams.agents.invoices import decode
from streams.endings import ARRIVAL_SECONDS, UNKNOWN_SECONDS, TransactionEnds, wait_until
from streams.errors import InvariantError
from streams.lanes import Item, Lane, sort_items
from streams.postgres.sink import Progress
from streams.records import Position
from streams.topics import DUE_INVOICES, INVOICES
from tests.change_events import Source, invoice_row, record


def ends(*, seen: int = 0, ended_at: float | None = None, went_to: int | None = None) -> TransactionEnds:
    """The end of transaction 702 (two events), as far as it is known, and how far the partition went 1 ms after it."""
    known = TransactionEnds()
    known.see(["warehouse:702"] * seen)
    if ended_at is not None:
        known.end("warehouse:702", 2, ended_at)
        if went_to is not None:
            known.note_end_offsets({(INVOICES.name, 0): went_to}, ended_at + 0.001)
    return known


def lane_of(source: Source, *, more: int = 0, until: float = 130.0) -> Lane:
    lane = Lane(INVOICES.name, 0, 1)
    items = [decode(record(offset, value)) for offset, (_, value) in enumerate(source.events)]
    lane.add(items, len(items) + more, until)
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


def test_last_transaction_goes_on_at_once_when_all_of_its_events_are_here() -> None:
    lane = lane_of(two_transactions())
    assert lane.cut(100.0, ends(seen=2, ended_at=99.0), 1_000) == (3, True)


def test_last_transaction_goes_on_when_its_partition_went_no_further_after_its_end() -> None:
    lane = lane_of(two_transactions())
    assert lane.cut(100.0, ends(seen=1, ended_at=99.0, went_to=3), 1_000) == (3, True)


def test_last_transaction_is_held_when_its_partition_went_further_after_its_end() -> None:
    lane = lane_of(two_transactions())
    known = ends(seen=1, ended_at=99.0, went_to=4)
    assert lane.cut(100.0, known, 1_000) == (1, True)
    assert lane.complete_at(known) == 130.0


def test_end_offsets_from_before_a_transaction_ended_say_nothing() -> None:
    lane = lane_of(two_transactions())
    known = ends(seen=1, ended_at=99.0, went_to=3)
    known.end("warehouse:702", 2, 99.5)
    assert lane.cut(100.0, known, 1_000) == (1, True)


def test_last_transaction_whose_end_is_not_known_is_waited_for_longer() -> None:
    lane = lane_of(two_transactions())
    assert lane.cut(129.9, ends(seen=2), 1_000) == (1, True)
    assert lane.cut(130.0, ends(seen=2), 1_000) == (3, True)


def test_record_that_was_written_long_ago_is_waited_for_less() -> None:
    now = time.time() * 1000
    assert wait_until(int(now)) - time.monotonic() == pytest.approx(UNKNOWN_SECONDS, abs=1)
    assert wait_until(int(now) - 20_000) - time.monotonic() == pytest.approx(UNKNOWN_SECONDS - 20, abs=1)
    assert wait_until(int(now) - 3_600_000) - time.monotonic() == pytest.approx(ARRIVAL_SECONDS, abs=1)


def test_last_transaction_is_held_while_more_is_in_the_partition() -> None:
    lane = lane_of(two_transactions(), more=1)
    assert lane.cut(200.0, ends(), 1_000) == (1, True)
    assert lane.complete_at(ends()) is None


def test_transaction_too_large_to_hold_goes_on_as_incomplete() -> None:
    lane = lane_of(two_transactions(), more=1)
    assert lane.cut(100.0, ends(), 1) == (3, False)


def test_delete_and_its_tombstone_stay_together() -> None:
    source = two_transactions()
    source.delete(3)
    assert lane_of(source).cut(100.0, ends(), 1_000) == (1, True)


def test_watermark_is_never_held_and_closes_what_came_before() -> None:
    source = two_transactions()
    source.begin()
    source.watermark("watermark-0-1", 9)
    assert lane_of(source).cut(100.0, ends(), 1_000) == (4, True)


def test_snapshot_is_held_until_its_watermark() -> None:
    source = two_transactions()
    source.events.clear()
    source.snapshot()
    assert lane_of(source).cut(900.0, ends(), 1_000) == (0, True)
    source.watermark("watermark-0-1", 1, snapshot=True)
    assert lane_of(source).cut(100.0, ends(), 1_000) == (4, True)


def test_items_of_no_source_transaction_go_on_at_once() -> None:
    lane = Lane(INVOICES.name, 0, 1)
    lane.add([Item(0), Item(1)], 2, 130.0)
    assert lane.cut(100.0, ends(), 1_000) == (2, True)


def test_groups_are_the_source_transactions_in_order() -> None:
    source = two_transactions()
    found = sort_items(lane_of(source).items, progress(), complete=False)
    assert [group.cause.transaction for group in found.groups] == ["warehouse:701", "warehouse:702"]
    assert [group.complete for group in found.groups] == [True, False]
    assert [len(group.rows) for group in found.groups] == [1, 2]


def test_snapshot_begins_a_generation_in_which_its_rows_come_before_every_change() -> None:
    source = two_transactions()
    source.snapshot()
    snapshot_lsn = source.lsn
    source.watermark("watermark-0-1", 4, snapshot=True)
    source.begin()
    source.update(2, transaction_amount="7.00")
    noted = progress()
    found = sort_items(lane_of(source).items, noted, complete=True)
    snapshot, end, update = found.groups[2:]
    assert {lsn for lsn, _ in snapshot.rows} == {0}
    assert snapshot.generation == update.generation == snapshot_lsn
    assert end.rows == []
    assert [(epoch.kind, epoch.position) for epoch in found.epochs] == [("snapshot", Position(snapshot_lsn, 0))]
    assert (noted.generation, noted.generation_offset, noted.snapshot_done, noted.mark) == (snapshot_lsn, 3, True, 4)
    assert noted.next_offset == 8


def test_records_read_again_from_before_a_snapshot_change_nothing_after_it() -> None:
    source = two_transactions()
    noted = progress()
    noted.generation, noted.generation_offset = 5_000, 2
    found = sort_items(lane_of(source).items, noted, complete=True)
    assert [group.generation for group in found.groups] == [-1, -1]
    assert noted.generation == 5_000


def test_truncate_is_an_epoch_at_its_position() -> None:
    source = two_transactions()
    source.truncate()
    noted = progress()
    noted.generation = 900
    found = sort_items(lane_of(source).items, noted, complete=True)
    assert [(epoch.kind, epoch.position) for epoch in found.epochs] == [("truncate", Position(900, source.lsn))]


def test_gap_after_what_is_done_is_refused() -> None:
    noted = progress()
    noted.next_offset = 7
    with pytest.raises(InvariantError, match="next record is 7, but 8 came"):
        sort_items([Item(8)], noted, complete=True)
    sort_items([Item(6), Item(7)], noted, complete=True)
    assert noted.next_offset == 8


def test_due_invoices_may_be_missing_for_they_are_sent_again() -> None:
    noted = Progress(DUE_INVOICES.name, 0, 0, 0, snapshot_done=True, next_offset=0, last_transaction=None)
    sort_items([Item(5)], noted, complete=True)
    assert noted.next_offset == 6


def test_record_that_cannot_be_used_becomes_a_dead_letter_with_its_place_and_bytes() -> None:
    item = decode(record(41, b"\xff"))
    noted = progress()
    noted.next_offset = 41
    found = sort_items([item], noted, complete=True)
    (letter,) = found.dead_letters
    assert (letter.topic, letter.partition, letter.offset, letter.value, letter.reason) == (
        INVOICES.name,
        0,
        41,
        b"\xff",
        "undecodable",
    )
