"""What the benchmarks write: customers that take part, their invoices and what they pay.

An invoice that is paid in full before its deadline is worth a point a dollar, truncated: what a change must come to is
known without asking the product.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from psycopg2.extensions import cursor as Cursor  # noqa: N812 -- a class
from psycopg2.extras import execute_values

from bench.stack import BUSINESS_DATE, BenchStack, until

TODAY: Final = dt.date.fromisoformat(BUSINESS_DATE)
BILLED_ON: Final = TODAY - dt.timedelta(days=40)
PAID_ON: Final = TODAY - dt.timedelta(days=3)
DUE_ON: Final = TODAY - dt.timedelta(days=10)
"""In the month of the business date, so that the deadline is still to come."""
COLUMNS: Final = (
    "transaction_id, transaction_date, transaction_type_rewards_invoice, transaction_type_rewards_payment,"
    " transaction_line_number, transaction_contract, transaction_description, transaction_amount,"
    " transaction_original_amount, transaction_retainage, transaction_due_date, customer_id, customer_name,"
    " customer_master_id, company_abbreviation, name, system_name, product_line_name"
)
Row = tuple[Any, ...]


class Document(NamedTuple):
    """An invoice to be: its rows' ids follow from `number`."""

    number: int
    customer: str
    amount: Decimal
    """Dollars."""

    @property
    def points(self) -> int:
        """What it is worth once it is paid."""
        return int(self.amount)


def charge(document: Document, amount: Decimal | None = None, *, line: int = 1, product_line: str = "Lumber") -> Row:
    """A row of the invoice; ids `number` + 1, 2, …"""
    return _row(document, document.number + line, line, product_line, amount or document.amount)


def payment(document: Document, amount: Decimal | None = None, *, line: int = 5) -> Row:
    """A payment; ids `number` + 5, 6, …"""
    return _row(document, document.number + line, line, None, -(amount or document.amount))


def _row(document: Document, transaction_id: int, line: int, product_line: str | None, amount: Decimal) -> Row:
    is_payment = amount < 0
    return (
        transaction_id, PAID_ON if is_payment else BILLED_ON, not is_payment, is_payment, line,
        None, f"BT-{document.number}", amount, amount, 0,
        None if is_payment else DUE_ON, f"BT-{document.customer}", f"Customer {document.customer}", document.customer,
        "SBM", "Sunroc Building Materials, Inc.", "BisTrack", product_line,
    )  # fmt: skip


def insert(cursor: Cursor, rows: Sequence[Row]) -> None:
    """Insert rows with one statement."""
    execute_values(cursor, f"INSERT INTO invoice_transactions ({COLUMNS}) VALUES %s", rows, page_size=max(1, len(rows)))


def enrol(stack: BenchStack, customers: Sequence[str]) -> None:
    """Make each customer a member of a group of its own, and wait until the stream knows."""
    stack.execute(
        """WITH new_groups AS (
          INSERT INTO reward_groups (name, status, enrolled_at)
          SELECT 'Group of ' || c, 'open', '2011-01-15' FROM unnest(%s) AS c RETURNING id, name)
        INSERT INTO customers_reward_groups (customer_master_id, reward_group_id, enrolled_at)
        SELECT substr(name, length('Group of ') + 1), id, '2011-01-15' FROM new_groups""",
        (list(customers),),
        address=stack.address("rewards"),
    )
    until("the stream knows the memberships", lambda: known_members(stack, customers) == len(customers))


def known_members(stack: BenchStack, customers: Sequence[str]) -> int:
    """How many of the customers the stream knows as members."""
    ((count,),) = stack.execute(
        "SELECT count(*) FROM memberships WHERE customer_master_id = ANY(%s) AND reward_group_id IS NOT NULL",
        (list(customers),),
    )
    return int(count)
