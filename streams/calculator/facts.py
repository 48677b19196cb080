"""What is known of an invoice and of its customer: the calculator's input, after decoding, before `points.evaluate`.

Bad rows, rows of neither type and retired rows never come this far.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple


class InvoiceRow(NamedTuple):
    """One valid row of the warehouse's `invoice_transactions` (program-terms.md, Where the facts come from)."""

    transaction_id: int
    is_payment: bool
    on: date
    """The business date; may lie in the future."""
    amount: Decimal
    """Dollars. Invoice rows: charge > 0, credit < 0; payment rows: payment < 0, bounced payment > 0."""
    retainage: Decimal
    """Dollars of an invoice row that are withheld: not due, earning nothing. Of no account on payment rows."""
    due_on: date | None
    product_line: str | None


@dataclass(frozen=True, slots=True)
class Membership:
    """The reward group that a customer is a member of, since which day (program-terms.md, Who takes part)."""

    reward_group_id: int
    enrolled_on: date
