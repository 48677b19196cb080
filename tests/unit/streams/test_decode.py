"""Change events to what they say of rows: every kind, and what cannot be used."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import orjson
import pytest

from streams.errors import RecordError
from streams.source.decode import read_invoice_event, read_membership_event
from streams.source.records import ChangeEvent
from streams.state.invoices import InvoiceKey, invoice_id
from tests.change_events import Source, invoice_row

KEY = InvoiceKey("M-1001", "SBM", "BisTrack", "D-1", None)


def decoded(source: Source, at: int = -1) -> ChangeEvent:
    found = read_invoice_event(source.events[at][1])
    assert found is not None
    return found


def table(**columns: object) -> Source:
    source = Source()
    source.insert(invoice_row(17, **columns))
    return source


def test_insert_says_the_row() -> None:
    found = decoded(
        table(transaction_amount="1250.99", transaction_retainage="40.00", transaction_due_date=dt.date(2026, 4, 1))
    )
    ((invoice, key, number, facts),) = found.rows
    assert (invoice, key, number) == (invoice_id(KEY), KEY, 17)
    assert facts is not None
    assert (facts.amount, facts.retainage, facts.due_on) == (Decimal("1250.99"), Decimal("40.00"), dt.date(2026, 4, 1))
    assert found.transaction == "warehouse:700"


def test_correction_in_place_says_the_new_row_alone() -> None:
    source = table()
    source.update(17, transaction_amount="5.00")
    assert [(change.key, change.transaction_id, change.facts is None) for change in decoded(source).rows] == [
        (KEY, 17, False)
    ]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("transaction_description", "D-2"),
        ("company_abbreviation", "GRP"),
        ("system_name", "Vista"),
        ("transaction_id", 99),
    ],
)
def test_move_within_the_customer_takes_the_old_row_away(column: str, value: object) -> None:
    source = table()
    source.update(17, **{column: value})
    gone, now = decoded(source).rows
    assert (gone.key, gone.transaction_id, gone.facts) == (KEY, 17, None)
    assert now.facts is not None
    assert (now.key, now.transaction_id) != (KEY, 17)


def test_move_to_another_customer_is_a_delete_and_an_insert() -> None:
    source = table()
    source.update(17, customer_master_id="M-2")
    insert, delete, tombstone, arrival = source.events
    assert insert
    (gone,) = read_invoice_event(delete[1]).rows
    assert (gone.key, gone.facts) == (KEY, None)
    assert read_invoice_event(tombstone[1]) is None
    (now,) = read_invoice_event(arrival[1]).rows
    assert now.key.customer_master_id == "M-2"


def test_row_without_a_description_is_an_invoice_of_its_own() -> None:
    for nothing in (None, ""):
        (change,) = decoded(table(transaction_description=nothing)).rows
        assert change.key == InvoiceKey("M-1001", "SBM", "BisTrack", None, 17)


@pytest.mark.parametrize(
    "columns", [{"customer_master_id": None}, {"customer_master_id": ""}, {"transaction_type_rewards_invoice": False}]
)
def test_row_of_nobody_or_of_neither_type_is_ignored(columns: dict[str, object]) -> None:
    found = decoded(table(**columns))
    assert (found.rows, found.ignored, found.error) == ((), True, None)


def test_row_that_comes_to_be_of_neither_type_is_taken_away() -> None:
    source = table()
    source.update(17, transaction_type_rewards_invoice=False)
    found = decoded(source)
    assert [(change.transaction_id, change.facts) for change in found.rows] == [(17, None)]
    assert found.ignored


@pytest.mark.parametrize(
    ("columns", "reason", "column"),
    [
        ({"transaction_type_rewards_payment": True}, "both_types", None),
        ({"transaction_amount": None}, "missing_value", "transaction_amount"),
        ({"transaction_date": None}, "missing_value", "transaction_date"),
        ({"company_abbreviation": ""}, "missing_value", "company_abbreviation"),
        ({"system_name": None}, "missing_value", "system_name"),
        ({"transaction_amount": "NAN"}, "bad_amount", "transaction_amount"),
        ({"transaction_amount": "1O.00"}, "bad_amount", "transaction_amount"),
        ({"transaction_amount": 12.5}, "bad_amount", "transaction_amount"),
        ({"transaction_amount": "10000000000000"}, "bad_amount", "transaction_amount"),
        ({"transaction_retainage": "Infinity"}, "bad_amount", "transaction_retainage"),
        ({"transaction_due_date": dt.date(1999, 12, 31)}, "bad_date", "transaction_due_date"),
        ({"transaction_date": -2147472692}, "bad_date", "transaction_date"),
        ({"transaction_date": "2026-03-02"}, "bad_date", "transaction_date"),
    ],
)
def test_bad_row_is_an_error_that_names_the_column(columns: dict[str, object], reason: str, column: str | None) -> None:
    error = decoded(table(**columns)).error
    assert error is not None
    assert (error.reason, error.column) == (reason, column)


def test_row_that_becomes_bad_takes_its_earlier_version_away() -> None:
    source = table()
    source.update(17, transaction_amount="NAN")
    found = decoded(source)
    assert [(change.key, change.facts) for change in found.rows] == [(KEY, None)]
    assert found.error is not None


def test_bad_row_that_is_corrected_is_no_error_for_what_it_was() -> None:
    source = table(transaction_amount=None)
    source.update(17, transaction_amount="5.00")
    found = decoded(source)
    assert found.error is None
    assert found.rows[-1].facts is not None


def test_due_date_of_the_first_day_of_2000_is_good() -> None:
    assert decoded(table(transaction_due_date=dt.date(2000, 1, 1))).error is None


@pytest.mark.parametrize(
    "value",
    [b"", b"{", b"[]", b"17", b'{"op":"c"}', b'{"source":null}', b"\xff\xfe", b'{"op":"c","source":{"lsn":1}}'],
)
def test_undecodable_record_is_a_record_error(value: bytes) -> None:
    with pytest.raises(RecordError) as caught:
        read_invoice_event(value)
    assert caught.value.reason == "undecodable"


def test_unknown_operation_is_a_record_error() -> None:
    source = table()
    event = orjson.loads(source.events[0][1])
    event["op"] = "m"
    with pytest.raises(RecordError, match="unknown op"):
        read_invoice_event(orjson.dumps(event))


def test_snapshot_is_one_transaction_that_its_watermark_ends() -> None:
    source = table()
    source.snapshot()
    rows = decoded(source)
    source.watermark("watermark-0-1", 5, snapshot=True)
    end = decoded(source)
    assert rows.snapshot
    assert rows.transaction != end.transaction
    assert end.watermark is not None
    assert end.watermark.mark == 5


def test_truncate_says_so() -> None:
    source = table()
    source.truncate()
    assert decoded(source).truncated


def test_membership_that_moves_to_another_customer_leaves_the_first() -> None:
    source = Source("rewards", "customers_reward_groups", "id")
    source.insert({"id": 3, "customer_master_id": "M-1", "reward_group_id": 7, "enrolled_at": 15_000})
    (joined,) = read_membership_event(source.events[0][1]).memberships
    assert (joined.customer_master_id, joined.row_id, joined.reward_group_id, joined.enrolled_on) == (
        "M-1",
        3,
        7,
        dt.date(2011, 1, 26),
    )
    source.update(3, customer_master_id="M-2")
    (left,) = read_membership_event(source.events[1][1]).memberships
    assert (left.customer_master_id, left.reward_group_id) == ("M-1", None)
    source.update(3, id=4)
    gone, now = read_membership_event(source.events[-1][1]).memberships
    assert (gone.row_id, gone.reward_group_id, now.row_id, now.reward_group_id) == (3, None, 4, 7)
