"""What an invoice is worth as of a date: the rules of program-terms.md, between the facts and `differences`.

A pure function of the rows, the membership, the terms and the business date. It asks no clock and remembers nothing.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from operator import attrgetter
from typing import Final, NamedTuple

from streams.calculator.exact import add, multiply, subtract
from streams.calculator.facts import InvoiceRow, Membership
from streams.calculator.stages import Account, Penalty, penalties
from streams.calculator.terms import Rate, Terms

_ZERO: Final = Decimal(0)
_ONE_DAY: Final = timedelta(days=1)
_by_date = attrgetter("on")


class Worth(NamedTuple):
    """What an invoice is worth as of a date, and the figures behind it. Points are integers, money is in dollars."""

    reward_group_id: int | None
    """None where the customer is a member of no group; nothing else is set then."""
    reward: int
    penalties: tuple[Penalty, ...]
    """By stage."""
    pending: int
    """What the invoice gives if it is settled by `deadline_on`; part of no balance."""
    at_risk: int
    """What the next stage takes if nothing more is paid: 0 or below."""
    at_risk_on: date | None
    billed: Decimal
    paid: Decimal
    open: Decimal
    due_on: date | None
    """None where the invoice has no counting invoice row."""
    deadline_on: date | None
    settled_on: date | None
    rates: tuple[Rate, ...]
    """The rows of the rate table that were used, each once, in the terms' order."""
    next_evaluation_on: date | None
    """The first later date on which the same facts and terms can give another worth; None where none can."""

    @property
    def points(self) -> int:
        """What the invoice adds to a balance."""
        return self.reward + sum(penalty.points for penalty in self.penalties) if self.penalties else self.reward


NOTHING: Final = Worth(None, 0, (), 0, 0, None, _ZERO, _ZERO, _ZERO, None, None, None, (), None)
"""The worth of an invoice whose customer is a member of no reward group."""


def evaluate(
    company: str, rows: Iterable[InvoiceRow], membership: Membership | None, terms: Terms, as_of: date
) -> Worth:
    """Return what an invoice is worth as of a business date.

    Shapes: `company` is the company abbreviation; `rows` are all valid rows of one invoice, in any order.
    """
    if membership is None:
        return NOTHING
    counting, later_on = _split(rows, _counts_from(membership, terms), as_of)
    charges = [row for row in counting if not row.is_payment]
    if not charges:
        return _without_charges(membership, counting, later_on)

    accounts, settled_on = _accounts(counting)
    _, billed, paid = accounts[-1]
    due_on = _due_on(charges, terms)
    deadline_on = _month_end(due_on.year, due_on.month, terms.deadline_months)
    earned, rates = _earned(company, charges, terms)
    applied, next_penalty = penalties(accounts, due_on, terms, as_of)
    pending = earned if settled_on is None and as_of <= deadline_on else 0
    at_risk_on = next_penalty.on if next_penalty else None
    return Worth(
        reward_group_id=membership.reward_group_id,
        reward=earned if settled_on is not None and settled_on <= deadline_on else 0,
        penalties=applied,
        pending=pending,
        at_risk=next_penalty.points if next_penalty else 0,
        at_risk_on=at_risk_on,
        billed=billed,
        paid=paid,
        open=subtract(billed, paid),
        due_on=due_on,
        deadline_on=deadline_on,
        settled_on=settled_on,
        rates=rates,
        next_evaluation_on=_next_evaluation_on(later_on, at_risk_on, deadline_on if pending else None),
    )


def _next_evaluation_on(later_on: date | None, at_risk_on: date | None, lapses_after: date | None) -> date | None:
    """Return the first date on which a later row counts, the stage at risk is applied or a pending reward lapses.

    Nothing else can happen by time alone: what a settled invoice gave and what a stage took or spared rests on dates
    that have passed.
    """
    first = later_on
    if at_risk_on is not None and (first is None or at_risk_on < first):
        first = at_risk_on
    if lapses_after is not None and lapses_after < (first or date.max):
        first = lapses_after + _ONE_DAY
    return first


