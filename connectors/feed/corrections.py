"""Changes of rows that stand already: corrected in any column, moved, deleted, spoilt, repaired. Pure."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, Final

from connectors.feed.catalog import BRANCHES, COMPANIES, SYSTEM_PREFIXES
from connectors.feed.changes import Change, Delete, Insert, Row, Transaction, Update, is_bad
from connectors.feed.desk import CENT, Desk

MISTAKES: Final[tuple[dict[str, Any], ...]] = (
    {"transaction_type_rewards_invoice": True, "transaction_type_rewards_payment": True},
    {"transaction_amount": None},
    {"transaction_amount": Decimal("NaN")},
    {"transaction_due_date": dt.date(1900, 1, 1)},
    {"transaction_due_date": dt.date(1999, 12, 31)},
)
"""What makes a row bad (program-terms.md): both types, no amount, an unreadable one, a due date before 2000."""


def _update(row: Row, **values: object) -> Transaction:
    return [Update(row.transaction_id, values)]


def amount_corrected(desk: Desk) -> Transaction:
    """A price was wrong, by a little or by a lot."""
    row = desk.any_row()
    if row is None or row.transaction_amount is None:
        return []
    amount = desk.part(row.transaction_amount, 60, 140)
    return _update(row, transaction_amount=amount) if amount != row.transaction_amount else []


def retainage_corrected(desk: Desk) -> Transaction:
    """What is withheld is set, raised or given up."""
    row = desk.any_row()
    if row is None or row.transaction_amount is None or not row.transaction_type_rewards_invoice:
        return []
    retainage = Decimal("0.00") if row.transaction_retainage else desk.part(row.transaction_amount, 5, 10)
    return _update(row, transaction_retainage=retainage)


def date_corrected(desk: Desk) -> Transaction:
    """The business date of a row moves by some days, now and then into the future."""
    row = desk.any_row()
    if row is None:
        return []
    shift = desk.chance.choice((-30, -7, -3, -1, 1, 2, 5, 14, 31))
    return _update(row, transaction_date=row.transaction_date + dt.timedelta(days=shift))


def due_date_corrected(desk: Desk) -> Transaction:
    """New conditions for a line: a later or earlier due date, or none."""
    row = desk.any_row()
    if row is None or not row.transaction_type_rewards_invoice:
        return []
    due = (
        None
        if desk.happens(0.1)
        else row.transaction_date + dt.timedelta(days=desk.chance.choice((0, 10, 15, 30, 45, 60, 90)))
    )
    return _update(row, transaction_due_date=due)


def product_line_corrected(desk: Desk) -> Transaction:
    """Another product line, and so perhaps another rate."""
    row = desk.any_row()
    if row is None:
        return []
    lines = sorted({line for branch in BRANCHES for line in branch.product_lines if line != row.product_line_name})
    return _update(row, product_line_name=desk.chance.choice(lines))


def type_corrected(desk: Desk) -> Transaction:
    """A line is taken out of the program, or put back (neither type, or the invoice's)."""
    row = desk.any_row()
    if row is None or row.transaction_type_rewards_payment:
        return []
    return _update(row, transaction_type_rewards_invoice=not row.transaction_type_rewards_invoice)


def texts_corrected(desk: Desk) -> Transaction:
    """Columns that no point depends on; sometimes only `updated_date` moves."""
    row = desk.any_row()
    if row is None:
        return []
    return desk.chance.choice(
        (
            _update(row),
            _update(row, customer_name=row.customer_name.removesuffix(" Inc").strip() + " Inc"),
            _update(
                row,
                transaction_contract=f"{row.company_abbreviation}-26-{desk.chance.randint(100, 160)}",
            ),
            _update(row, transaction_line_number=desk.chance.randint(1, 12)),
            _update(row, transaction_original_amount=row.transaction_amount),
            _update(row, customer_id=f"{SYSTEM_PREFIXES[row.system_name]}-{desk.chance.randint(900_000, 999_999)}"),
        )
    )


def row_moved_to_another_invoice(desk: Desk) -> Transaction:
    """A row was booked on the wrong document: it goes to another invoice, to a document of its own, or to none."""
    row = desk.any_row()
    other = desk.any_invoice()
    if row is None or other is None:
        return []
    if desk.happens(0.15):
        return _update(row, transaction_description=None)
    if desk.happens(0.30):
        return _update(row, transaction_description=f"{row.transaction_id:08d}-{desk.chance.randint(1, 9)}")
    target = other[0]
    same_key = ("customer_master_id", "company_abbreviation", "name", "system_name", "transaction_description")
    values = {column: getattr(target, column) for column in same_key if getattr(target, column) != getattr(row, column)}
    return _update(row, **values) if values else []


def invoice_renumbered(desk: Desk) -> Transaction:
    """All rows of an invoice get another document number."""
    rows = desk.any_invoice() or []
    number = desk.chance.randint(2, 9)
    return [
        Update(row.transaction_id, {"transaction_description": f"{row.transaction_description}/{number}"})
        for row in rows
    ]


def company_corrected(desk: Desk) -> Transaction:
    """An invoice was booked in the wrong company."""
    rows = desk.any_invoice() or []
    company = desk.chance.choice(sorted(COMPANIES))
    values: dict[str, Any] = {"company_abbreviation": company, "name": COMPANIES[company]}
    return [Update(row.transaction_id, values) for row in rows if row.company_abbreviation != company]


def system_corrected(desk: Desk) -> Transaction:
    """An invoice is carried over into another system."""
    rows = desk.any_invoice() or []
    system = desk.chance.choice(sorted(SYSTEM_PREFIXES))
    return [Update(row.transaction_id, {"system_name": system}) for row in rows if row.system_name != system]


def primary_key_changed(desk: Desk) -> Transaction:
    """A row gets a new `transaction_id` and stays what it is."""
    row = desk.any_row()
    return [] if row is None else _update(row, transaction_id=desk.take_id())


def invoice_moved_to_another_customer(desk: Desk) -> Transaction:
    """Two accounts turn out to be one customer: the invoice, sometimes only a row of it, goes to another master id."""
    rows = desk.any_invoice() or []
    customer = desk.customer()
    moved = rows[:1] if desk.happens(0.2) else rows
    return [
        Update(row.transaction_id, {"customer_master_id": customer.master_id})
        for row in moved
        if row.customer_master_id != customer.master_id
    ]


def customer_lost(desk: Desk) -> Transaction:
    """A row or an invoice belongs to nobody for a while."""
    rows = desk.any_invoice() or []
    lost = rows[:1] if desk.happens(0.5) else rows
    return [Update(row.transaction_id, {"customer_master_id": None}) for row in lost]


def customer_found(desk: Desk) -> Transaction:
    """An invoice of nobody gets its customer."""
    key = desk.ledger.choose(desk.chance, lambda key: key[0] is None, tries=40)
    if key is None:
        return []
    master_id = desk.customer().master_id
    return [Update(row.transaction_id, {"customer_master_id": master_id}) for row in desk.ledger.rows(key)]


def row_deleted(desk: Desk) -> Transaction:
    """A line or a payment was entered by mistake."""
    row = desk.any_row()
    return [] if row is None else [Delete(row.transaction_id)]


def invoice_deleted(desk: Desk) -> Transaction:
    """A whole document is taken back."""
    return [Delete(row.transaction_id) for row in desk.any_invoice(named=False) or []]


def repaired(desk: Desk) -> Transaction:
    """The bad row that has waited longest is corrected, or given up."""
    row = desk.ledger.first_bad()
    if row is None:
        return []
    if desk.happens(0.1):
        return [Delete(row.transaction_id)]
    good: dict[str, Any] = {}
    if row.transaction_type_rewards_invoice and row.transaction_type_rewards_payment:
        good["transaction_type_rewards_payment"] = False
    if row.transaction_amount is None or not row.transaction_amount.is_finite():
        good["transaction_amount"] = (
            row.transaction_original_amount or Decimal(desk.chance.randint(1_000, 90_000)) * CENT
        )
    if is_bad(row._replace(transaction_amount=Decimal(1), transaction_type_rewards_payment=False)):
        good["transaction_due_date"] = row.transaction_date + dt.timedelta(days=30)
    return [Update(row.transaction_id, good)]


def spoilt(desk: Desk, change: Change) -> Change:
    """The same change with a mistake that makes its row bad; a delete stays what it is."""
    mistake = desk.chance.choice(MISTAKES)
    if isinstance(change, Insert):
        return Insert(change.row._replace(**mistake))
    return change._replace(values={**change.values, **mistake}) if isinstance(change, Update) else change
