"""Says an entry of the log in words, from its kind, stage, points and facts (program-terms.md, The log). Pure."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from api.core.formatting import day, points
from api.entries.queries import Entry

_DAY: Final = re.compile(r"^day (\d{4}-\d{2}-\d{2})$")
_ROWS: Final = re.compile(r"^change of rows? (?P<rows>.+) at (?P<position>[0-9A-F]+/[0-9A-F]+)$")
_OTHER_KINDS: Final = {
    "redemption": ("Redeemed", "Redemption cancelled"),
    "adjustment": ("Adjustment in your favor", "Adjustment"),
    "property_development": ("Property development points", "Property development points corrected"),
    "forfeiture": ("Forfeiture reversed", "Points forfeited"),
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """An entry in words: what it is, and what caused it."""

    headline: str
    cause: str


def explain(entry: Entry) -> Explanation:
    """Say what an entry is; the points themselves are shown beside it."""
    headline = {"reward": _reward, "penalty": _penalty}.get(entry.kind, _other)(entry)
    return Explanation(headline, explain_cause(entry.cause))


def explain_cause(cause: str) -> str:
    """Return the cause as a sentence; a cause of an unknown form is shown as it stands."""
    if match := _ROWS.match(cause):
        rows, position = match["rows"], match["position"]
        plural = "," in rows or " and " in rows
        return f"Row{'s' if plural else ''} {rows} of the warehouse changed (source position {position})."
    if match := _DAY.match(cause):
        return f"The business date became {day(match[1])}."
    return f"{cause[:1].upper()}{cause[1:]}." if cause else "No cause was recorded."


def _reward(entry: Entry) -> str:
    name, settled_on, deadline_on = _name(entry), _date(entry.facts, "settled_on"), _date(entry.facts, "deadline_on")
    if entry.points_after == 0:
        return _reward_gone(entry, settled_on, deadline_on)
    if entry.points_before == 0:
        settled = f"{name} settled on {day(settled_on or entry.effective_on)}"
        if deadline_on is None:
            return settled
        before = "on" if settled_on == deadline_on else "before"
        same_year = settled_on is not None and settled_on.year == deadline_on.year
        return f"{settled}, {before} its deadline {day(deadline_on, year=not same_year)}"
    return (
        f"{name} was corrected: it earns {points(entry.points_after)} points instead of {points(entry.points_before)}"
    )


def _reward_gone(entry: Entry, settled_on: dt.date | None, deadline_on: dt.date | None) -> str:
    name = _name(entry)
    if entry.cause.startswith("enrolment"):
        return f"{name} no longer earns points here: the enrolment changed"
    if settled_on is None and deadline_on is None:
        return f"{name} no longer earns points: none of its lines counts any more"
    if settled_on is None:
        return f"{name} is no longer settled, so its points are taken back"
    if deadline_on is not None and settled_on > deadline_on:
        return f"{name} counts as settled on {day(settled_on)}, after its deadline {day(deadline_on)}"
    return f"{name} was corrected and no longer earns points"


def _penalty(entry: Entry) -> str:
    name, due_on = _name(entry), _date(entry.facts, "due_on")
    if entry.points_after == 0:
        on = day(entry.effective_on)
        return f"Late penalty {entry.stage} of {_lower(name)} is taken back: as of {on} it no longer applies"
    if entry.points_before != 0:
        return (
            f"Late penalty {entry.stage} of {_lower(name)} was corrected to {points(entry.points_after)} points"
            f" from {points(entry.points_before)}"
        )
    if due_on is None or due_on >= entry.effective_on:
        return f"{name} was overdue on {day(entry.effective_on)}: late penalty {entry.stage}"
    days = (entry.effective_on - due_on).days
    return f"{name} was {days} days past due on {day(entry.effective_on)}: late penalty {entry.stage}"


def _other(entry: Entry) -> str:
    gained, lost = _OTHER_KINDS.get(entry.kind, (entry.kind.replace("_", " ").capitalize(),) * 2)
    if entry.kind == "redemption":
        gained, lost = lost, gained
    told = entry.facts.get("title") or entry.facts.get("description") or entry.document
    return f"{gained if entry.delta >= 0 else lost}{f': {told}' if told else ''}"


def _name(entry: Entry) -> str:
    return f"Invoice {entry.document}" if entry.document else "An invoice without a number"


def _lower(name: str) -> str:
    return name[0].lower() + name[1:]


def _date(facts: Mapping[str, Any], name: str) -> dt.date | None:
    value = facts.get(name)
    return dt.date.fromisoformat(value) if isinstance(value, str) else None