def _counts_from(membership: Membership, terms: Terms) -> date:
    """Return the first date whose rows count (program-terms.md, Who takes part)."""
    if membership.enrolled_on < terms.enrolled_before:
        return terms.program_start
    return max(membership.enrolled_on, terms.program_start)


def _split(rows: Iterable[InvoiceRow], counts_from: date, as_of: date) -> tuple[list[InvoiceRow], date | None]:
    """Return the counting rows, and the first date after `as_of` on which more will count."""
    counting = []
    later_on = None
    for row in rows:
        on = row.on
        if on < counts_from:
            continue
        if on <= as_of:
            counting.append(row)
        elif later_on is None or on < later_on:
            later_on = on
    return counting, later_on


def _without_charges(membership: Membership, payments: list[InvoiceRow], later_on: date | None) -> Worth:
    """Return the worth of payments alone: no points, though what was paid is shown (program-terms.md, due date)."""
    paid = _ZERO
    for row in payments:
        paid = subtract(paid, row.amount)
    return NOTHING._replace(
        reward_group_id=membership.reward_group_id,
        paid=paid,
        open=subtract(_ZERO, paid),
        next_evaluation_on=later_on,
    )


def _accounts(rows: list[InvoiceRow]) -> tuple[list[Account], date | None]:
    """Sort the rows; return billed and paid by each of their dates, rising, and the date on which all was settled.

    That is the first of the last unbroken run of dates with nothing open; None while something is.
    """
    rows.sort(key=_by_date)
    accounts: list[Account] = []
    settled_on: date | None = None
    billed = paid = _ZERO
    last = len(rows) - 1
    for i, row in enumerate(rows):
        if row.is_payment:
            paid = subtract(paid, row.amount)
        else:
            billed = add(billed, _due_amount(row))
        on = row.on
        if i < last and rows[i + 1].on == on:
            continue
        accounts.append((on, billed, paid))
        if billed > paid:
            settled_on = None
        elif settled_on is None:
            settled_on = on
    return accounts, settled_on


def _due_amount(row: InvoiceRow) -> Decimal:
    return subtract(row.amount, row.retainage) if row.retainage else row.amount


def _due_on(charges: list[InvoiceRow], terms: Terms) -> date:
    latest = None
    for row in charges:
        due_on = row.due_on
        if due_on is not None and (latest is None or due_on > latest):
            latest = due_on
    if latest is not None:
        return latest
    earliest = min([row.on for row in charges])
    # The calendar ends with year 9999; a due date beyond it is as good as its last day.
    return earliest + timedelta(days=min(terms.days_until_due, (date.max - earliest).days))


@cache
def _month_end(year: int, month: int, months_later: int) -> date:
    """Return the last day of a month, `months_later` after the one given (the calendar's last month at most)."""
    months = min(year * 12 + month - 1 + months_later, date.max.year * 12 + 11)
    year, month = months // 12, months % 12 + 1
    return date(year, month, monthrange(year, month)[1])


def _earned(company: str, charges: list[InvoiceRow], terms: Terms) -> tuple[int, tuple[Rate, ...]]:
    """Return the points that the invoice gives if it is settled in time, and the rates used (program-terms.md, Reward).

    Truncated once, toward zero, after everything is summed: a credit takes back exactly what its charge gave.
    """
    total = _ZERO
    # The rates are told apart by identity, for rate_for returns the very rows of terms.rates.
    used: dict[int, Rate] = {}
    for row in charges:
        rate = terms.rate_for(company, row.product_line, row.on)
        if rate is None:
            continue
        total = add(total, multiply(_due_amount(row), rate.points_per_dollar))
        used[id(rate)] = rate
    if len(used) > 1:
        return int(total), tuple([rate for rate in terms.rates if id(rate) in used])
    return int(total), tuple(used.values())
