"""A row of the warehouse's table, and the changes that the feed makes to it. No chance, no database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeAlias


class Row(NamedTuple):
    """A row of `invoice_transactions` (program-terms.md) without `updated_date`, which the writer sets."""

    transaction_id: int
    transaction_date: dt.date
    transaction_type_rewards_invoice: bool
    transaction_type_rewards_payment: bool
    transaction_line_number: int | None
    transaction_contract: str | None
    transaction_description: str | None
    transaction_amount: Decimal | None
    transaction_original_amount: Decimal | None
    transaction_retainage: Decimal | None
    transaction_due_date: dt.date | None
    customer_id: str
    customer_name: str
    customer_master_id: str | None
    company_abbreviation: str
    name: str
    system_name: str
    product_line_name: str


class Insert(NamedTuple):
    """A new row."""

    row: Row


class Update(NamedTuple):
    """New values for some columns of a row, perhaps its `transaction_id`. No values: only `updated_date` moves."""

    transaction_id: int
    values: Mapping[str, Any]


class Delete(NamedTuple):
    """The end of a row."""

    transaction_id: int


Change: TypeAlias = Insert | Update | Delete
Transaction: TypeAlias = list[Change]
"""Changes that are committed together."""

EARLIEST_DUE_DATE: Final = dt.date(2000, 1, 1)


def is_bad(row: Row) -> bool:
    """Whether the row counts for nothing until it is corrected (program-terms.md)."""
    return (
        (row.transaction_type_rewards_invoice and row.transaction_type_rewards_payment)
        or row.transaction_amount is None
        or not row.transaction_amount.is_finite()
        or (row.transaction_due_date is not None and row.transaction_due_date < EARLIEST_DUE_DATE)
    )


def owed(row: Row) -> Decimal:
    """What a good row adds to its invoice's open amount, in dollars; payments are negative already."""
    if row.transaction_amount is None:
        return Decimal(0)
    if row.transaction_type_rewards_invoice:
        return row.transaction_amount - (row.transaction_retainage or Decimal(0))
    return row.transaction_amount if row.transaction_type_rewards_payment else Decimal(0)
