"""Reads the log: its entries, the newest first, and the points by day that the balance over time adds up from."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, fields
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, and_, cast, func, select, union_all
from sqlalchemy.orm import Session

from api.core.permissions import Viewer
from streams.postgres.models import PointEntry

LOG_PAGE: Final = 25
"""A page shows so many entries at a time."""


@dataclass(frozen=True, slots=True)
class LogScope:
    """A customer's log or a reward group's.

    With a customer: its own entries, and those of its reward group that belong to no customer. Without: all of the group's.
    """

    customer_master_id: str | None = None
    reward_group_id: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One change of what something is worth, and why."""

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
    cause: str
    """A sentence for plain SQL."""
    cause_data: dict[str, Any]
    """The same as data, with its `kind` (streams/state/causes.py)."""
    committed_at: dt.datetime | None
    facts: dict[str, Any]


_COLUMNS: Final = tuple(getattr(PointEntry, field.name) for field in fields(Entry))


def log_entries(
    session: Session, viewer: Viewer, scope: LogScope, *, before: int | None = None, limit: int = LOG_PAGE
) -> list[Entry]:
    """Return the entries with an id below `before` (keyset paging), the newest first.

    Raises:
        Forbidden: the viewer may not see the reward group, or the customer is in none and the viewer is not of the office.

    """
    viewer.require_group(scope.reward_group_id)
    # The ids are pieces of indexes in the order that is wanted. One condition with OR would read all of a large group's entries, and whole
    # rows might be looked for along the primary key: past everybody's entries, where this log's are old.
    parts = []
    for condition in _conditions(scope):
        part = select(PointEntry.id).where(condition).order_by(PointEntry.id.desc()).limit(limit)
        parts.append(part if before is None else part.where(PointEntry.id < before))
    ids = union_all(*(select(part.subquery()) for part in parts)).subquery("ids")
    newest = select(ids.c.id).order_by(ids.c.id.desc()).limit(limit).subquery("newest")
    query = select(*_COLUMNS).join(newest, newest.c.id == PointEntry.id).order_by(PointEntry.id.desc())
    return [Entry(*row) for row in session.execute(query)]


def points_by_day(session: Session, viewer: Viewer, scope: LogScope) -> list[tuple[dt.date, int]]:
    """Return the sum of the entries that take effect on each day, by day, without days that have none; raise `Forbidden`."""
    viewer.require_group(scope.reward_group_id)
    parts = (select(PointEntry.effective_on, PointEntry.delta).where(condition) for condition in _conditions(scope))
    entries = union_all(*parts).subquery("entries")
    points = cast(func.sum(entries.c.delta), BigInteger)
    rows = session.execute(
        select(entries.c.effective_on, points).group_by(entries.c.effective_on).order_by(entries.c.effective_on)
    )
    return [(day, points) for day, points in rows]


def _conditions(scope: LogScope) -> list[ColumnElement[bool]]:
    """Return which entries belong to the log; no entry meets two of them."""
    of_group = PointEntry.reward_group_id == scope.reward_group_id
    if scope.customer_master_id is None:
        return [of_group]
    own = PointEntry.customer_master_id == scope.customer_master_id
    return [own] if scope.reward_group_id is None else [own, and_(of_group, PointEntry.customer_master_id.is_(None))]
