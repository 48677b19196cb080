"""When a source transaction is complete: once all of its events were delivered, each counted once, and by nothing else."""

from __future__ import annotations

import pytest

from streams.source.transaction_metadata import TransactionMetadata, note_record

NAME = "warehouse:702"


def begun(wake: list[str] | None = None) -> TransactionMetadata:
    metadata = TransactionMetadata((lambda: wake.append("woken")) if wake is not None else lambda: None)
    metadata.note_begin(NAME)
    return metadata


def test_transaction_whose_events_were_all_delivered_is_complete() -> None:
    metadata = begun()
    metadata.note_delivered(("t", 0), [(NAME, 1), (NAME, 3)])
    metadata.note_end(NAME, 3)
    assert not metadata.is_complete(NAME)
    metadata.note_delivered(("t", 1), [(NAME, 2)])
    assert metadata.is_complete(NAME)


def test_events_delivered_after_the_end_complete_it_and_wake_who_waits() -> None:
    woken: list[str] = []
    metadata = begun(woken)
    metadata.note_delivered(("t", 0), [(NAME, 1)])
    metadata.note_end(NAME, 2)
    assert woken == []
    metadata.note_delivered(("t", 1), [(NAME, 2), ("warehouse:703", 1)])
    assert woken == ["woken"]
    assert metadata.is_complete(NAME)


def test_transaction_whose_events_came_again_is_never_complete_by_counting() -> None:
    metadata = begun()
    metadata.note_delivered(("t", 0), [(NAME, 1), (NAME, 2), (NAME, 2), (NAME, 3)])
    metadata.note_end(NAME, 3)
    assert not metadata.is_complete(NAME)


def test_transaction_that_began_twice_is_never_complete_by_counting() -> None:
    metadata = begun()
    metadata.note_delivered(("t", 0), [(NAME, 1), (NAME, 2)])
    metadata.note_begin(NAME)
    metadata.note_end(NAME, 2)
    assert not metadata.is_complete(NAME)


def test_transaction_whose_beginning_was_not_seen_is_never_complete_by_counting() -> None:
    metadata = TransactionMetadata()
    metadata.note_delivered(("t", 0), [(NAME, 1)])
    metadata.note_end(NAME, 1)
    assert not metadata.is_complete(NAME)


def test_transaction_that_nothing_is_known_of_is_not_complete() -> None:
    assert not TransactionMetadata().is_complete(NAME)


def test_records_of_the_topic_are_taken_by_the_transaction_without_its_position() -> None:
    metadata = TransactionMetadata()
    note_record(metadata, "warehouse.transaction", b'{"status": "BEGIN", "id": "702:501", "event_count": null}')
    metadata.note_delivered(("t", 0), [(NAME, 1)])
    note_record(metadata, "warehouse.transaction", b'{"status": "END", "id": "702:900", "event_count": 1}')
    assert metadata.is_complete(NAME)


@pytest.mark.parametrize(
    "value", [None, b"{", b"[]", b'{"status": "END"}', b'{"status": "END", "id": "702:1", "event_count": null}']
)
def test_record_that_says_nothing_usable_completes_nothing(value: bytes | None) -> None:
    metadata = begun()
    note_record(metadata, "warehouse.transaction", value)
    assert not metadata.is_complete(NAME)
