"""What an invoice takes while it stays unpaid: the penalties that were applied, and the stage that comes next.

Leaf of `points.evaluate` (program-terms.md, Penalty and the *public* set of terms). Points taken are negative.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from itertools import count
from typing import Final, NamedTuple

from streams.calculator.exact import multiply, subtract
from streams.calculator.terms import Terms


class Penalty(NamedTuple):
    """Points (below 0) taken by a stage on its date. A stage that took less than a whole point is none."""

    stage: int
    on: date
    points: int


Account = tuple[date, Decimal, Decimal]
"""A date with counting rows, and what was billed and paid by its end, in dollars."""

_LAST_DAY: Final = date.max.toordinal()


def penalties(
    accounts: Sequence[Account], due_on: date, terms: Terms, as_of: date
) -> tuple[tuple[Penalty, ...], Penalty | None]:
    """Return the penalties applied by `as_of`, and what the next stage takes if nothing more is paid (None: nothing).

    Shapes: `accounts` by rising date, one a date, at least one, all on or before `as_of`. An account holds until the
    next one's date, so a payment that turns up late but is dated on or before a stage counts for that stage.
    """
    applied: list[Penalty] = []
    last = len(accounts) - 1
    # Stage and accounts both go forward in time: `at` is the first account after the stage.
    at = points = 0
    due, step = due_on.toordinal(), terms.public_stage_days
    for stage, days in enumerate(count(step, step) if terms.penalty_scheme == "public" else terms.stage_days, start=1):
        if due + days > _LAST_DAY:
            break
        on = date.fromordinal(due + days)
        if on > as_of:
            points = taken(accounts[last], terms)
            return tuple(applied), Penalty(stage, on, points) if points else None
        while at <= last and accounts[at][0] <= on:
            points = taken(accounts[at], terms)
            at += 1
        if points:
            applied.append(Penalty(stage, on, points))
        elif at > last:
            # Nothing is taken on the latest account, so no later stage takes anything either.
            break
    return tuple(applied), None


def taken(account: Account, terms: Terms) -> int:
    """Return what a stage takes on an account as it stands on the stage's date: points, 0 or below."""
    _, billed, paid = account
    if paid >= billed:
        return 0
    if terms.penalty_scheme == "public":
        return -int(subtract(billed, paid))
    if billed > 0 and paid < multiply(terms.paid_share, billed):
        return -int(multiply(subtract(billed, paid), terms.penalty_factor))
    return 0
