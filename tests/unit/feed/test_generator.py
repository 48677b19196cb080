"""The generator: repeatable, and with every kind of change that an ERP makes."""

from __future__ import annotations

import datetime as dt
import itertools
from collections import Counter
from decimal import Decimal

import pytest

from connectors.feed import corrections, documents
from connectors.feed.catalog import COMPANIES, customers
from connectors.feed.changes import Change, Delete, Insert, Row, Transaction, Update, is_bad
from connectors.feed.generator import EVENTS, Generator
from connectors.feed.ledger import Ledger

TODAY = dt.date(2026, 11, 22)


def generator(seed: int = 7, *, bad_share: float = 0.0, ledger: Ledger | None = None) -> Generator:
    return Generator(
        seed=seed,
        customers=customers(40),
        take_id=itertools.count(1).__next__,
        ledger=Ledger() if ledger is None else ledger,
        bad_share=bad_share,
    )


def drawn(count: int, **options: object) -> list[Transaction]:
    source = generator(**options)  # type: ignore[arg-type]
    list(source.history(2_000, TODAY))
    return [source.transaction(TODAY) for _ in range(count)]


def applied(table: dict[int, Row], changes: list[Change]) -> None:
    """The changes as Postgres would carry them out."""
    for change in changes:
        if isinstance(change, Insert):
            assert change.row.transaction_id not in table
            table[change.row.transaction_id] = change.row
        elif isinstance(change, Delete):
            del table[change.transaction_id]
        else:
            row = table.pop(change.transaction_id)._replace(**change.values)
            assert row.transaction_id not in table
            table[row.transaction_id] = row


@pytest.fixture(scope="module")
def mixed() -> list[Transaction]:
    return drawn(6_000, bad_share=0.002)


def test_same_seed_gives_same_changes() -> None:
    assert drawn(400, bad_share=0.01) == drawn(400, bad_share=0.01)


def test_another_seed_gives_other_changes() -> None:
    assert drawn(50) != drawn(50, seed=8)


def test_every_change_hits_a_row_that_stands_and_no_id_comes_twice() -> None:
    source = generator(bad_share=0.01)
    table = {row.transaction_id: row for invoice in source.history(1_000, TODAY) for row in invoice}
    for _ in range(4_000):
        applied(table, source.transaction(TODAY))
    assert len(table) > 1_000


def test_ledger_equals_the_table_while_nothing_is_forgotten() -> None:
    ledger = Ledger()
    source = generator(bad_share=0.01, ledger=ledger)
    table = {row.transaction_id: row for invoice in source.history(500, TODAY) for row in invoice}
    for _ in range(2_000):
        applied(table, source.transaction(TODAY))
    assert sorted(ledger.all_rows(), key=str) == sorted(table.values(), key=str)


def test_history_has_exactly_the_rows_asked_for() -> None:
    assert sum(len(invoice) for invoice in generator().history(777, TODAY)) == 777


def test_history_covers_eight_months_and_every_company() -> None:
    rows = [row for invoice in generator().history(4_000, TODAY) for row in invoice]
    assert min(row.transaction_date for row in rows) < TODAY - dt.timedelta(days=200)
    assert max(row.transaction_date for row in rows) > TODAY
    assert {row.company_abbreviation for row in rows} == set(COMPANIES)
    assert {row.system_name for row in rows} == {"BisTrack", "Command", "Vista"}
    assert not any(is_bad(row) for row in rows)


def test_sample_customers_have_history() -> None:
    found = {row.customer_master_id for invoice in generator().history(800, TODAY) for row in invoice}
    assert {"M-1001", "M-1002", "M-1003", "M-1007", "M-1012"} <= found


def test_most_limits_the_changes_of_a_transaction() -> None:
    source = generator()
    assert all(len(source.transaction(TODAY, most=1)) == 1 for _ in range(200))


def test_mixed_changes_correct_every_column(mixed: list[Transaction]) -> None:
    corrected = {
        column for changes in mixed for change in changes if isinstance(change, Update) for column in change.values
    }
    assert corrected == set(Row._fields)


def test_mixed_changes_only_touch_a_row_sometimes(mixed: list[Transaction]) -> None:
    assert any(isinstance(change, Update) and not change.values for changes in mixed for change in changes)


