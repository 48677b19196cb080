"""A row of the warehouse's table, typed, and the rules by which it counts, is ignored or is bad. Pure.

Place on the data's way: whoever reads rows (columns.py from change events; a recalculation from the table itself) makes a
`WarehouseRow`; what it comes to is said here alone. Source: program-terms.md, Where the facts come from.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple, TypeVar

from streams.calculator.facts import InvoiceRow
from streams.errors import RecordError
from streams.state.changes import RowChange
from streams.state.invoices import NO_RETAINAGE, InvoiceKey, invoice_id

T = TypeVar("T")
EARLIEST_DUE: Final = dt.date(2000, 1, 1)
AMOUNT_LIMIT: Final = Decimal(10) ** 13
"""As numeric(15,2) has it; what is larger would overflow the points."""
TEXT_BYTES_MAX: Final = 2_000
"""UTF-8 bytes of a text that a rule reads. The connectors cut texts at 4,000 characters: a text that was cut is always refused."""
COMPANY_BYTES_MAX: Final = 500
"""A customer and a company are one key of Postgres, which takes 2,704 bytes at most."""


class WarehouseRow(NamedTuple):
    """One version of a row of `invoice_transactions` whose values could be read; None is NULL."""

    transaction_id: int
    is_payment: bool
    on: dt.date | None
    amount: Decimal | None
    """Dollars."""
    retainage: Decimal | None
    """Dollars."""
    due_on: dt.date | None
    customer_master_id: str | None
    company: str | None
    system_name: str | None
    description: str | None
    product_line: str | None


def is_counted(*, is_invoice: bool | None, is_payment: bool | None) -> bool:
    """Return whether a row is of a type that counts; NULL is not true.

    Raises:
        RecordError: it is of both.
    """
    if is_invoice and is_payment:
        raise RecordError("both_types", "the row is an invoice and a payment at once")
    return bool(is_invoice or is_payment)


def row_change(row: WarehouseRow) -> RowChange | None:
    """Return what a row of a type that counts says of its invoice; None where it belongs to nobody.

    Raises:
        RecordError: the row is bad: it counts for nothing until it is corrected.
    """
    number, is_payment, on, amount, retainage, due_on, customer, company, system, description, product_line = row
    if not company or not system or on is None or amount is None:
        raise _missing(company_abbreviation=company, system_name=system, transaction_date=on, transaction_amount=amount)
    if not amount.is_finite() or abs(amount) >= AMOUNT_LIMIT:
        raise RecordError("bad_amount", f"transaction_amount {amount} is no amount", column="transaction_amount")
    if not retainage:
        retainage = NO_RETAINAGE
    elif not retainage.is_finite() or abs(retainage) >= AMOUNT_LIMIT:
        raise RecordError(
            "bad_amount", f"transaction_retainage {retainage} is no amount", column="transaction_retainage"
        )
    if due_on is not None and due_on < EARLIEST_DUE:
        raise RecordError(
            "bad_date", f"transaction_due_date {due_on} lies before {EARLIEST_DUE}", column="transaction_due_date"
        )
    if not customer:
        return None
    key = invoice_key(customer, _shared(company), _shared(system), description, number)
    facts = InvoiceRow(number, is_payment, on, amount, retainage, due_on, product_line and _shared(product_line))
    return RowChange(invoice_id(key), key, number, facts)


def invoice_key(customer: str, company: str, system: str, description: str | None, transaction_id: int) -> InvoiceKey:
    """Return the invoice that a row belongs to. An empty description is none: the row is an invoice of its own."""
    if description:
        return InvoiceKey(customer, company, system, description, None)
    return InvoiceKey(customer, company, system, None, transaction_id)


@lru_cache(maxsize=1024)
def _shared(text: str) -> str:
    """Return one object for equal texts: few differ, and a worker keeps those of tens of thousands of rows."""
    return text


def required(value: T | None, column: str) -> T:
    """Return a value that a row must have.

    Raises:
        RecordError: it is NULL or empty.
    """
    if value is None or value == "":
        raise _missing(**{column: value})
    return value


def _missing(**columns: object) -> RecordError:
    """What to raise of these columns, of which at least one has no value."""
    column, value = next((column, value) for column, value in columns.items() if value is None or value == "")
    return RecordError("missing_value", f"{column} is {'NULL' if value is None else 'empty'}", column=column)
