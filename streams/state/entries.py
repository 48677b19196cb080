"""What the log and the totals gain where an invoice is worth something else than before. Pure."""

from __future__ import annotations

import orjson

from streams.calculator.differences import differences
from streams.calculator.points import Worth
from streams.calculator.terms import Rate
from streams.state.causes import Cause
from streams.state.changeset import Changeset, Entry
from streams.state.invoices import InvoiceState


def note_worth(changeset: Changeset, state: InvoiceState, worth: Worth, cause: Cause) -> None:
    """Put down what changes where an invoice is worth something else now: entries and totals; `state` still has the worth before."""
    before = state.worth
    found = differences(before, worth)
    if found:
        facts = _facts(worth if worth.reward_group_id is not None else before, worth)
        sentence, cause_data = cause.sentence, orjson.dumps(cause.data()).decode()
        for change in found:
            changeset.entries.append(
                Entry(
                    state,
                    change.reward_group_id,
                    change.kind,
                    change.stage,
                    change.points_before,
                    change.points_after,
                    change.effective_on,
                    cause,
                    sentence,
                    cause_data,
                    facts,
                )
            )
    company = state.key.company
    points_before, points_after = before.points, worth.points
    if points_before != points_after or before.pending != worth.pending or before.at_risk != worth.at_risk:
        totals = changeset.customer_deltas.setdefault((state.key.customer_master_id, company), [0, 0, 0])
        totals[0] += points_after - points_before
        totals[1] += worth.pending - before.pending
        totals[2] += worth.at_risk - before.at_risk
    for group, sign, points, pending in (
        (before.reward_group_id, -1, points_before, before.pending),
        (worth.reward_group_id, 1, points_after, worth.pending),
    ):
        if group is not None and (points or pending):
            totals = changeset.group_deltas.setdefault((group, company), [0, 0])
            totals[0] += sign * points
            totals[1] += sign * pending


def _facts(figures: Worth, worth: Worth) -> str:
    """The figures behind an entry, as JSON. Money as text, dates ISO."""
    return orjson.dumps(
        {
            "billed": str(figures.billed),
            "paid": str(figures.paid),
            "open": str(figures.open),
            "due_on": figures.due_on,
            "deadline_on": figures.deadline_on,
            "settled_on": worth.settled_on,
            "rates": [_rate(rate) for rate in figures.rates],
        }
    ).decode()


def _rate(rate: Rate) -> dict[str, str | None]:
    return {
        "company": rate.company,
        "product_line": rate.product_line,
        "points_per_dollar": str(rate.points_per_dollar),
        "effective_on": rate.effective_on.isoformat(),
    }