def test_mixed_changes_hold_every_kind_of_row(mixed: list[Transaction]) -> None:
    rows = [change.row for changes in mixed for change in changes if isinstance(change, Insert)]
    good = [row for row in rows if row.transaction_amount is not None and not is_bad(row)]
    amounts = [
        (row.transaction_type_rewards_invoice, row.transaction_type_rewards_payment, (row.transaction_amount or 0) > 0)
        for row in good
    ]
    kinds = Counter(amounts)
    assert kinds[True, False, True] > 1_000, "charges"
    assert kinds[True, False, False] > 50, "credits"
    assert kinds[False, True, False] > 500, "payments"
    assert kinds[False, True, True] > 20, "bounced payments"
    assert kinds[False, False, True] > 10, "neither type"
    assert any(row.transaction_date > TODAY for row in rows)
    assert any(row.transaction_description is None for row in rows)
    assert any(row.customer_master_id is None for row in rows)
    assert any(row.transaction_retainage for row in rows)
    assert any(row.transaction_due_date is None and row.transaction_type_rewards_invoice for row in rows)
    assert any((row.transaction_description or "").endswith("-RET") for row in rows)


def test_mixed_changes_move_rows_to_and_from_nobody(mixed: list[Transaction]) -> None:
    moved = [
        c.values["customer_master_id"]
        for changes in mixed
        for c in changes
        if isinstance(c, Update) and "customer_master_id" in c.values
    ]
    assert None in moved
    assert any(master_id is not None for master_id in moved)


def test_amounts_are_whole_cents(mixed: list[Transaction]) -> None:
    amounts = [c.row.transaction_amount for changes in mixed for c in changes if isinstance(c, Insert)]
    assert all(
        amount == amount.quantize(Decimal("0.01")) for amount in amounts if amount is not None and amount.is_finite()
    )


def test_lines_of_an_invoice_come_in_one_transaction(mixed: list[Transaction]) -> None:
    assert any(len(changes) > 3 and all(isinstance(change, Insert) for change in changes) for changes in mixed)


def test_bad_share_of_zero_makes_no_bad_row() -> None:
    source = generator()
    table = {row.transaction_id: row for invoice in source.history(500, TODAY) for row in invoice}
    for _ in range(2_000):
        applied(table, source.transaction(TODAY))
    assert not any(is_bad(row) for row in table.values())


def test_bad_rows_are_about_the_share_asked_for_and_get_corrected() -> None:
    ledger = Ledger()
    source = generator(bad_share=0.02, ledger=ledger)
    table = {row.transaction_id: row for invoice in source.history(500, TODAY) for row in invoice}
    changes = became_bad = 0
    for _ in range(4_000):
        transaction = source.transaction(TODAY)
        applied(table, transaction)
        changes += len(transaction)
        became_bad += sum(is_spoilt(change) for change in transaction)
    assert 0.01 < became_bad / changes < 0.03
    assert sum(is_bad(row) for row in table.values()) < became_bad / 2


def is_spoilt(change: Change) -> bool:
    if isinstance(change, Update):
        return any(str(change.values) == str({**change.values, **mistake}) for mistake in corrections.MISTAKES)
    return isinstance(change, Insert) and is_bad(change.row)


def test_every_event_happens() -> None:
    """None of the table's events is one that never finds what it needs."""
    source = generator()
    list(source.history(2_000, TODAY))
    for _ in range(500):
        source.transaction(TODAY)
    desk = source._desk(TODAY)
    for _, event in EVENTS:
        changes = next((found for found in (event(desk) for _ in range(300)) if found), None)
        assert changes, event.__name__
        source._ledger.apply(changes)


@pytest.mark.parametrize("mistake", corrections.MISTAKES, ids=" ".join)
def test_bad_row_is_repaired_or_given_up(mistake: dict[str, object]) -> None:
    source = generator()
    row = next(invoice[0] for invoice in source.history(50, TODAY))
    table = {row.transaction_id: row._replace(**mistake)}  # type: ignore[arg-type]
    source._ledger.learn(table.values())
    applied(table, corrections.repaired(source._desk(TODAY)))
    assert not any(is_bad(found) for found in table.values())


def test_payment_in_full_leaves_nothing_open() -> None:
    ledger = Ledger()
    source = generator(ledger=ledger)
    list(source.history(500, TODAY))
    desk = source._desk(TODAY)
    (payment,) = documents.payment_in_full(desk)
    ledger.apply([payment])
    assert isinstance(payment, Insert)
    row = payment.row
    assert (
        ledger.open_amount(
            (row.customer_master_id, row.company_abbreviation, row.system_name, row.transaction_description or 0)
        )
        == 0
    )
