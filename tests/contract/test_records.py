"""Records as Debezium really wrote them (records/, one kind a file) against the decoder and the partitioner."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.watermarks import watermark_ids
from streams.calculator.facts import InvoiceRow
from streams.errors import RecordError
from streams.keys import customer_key, partition_of, partition_of_key
from streams.source.decode import read_invoice_event, read_membership_event
from streams.source.records import ChangeEvent
from streams.state.invoices import InvoiceKey
from streams.topics import PARTITIONS

FOLDER = Path(__file__).with_name("records")


@dataclass(frozen=True)
class Record:
    """One record of a topic. The key and the value are what Connect's JSON converter made bytes of."""

    partition: int
    offset: int
    key: dict[str, str | None] | None
    value: dict[str, Any] | None
    headers: dict[str, Any]

    @property
    def key_bytes(self) -> bytes:
        return connect_json(self.key)

    @property
    def value_bytes(self) -> bytes | None:
        return None if self.value is None else connect_json(self.value)


def connect_json(value: object) -> bytes:
    """As Connect writes JSON: without blanks, text as it is."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def records(kind: str) -> list[Record]:
    return [Record(**json.loads(line)) for line in (FOLDER / f"{kind}.json").read_text(encoding="utf-8").splitlines()]


def said(decoded: ChangeEvent | None) -> list[str]:
    """What a decoded record says, in words that can be compared."""
    if decoded is None:
        return ["tombstone"]
    words = ["truncate"] if decoded.truncated else []
    words += [f"mark {decoded.watermark.mark}"] if decoded.watermark else []
    words += ["ignored"] if decoded.ignored else []
    words += [f"bad: {decoded.error.reason} {decoded.error.column}"] if decoded.error else []
    for row in decoded.rows:
        words.append(f"{'set' if row.facts else 'retire'} {row.transaction_id} of {row.key.customer_master_id}")
    for one in decoded.memberships:
        words.append(f"{'retire' if one.reward_group_id is None else 'enrol'} {one.row_id} of {one.customer_master_id}")
    return words


WATERMARKS_OF_A_SNAPSHOT = [["mark 0"]] * PARTITIONS
INVOICES = {
    "create": [["set 900001 of M-9001"]],
    "update": [["set 900001 of M-9001"]],
    "update_primary_key": [["retire 900001 of M-9001", "set 900002 of M-9001"]],
    "move_customer": [["set 900002 of M-9002"], ["retire 900002 of M-9001"], ["tombstone"]],
    "move_customer_with_primary_key": [["retire 900002 of M-9003"], ["tombstone"], ["set 900003 of M-9004"]],
    # What belongs to nobody was never counted: there is nothing to take away from nobody.
    "move_from_and_to_nobody": [
        ["retire 900002 of M-9002"], ["tombstone"], ["ignored"], [], ["tombstone"], ["set 900002 of M-9003"],
    ],
    "no_customer": [["ignored"]],
    "delete": [["retire 900003 of M-9004"], ["tombstone"]],
    "replace_in_one_transaction": [["set 900010 of M-9020"], ["set 900010 of M-9020"], []],
    "copy_one_lsn": [["ignored"]] * 12,
    "snapshot": [
        ["set 1 of M-9001"], ["set 3 of M-9001"], ["ignored"], ["bad: bad_date transaction_due_date"],
    ],
    "snapshot_watermark": WATERMARKS_OF_A_SNAPSHOT,
    "watermark": [[f"mark {mark}"] for mark in (81, 82, 80, 81, 82, 80, 81, 82)],
    "truncate": [["truncate"], ["truncate"]],
    # Infinity streamed, a date before Christ, the first day that a date can hold, infinity in a snapshot.
    "unreadable": [
        ["bad: bad_date transaction_date"],
        ["bad: bad_date transaction_date"],
        ['set 900010 of Müller "x"'],
        ["bad: bad_date transaction_date"],
    ],
}  # fmt: skip
MEMBERSHIPS = {
    "membership": [
        ["enrol 1 of M-9002"], ["retire 1 of M-9002"], ["tombstone"],
        ["enrol 1 of M-9001"], ["retire 1 of M-9001"], ["tombstone"],
    ],
    "membership_snapshot": [["mark 0"], ["enrol 1 of M-9001"], *[["mark 0"]] * (PARTITIONS - 1)],
}  # fmt: skip


def test_every_file_of_records_is_held_by_a_test() -> None:
    assert {file.stem for file in FOLDER.glob("*.json")} == {*INVOICES, *MEMBERSHIPS}


@pytest.mark.parametrize("kind", sorted(INVOICES))
def test_invoice_record_is_read_for_what_it_says(kind: str) -> None:
    assert [said(read_invoice_event(record.value_bytes)) for record in records(kind)] == INVOICES[kind]


@pytest.mark.parametrize("kind", sorted(MEMBERSHIPS))
def test_membership_record_is_read_for_what_it_says(kind: str) -> None:
    assert [said(read_membership_event(record.value_bytes)) for record in records(kind)] == MEMBERSHIPS[kind]


@pytest.mark.parametrize("kind", sorted({*INVOICES, *MEMBERSHIPS}))
def test_record_lies_in_the_partition_that_its_key_hashes_to(kind: str) -> None:
    keyed = [record for record in records(kind) if record.key is not None]

    # A truncate alone has no key, and lies anywhere.
    assert keyed or kind == "truncate"
    assert [partition_of_key(record.key_bytes) for record in keyed] == [record.partition for record in keyed]
    for record in keyed:
        assert record.key is not None
        customer = record.key["customer_master_id"]
        if customer is not None:
            assert customer_key(customer) == record.key_bytes
            assert partition_of(customer) == record.partition


def test_watermark_of_a_snapshot_lies_in_every_partition_after_its_rows() -> None:
    rows, marks = records("snapshot"), records("snapshot_watermark")

    assert [mark.key for mark in marks] == [{"customer_master_id": one} for one in watermark_ids(PARTITIONS)]
    last = {mark.partition: mark.offset for mark in marks}
    assert set(last) == set(range(PARTITIONS))
    assert all(row.offset < last[row.partition] for row in rows)


def decoded(kind: str) -> list[ChangeEvent]:
    read = read_membership_event if kind in MEMBERSHIPS else read_invoice_event
    return [one for record in records(kind) if (one := read(record.value_bytes)) is not None]


@pytest.mark.parametrize("kind", ["snapshot", "snapshot_watermark"])
def test_records_of_a_snapshot_share_one_position(kind: str) -> None:
    found = decoded(kind)

    assert all(one.snapshot for one in found)
    assert {one.lsn for one in found} == {32599400}
    # The watermarks close the rows' transaction in their partition, so theirs is another one.
    assert len({one.transaction for one in found}) == 1
    assert {one.transaction for one in decoded("snapshot")}.isdisjoint(
        one.transaction for one in decoded("snapshot_watermark")
    )


@pytest.mark.parametrize("kind", ["move_customer", "move_customer_with_primary_key"])
def test_both_halves_of_a_move_share_transaction_and_position(kind: str) -> None:
    found = decoded(kind)

    assert len(found) == 2
    assert len({(one.transaction, one.lsn, one.committed_ms) for one in found}) == 1
    assert not any(one.snapshot for one in found)


def test_rows_of_a_copy_share_a_position_and_are_told_apart_by_their_number() -> None:
    found = records("copy_one_lsn")
    numbers = [record.value["after"]["transaction_id"] for record in found if record.value]

    assert len({(one.transaction, one.lsn) for one in decoded("copy_one_lsn")}) == 1
    assert len(set(numbers)) == len(found)


def test_facts_of_a_row_are_exact() -> None:
    (created,) = decoded("create")
    (row,) = created.rows

    assert row.key == InvoiceKey("M-9001", "SRC", "BisTrack", "D-1", None)
    assert row.facts == InvoiceRow(
        900001, False, dt.date(2026, 3, 2), Decimal("1250.99"), Decimal(0), dt.date(2026, 4, 1), "Concrete"
    )


def changed_update(**columns: object) -> bytes:
    """The real update, with other values in its new version."""
    (record,) = records("update")
    assert record.value is not None
    return connect_json(record.value | {"after": record.value["after"] | columns})


@pytest.mark.parametrize(
    ("columns", "reason", "column"),
    [
        ({"transaction_type_rewards_payment": True}, "both_types", None),
        ({"transaction_amount": "NAN"}, "bad_amount", "transaction_amount"),
        ({"transaction_amount": "Infinity"}, "bad_amount", "transaction_amount"),
        ({"transaction_amount": "12,50"}, "bad_amount", "transaction_amount"),
        ({"transaction_amount": 12.5}, "bad_amount", "transaction_amount"),
        ({"transaction_amount": None}, "missing_value", "transaction_amount"),
        ({"transaction_retainage": "NAN"}, "bad_amount", "transaction_retainage"),
        ({"transaction_date": None}, "missing_value", "transaction_date"),
        ({"transaction_date": "2026-03-02"}, "bad_date", "transaction_date"),
        ({"transaction_due_date": 10956}, "bad_date", "transaction_due_date"),
        ({"transaction_due_date": -2147472691}, "bad_date", "transaction_due_date"),
        ({"company_abbreviation": None}, "missing_value", "company_abbreviation"),
        ({"system_name": ""}, "missing_value", "system_name"),
    ],
)
def test_row_that_became_bad_is_reported_and_its_earlier_version_retired(
    columns: dict[str, object], reason: str, column: str | None
) -> None:
    found = read_invoice_event(changed_update(**columns))

    assert said(found) == [f"bad: {reason} {column}", "retire 900001 of M-9001"]


def test_due_date_on_the_first_day_that_may_be_is_read() -> None:
    assert said(read_invoice_event(changed_update(transaction_due_date=10957))) == ["set 900001 of M-9001"]


def test_row_that_lost_its_type_or_its_customer_is_retired() -> None:
    for columns in ({"transaction_type_rewards_invoice": False}, {"customer_master_id": None}):
        assert said(read_invoice_event(changed_update(**columns))) == ["ignored", "retire 900001 of M-9001"]


@pytest.mark.parametrize("read", [read_invoice_event, read_membership_event])
@pytest.mark.parametrize(
    "value",
    [
        b"", b"{", b"null", b"[]", b"{}", b'{"op":"c","after":{}}', b"\xff\xfe",
        b'{"before":null,"after":{"a":"\\u0000"},"source":{},"op":"c"}',
        b'{"before":null,"after":null,"op":"x","source":{"name":"w","table":"t","lsn":1,"txId":1,"ts_ms":1}}',
        b'{"before":null,"after":null,"op":"c","source":{"name":"w","table":"t","lsn":1,"txId":1,"ts_ms":1}}',
    ],
)  # fmt: skip
def test_what_is_no_change_event_is_undecodable(read: Callable[[bytes], ChangeEvent | None], value: bytes) -> None:
    try:
        found = read(value)
    except RecordError as raised:
        error: RecordError | None = raised
    else:
        # An envelope without its row comes back as a record that bears its error.
        error = found.error if found else None
    assert error is not None
    assert error.reason == "undecodable"


MEMBERSHIP_COLUMNS = ["customer_master_id", "id", "reward_group_id", "enrolled_at"]


def enrolment(**columns: object) -> dict[str, Any]:
    """The real event of an enrolment, with other values."""
    event = next(record.value for record in records("membership") if record.value and record.value["op"] == "c")
    return event | {"after": event["after"] | columns}


@pytest.mark.parametrize("column", MEMBERSHIP_COLUMNS)
def test_membership_without_a_value_is_refused(column: str) -> None:
    found = read_membership_event(connect_json(enrolment(**{column: None})))

    assert found is not None
    assert said(found) == [f"bad: missing_value {column}"]


@pytest.mark.parametrize("column", MEMBERSHIP_COLUMNS)
def test_membership_without_a_column_is_refused(column: str) -> None:
    event = enrolment()
    del event["after"][column]

    assert said(read_membership_event(connect_json(event))) == [f"bad: missing_column {column}"]


@pytest.mark.parametrize("enrolled_at", [2147483647, -2147472692, "2011-01-26", None])
def test_membership_that_cannot_be_used_any_more_ends_the_earlier_one(enrolled_at: object) -> None:
    event = enrolment(enrolled_at=enrolled_at)
    event |= {"op": "u", "before": enrolment()["after"]}

    bad, *rest = said(read_membership_event(connect_json(event)))

    assert bad.startswith("bad: ")
    assert rest == [f"retire {event['before']['id']} of {event['before']['customer_master_id']}"]


INVOICE_COLUMNS = [
    "transaction_type_rewards_invoice", "transaction_type_rewards_payment", "transaction_id", "transaction_date",
    "transaction_amount", "transaction_retainage", "transaction_due_date", "customer_master_id", "company_abbreviation",
    "system_name", "transaction_description", "product_line_name",
]  # fmt: skip


@pytest.mark.parametrize("column", INVOICE_COLUMNS)
def test_column_that_a_record_does_not_have_is_an_error_and_never_null(column: str) -> None:
    (record,) = records("update")
    assert record.value is not None
    value = json.loads(json.dumps(record.value))
    del value["after"][column]

    assert said(read_invoice_event(connect_json(value))) == [f"bad: missing_column {column}", "retire 900001 of M-9001"]


@pytest.mark.parametrize(
    "column",
    ["transaction_type_rewards_invoice", "transaction_id", "customer_master_id", "company_abbreviation", "system_name",
     "transaction_description"],
)  # fmt: skip
def test_delete_whose_old_row_lacks_a_column_is_an_error_and_never_nothing(column: str) -> None:
    value = json.loads(json.dumps(records("delete")[0].value))
    del value["before"][column]

    assert said(read_invoice_event(connect_json(value))) == [f"bad: missing_column {column}"]


@pytest.mark.parametrize(
    ("other", "missing"),
    [
        ("transaction_type_rewards_invoice", "transaction_type_rewards_payment"),
        ("transaction_type_rewards_payment", "transaction_type_rewards_invoice"),
    ],
)
def test_delete_of_a_row_whose_other_type_is_unknown_is_an_error_and_ends_nothing(other: str, missing: str) -> None:
    value = json.loads(json.dumps(records("delete")[0].value))
    value["before"][other] = False
    del value["before"][missing]

    assert said(read_invoice_event(connect_json(value))) == [f"bad: missing_column {missing}"]


@pytest.mark.parametrize("before", [None, {}, "key only"])
def test_change_without_its_old_row_is_an_error_and_never_nothing(before: object) -> None:
    value = json.loads(json.dumps(records("delete")[0].value))
    key_only = dict.fromkeys(value["before"]) | {"transaction_id": 900003}

    value["before"] = key_only if before == "key only" else before

    assert said(read_invoice_event(connect_json(value))) == ["bad: incomplete_row None"]


def test_delete_of_a_row_that_was_never_of_a_type_takes_nothing_away() -> None:
    value = json.loads(json.dumps(records("delete")[0].value))
    value["before"] |= {"transaction_type_rewards_invoice": False, "transaction_type_rewards_payment": None}

    assert said(read_invoice_event(connect_json(value))) == []


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"transaction_type_rewards_invoice": "f"}, "bad_type"),
        ({"transaction_type_rewards_payment": 0}, "bad_type"),
        ({"transaction_id": "17"}, "bad_type"),
        ({"transaction_id": True}, "bad_type"),
        ({"customer_master_id": 17}, "bad_type"),
        ({"product_line_name": ["Lumber"]}, "bad_type"),
        ({"company_abbreviation": "x" * 501}, "text_too_long"),
        ({"customer_master_id": "x" * 2_001}, "text_too_long"),
        ({"transaction_description": "é" * 1_001}, "text_too_long"),
        ({"system_name": "\U0001f3e0" * 501}, "text_too_long"),
        ({"product_line_name": "x" * 4_000}, "text_too_long"),
        ({"transaction_description": "a\0b"}, "bad_text"),
        ({"transaction_description": "__debezium_unavailable_value"}, "incomplete_row"),
    ],
)
def test_value_of_another_kind_is_an_error_that_names_the_column(columns: dict[str, object], reason: str) -> None:
    (column,) = columns
    found = said(read_invoice_event(changed_update(**columns)))
    # A changed number is another row: the old one goes as well.
    assert found == [f"bad: {reason} {column}", "retire 900001 of M-9001"]


@pytest.mark.parametrize(
    "text", ["C:\\u0000folder", "x" * 2_000, "é" * 1_000, "\U0001f3e0" * 500, "\\", '"', "\x1f\x7f\u2028"]
)
def test_text_is_what_it_is(text: str) -> None:
    (change,) = read_invoice_event(changed_update(transaction_description=text)).rows[-1:]  # type: ignore[union-attr]

    assert change.key.document == text


def test_text_that_was_cut_within_an_emoji_is_too_long_and_takes_the_earlier_version_away() -> None:
    value = changed_update(transaction_description="x" * 3_999 + "CUT").replace(b"CUT", b"\\ud83c")

    assert said(read_invoice_event(value)) == ["bad: text_too_long transaction_description", "retire 900001 of M-9001"]


def test_name_that_was_cut_within_an_emoji_does_no_harm() -> None:
    value = changed_update(customer_name="x" * 199 + "CUT").replace(b"CUT", b"\\ud83c")

    assert said(read_invoice_event(value)) == ["set 900001 of M-9001"]
