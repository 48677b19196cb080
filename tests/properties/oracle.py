"""What an invoice is worth, told slowly and literally from program-terms.md: day by day, in fractions.

It shares no code with streams/calculator (only its types) and is built differently on purpose: every figure is asked
anew of all rows for every day, nothing is kept, nothing is clever.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

from streams.calculator.facts import InvoiceRow, Membership
from streams.calculator.terms import Rate, Terms

DAY = timedelta(days=1)


def worth(
    company: str, rows: Sequence[InvoiceRow], membership: Membership | None, terms: Terms, as_of: date
) -> dict[str, Any]:
    """Return the figures of an invoice by the names that `Worth` has for them (all but `next_evaluation_on`)."""
    result: dict[str, Any] = {
        "reward_group_id": None, "reward": 0, "penalties": [], "pending": 0, "at_risk": 0, "at_risk_on": None,
        "billed": 0, "paid": 0, "open": 0, "due_on": None, "deadline_on": None, "settled_on": None, "rates": set(),
    }  # fmt: skip
    # Without a membership there are no points.
    if membership is None:
        return result
    result["reward_group_id"] = membership.reward_group_id
    rows = [row for row in rows if counts(row, membership, terms, as_of)]
    result["billed"], result["paid"], result["open"] = billed(rows, as_of), paid(rows, as_of), open_(rows, as_of)
    # Without an invoice row there are none either.
    invoice_rows = [row for row in rows if not row.is_payment]
    if not invoice_rows:
        return result

    due_on = due_date(invoice_rows, terms)
    deadline_on = deadline(due_on, terms)
    settled_on = settled(rows, as_of)
    would_earn = math.trunc(sum((earned(company, row, terms) for row in invoice_rows), Fraction(0)))
    result["due_on"], result["deadline_on"], result["settled_on"] = due_on, deadline_on, settled_on
    result["rates"] = {rate for row in invoice_rows if (rate := rate_of(company, row, terms)) is not None}
    if settled_on is not None and settled_on <= deadline_on:
        result["reward"] = would_earn
    if settled_on is None and as_of <= deadline_on:
        result["pending"] = would_earn

    for stage, on in stages(due_on, terms, as_of):
        if on <= as_of:
            points = takes(billed(rows, on), paid(rows, on), terms)
            if points != 0:
                result["penalties"].append((stage, on, points))
        elif settled_on is None:
            points = takes(billed(rows, as_of), paid(rows, as_of), terms)
            if points != 0:
                result["at_risk"], result["at_risk_on"] = points, on
    return result


def counts(row: InvoiceRow, membership: Membership, terms: Terms, as_of: date) -> bool:
    since_start = row.on >= terms.program_start
    taking_part = membership.enrolled_on < terms.enrolled_before or row.on >= membership.enrolled_on
    return since_start and taking_part and row.on <= as_of


def billed(rows: Sequence[InvoiceRow], day: date) -> Fraction:
    return sum((net(row) for row in rows if not row.is_payment and row.on <= day), Fraction(0))


def paid(rows: Sequence[InvoiceRow], day: date) -> Fraction:
    return -sum((Fraction(row.amount) for row in rows if row.is_payment and row.on <= day), Fraction(0))


def open_(rows: Sequence[InvoiceRow], day: date) -> Fraction:
    return billed(rows, day) - paid(rows, day)


def net(row: InvoiceRow) -> Fraction:
    return Fraction(row.amount) - Fraction(row.retainage)


def due_date(invoice_rows: Sequence[InvoiceRow], terms: Terms) -> date:
    dates = [row.due_on for row in invoice_rows if row.due_on is not None]
    if dates:
        return max(dates)
    return min(row.on for row in invoice_rows) + terms.days_until_due * DAY


def deadline(due_on: date, terms: Terms) -> date:
    day = due_on
    for _ in range(terms.deadline_months):
        day = last_day_of_its_month(day) + DAY
    return last_day_of_its_month(day)


def last_day_of_its_month(day: date) -> date:
    while (day + DAY).month == day.month:
        day += DAY
    return day


def settled(rows: Sequence[InvoiceRow], as_of: date) -> date | None:
    """Walk back from the last date with rows while nothing is open; where that walk ends, the last run began."""
    began = None
    day = as_of
    first = min(row.on for row in rows)
    while day >= first:
        if any(row.on == day for row in rows):
            if open_(rows, day) > 0:
                return began
            began = day
        day -= DAY
    return began


def rate_of(company: str, row: InvoiceRow, terms: Terms) -> Rate | None:
    for pattern in ((company, row.product_line), (None, row.product_line), (company, None), (None, None)):
        in_force = [r for r in terms.rates if (r.company, r.product_line) == pattern and r.effective_on <= row.on]
        if in_force:
            return max(in_force, key=lambda rate: rate.effective_on)
    return None


def earned(company: str, row: InvoiceRow, terms: Terms) -> Fraction:
    rate = rate_of(company, row, terms)
    return net(row) * Fraction(rate.points_per_dollar) if rate is not None else Fraction(0)


def stages(due_on: date, terms: Terms, as_of: date) -> Iterator[tuple[int, date]]:
    """Walk the days after the due date: every stage up to `as_of`, and the first one after it."""
    stage = 0
    day = due_on
    while True:
        day += DAY
        days = (day - due_on).days
        if terms.penalty_scheme == "standard":
            if stage == len(terms.stage_days):
                return
            is_stage = days in terms.stage_days
        else:
            is_stage = days % terms.public_stage_days == 0
        if is_stage:
            stage += 1
            yield stage, day
            if day > as_of:
                return


def takes(billed_then: Fraction, paid_then: Fraction, terms: Terms) -> int:
    open_then = billed_then - paid_then
    if terms.penalty_scheme == "public":
        return -math.trunc(open_then) if open_then > 0 else 0
    if billed_then > 0 and paid_then < Fraction(terms.paid_share) * billed_then:
        return -math.trunc(open_then * Fraction(terms.penalty_factor))
    return 0
