"""The shapes of the log as JSON."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from api.core.schemas import Shape
from api.entries.explanation import explain
from api.entries.queries import Entry


class EntryOut(Shape):
    """An entry of the log."""

    id: int
    reward_group_id: int
    customer_master_id: str | None
    company: str | None
    document: str | None
    kind: str
    stage: int
    points_before: int
    points_after: int
    delta: int
    effective_on: dt.date
    recorded_at: dt.datetime
    committed_at: dt.datetime | None
    cause: str
    cause_data: dict[str, Any]
    facts: dict[str, Any]
    explanation: str


class EntriesOut(BaseModel):
    """A page of the log, the newest first."""

    entries: list[EntryOut]
    next_before: int | None
    """Pass it as `before` to get older entries; null at the end."""


def page_of_entries(found: Sequence[Entry], limit: int) -> EntriesOut:
    """Return the first `limit` of the entries that were found; one more than that means that there are older ones."""
    shown = found[:limit]
    names = [name for name in EntryOut.model_fields if name != "explanation"]
    return EntriesOut(
        entries=[
            EntryOut(**{name: getattr(entry, name) for name in names}, explanation=explain(entry).headline)
            for entry in shown
        ],
        next_before=shown[-1].id if len(found) > limit else None,
    )
