"""Short ways to write an invoice down; dates of the worked examples are of the year 2026."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import count

from streams.calculator.facts import InvoiceRow, Membership
from streams.calculator.points import Worth, evaluate
from streams.calculator.terms import DEFAULT_TERMS, Terms

MEMBER = Membership(reward_group_id=7, enrolled_on=date(2011, 3, 1))
"""Enrolled before 2011-10-01."""

_ids = count(1)


def on(day: str) -> date:
    """`04-01` is of 2026; a whole ISO date is itself."""
    return date.fromisoformat(day if len(day) > 5 else f"2026-{day}")


def charge(
    day: str, amount: str, *, due: str | None = None, line: str | None = "Concrete", retainage: str = "0"
) -> InvoiceRow:
    """An invoice row; a credit where the amount is negative."""
    due_on = on(due) if due else None
    return InvoiceRow(next(_ids), False, on(day), Decimal(amount), Decimal(retainage), due_on, line)


def payment(day: str, amount: str) -> InvoiceRow:
    """A payment row as the warehouse has it: negative, a bounced one positive."""
    return InvoiceRow(next(_ids), True, on(day), Decimal(amount), Decimal(0), None, None)


def worth(
    *rows: InvoiceRow,
    as_of: str,
    member: Membership | None = MEMBER,
    terms: Terms = DEFAULT_TERMS,
    company: str = "SBM",
) -> Worth:
    return evaluate(company, rows, member, terms, on(as_of))


def penalties_of(value: Worth) -> list[tuple[int, int, str]]:
    """Stage, points and date."""
    return [(penalty.stage, penalty.points, penalty.on.isoformat()) for penalty in value.penalties]
