"""Says an entry of the log in words, from its kind, stage, points and facts (program-terms.md, The log). Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from api.core.formatting import day, points
from api.entries.queries import Entry

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
    """Say what an entry is, and what caused it; the points themselves are shown beside it."""
    return Explanation(headline(entry), explain_cause(entry.cause_data, entry.cause))


def headline(entry: Entry) -> str:
    """Say what an entry is."""
    return {"reward": _reward, "penalty": _penalty}.get(entry.kind, _other)(entry)


def explain_cause(data: Mapping[str, Any], sentence: str) -> str:
    """Return a cause in words; one of a kind that is not told apart here is shown by its sentence."""
    match data.get("kind"):
        case "rows":
            rows, count = data["rows"], data["row_count"]
            more = f" and {count - len(rows)} more" if count > len(rows) else ""
            named = f"Row{'s' if count > 1 else ''} {', '.join(map(str, rows))}{more}"
            return f"{named} of the warehouse changed (source position {data['lsn']})."
        case "day":
            return f"The business date became {day(dt.date.fromisoformat(data['business_date']))}."
        case "reload" | "snapshot" if data.get("before"):
            name = (
                "The table of enrolments was loaded again" if data["kind"] == "reload" else "A new snapshot was taken"
            )
            return f"{name} without this customer's enrolment (source position {data['lsn']})."
        case "reload":
            return f"The table was loaded again without these rows (source position {data['lsn']})."
        case "snapshot":
            return f"A new snapshot of the table did not show these rows (source position {data['lsn']})."
        case _:
            return f"{sentence[:1].upper()}{sentence[1:]}." if sentence else "No cause was recorded."


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
    if entry.cause_data.get("kind") == "enrolment" or "before" in entry.cause_data:
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
