"""The shapes of the log as JSON."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from fastapi import Response
from pydantic import BaseModel

from api.core.schemas import answer
from api.entries.explanation import headline
from api.entries.queries import Entry


class EntryOut(BaseModel):
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


def page_of_entries(found: Sequence[Entry], limit: int) -> Response:
    """Answer with the first `limit` of the entries that were found, as `EntriesOut`; one more than that means that there are older ones."""
    shown = found[:limit]
    return answer(
        {
            "entries": [entry._asdict() | {"explanation": headline(entry)} for entry in shown],
            "next_before": shown[-1].id if len(found) > limit else None,
        }
    )
