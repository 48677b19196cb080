"""What the feed remembers: bounded, and right after every change."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal

from connectors.feed.changes import Delete, Insert, Row, Update
from connectors.feed.ledger import Ledger


def row(transaction_id: int, document: str | None = "A", **values: object) -> Row:
    return Row(
        transaction_id=transaction_id,
        transaction_date=dt.date(2026, 3, 2),
        transaction_type_rewards_invoice=True,
        transaction_type_rewards_payment=False,
        transaction_line_number=1,
        transaction_contract=None,
        transaction_description=document,
        transaction_amount=Decimal("100.00"),
        transaction_original_amount=None,
        transaction_retainage=Decimal("10.00"),
        transaction_due_date=None,
        customer_id="BT-1",
        customer_name="Joe",
        customer_master_id="M-1",
        company_abbreviation="SBM",
        name="Sunroc Building Materials, Inc.",
        system_name="BisTrack",
        product_line_name="Lumber",
    )._replace(**values)  # type: ignore[arg-type]


KEY = ("M-1", "SBM", "BisTrack", "A")


def test_rows_of_one_document_are_one_invoice() -> None:
    ledger = Ledger()
    ledger.apply([Insert(row(1)), Insert(row(2)), Insert(row(3, "B"))])
    assert len(ledger) == 2
    assert [found.transaction_id for found in ledger.rows(KEY)] == [1, 2]


def test_rows_without_a_description_are_invoices_of_their_own() -> None:
    ledger = Ledger()
    ledger.learn([row(1, None), row(2, None)])
    assert len(ledger) == 2


def test_open_amount_leaves_retainage_out_and_takes_payments_off() -> None:
    ledger = Ledger()
    payment = row(
        2,
        transaction_amount=Decimal("-40.00"),
        transaction_type_rewards_invoice=False,
        transaction_type_rewards_payment=True,
    )
    ledger.learn([row(1), payment])
    assert ledger.open_amount(KEY) == Decimal("50.00")


def test_update_of_the_key_moves_the_row() -> None:
    ledger = Ledger()
    ledger.learn([row(1), row(2)])
    ledger.apply([Update(2, {"transaction_id": 9, "transaction_description": "B"})])
    assert [found.transaction_id for found in ledger.rows(KEY)] == [1]
    assert [found.transaction_id for found in ledger.rows(("M-1", "SBM", "BisTrack", "B"))] == [9]


def test_delete_of_the_last_row_ends_the_invoice() -> None:
    ledger = Ledger()
    ledger.apply([Insert(row(1)), Delete(1)])
    assert len(ledger) == 0
    assert ledger.choose(random.Random(1), lambda _key: True) is None


def test_changes_of_unknown_rows_change_nothing() -> None:
    ledger = Ledger()
    ledger.apply([Delete(5), Update(6, {"transaction_amount": Decimal(1)})])
    assert len(ledger) == 0


def test_bad_row_is_kept_apart_until_it_is_corrected() -> None:
    ledger = Ledger()
    ledger.learn([row(1)])
    ledger.apply([Update(1, {"transaction_amount": Decimal("NaN")})])
    bad = ledger.first_bad()
    assert bad is not None
    assert bad.transaction_id == 1
    assert ledger.rows(KEY) == []
    ledger.apply([Update(1, {"transaction_amount": Decimal("5.00")})])
    assert ledger.first_bad() is None
    assert len(ledger.rows(KEY)) == 1


def test_more_invoices_than_the_limit_are_forgotten() -> None:
    ledger = Ledger(limit=10)
    for number in range(1, 101):
        ledger.apply([Insert(row(number, str(number)))])
        assert len(ledger) <= 10
    assert len(ledger.all_rows()) == 10
    chance = random.Random(1)
    for _ in range(50):
        key = ledger.choose(chance, lambda _key: True)
        assert key is not None
        assert ledger.rows(key)
