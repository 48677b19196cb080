"""One question: why is the balance what it is. The log, newest first, and the balance over time that it adds up to."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from streams.postgres.models import PointEntry


@dataclass(frozen=True, slots=True)
class LogScope:
    """Whose log: a customer's own entries and those of its group that are no customer's, or all of a group."""

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
    committed_at: dt.datetime | None
    facts: dict[str, Any]


def log_entries(session: Session, scope: LogScope, *, before: int | None = None, limit: int = 25) -> list[Entry]:
    """Return the entries with an id below `before` (keyset paging), the newest first."""
    statement = select(
        PointEntry.id,
        PointEntry.reward_group_id,
        PointEntry.customer_master_id,
        PointEntry.company,
        PointEntry.document,
        PointEntry.kind,
        PointEntry.stage,
        PointEntry.points_before,
        PointEntry.points_after,
        PointEntry.delta,
        PointEntry.effective_on,
        PointEntry.recorded_at,
        PointEntry.cause,
        PointEntry.committed_at,
        PointEntry.facts,
    ).where(_belongs(scope))
    if before is not None:
        statement = statement.where(PointEntry.id < before)
    rows = session.execute(statement.order_by(PointEntry.id.desc()).limit(limit)).mappings()
    return [Entry(**row) for row in rows]


def points_by_day(session: Session, scope: LogScope) -> list[tuple[dt.date, int]]:
    """Return the sum of the entries that take effect on each day, by day; days without an entry are left out."""
    rows = session.execute(
        select(PointEntry.effective_on, func.sum(PointEntry.delta))
        .where(_belongs(scope))
        .group_by(PointEntry.effective_on)
        .order_by(PointEntry.effective_on)
    )
    return [(day, int(points)) for day, points in rows]


def _belongs(scope: LogScope) -> ColumnElement[bool]:
    if scope.customer_master_id is None:
        return PointEntry.reward_group_id == scope.reward_group_id
    own = PointEntry.customer_master_id == scope.customer_master_id
    if scope.reward_group_id is None:
        return own
    return or_(own, and_(PointEntry.reward_group_id == scope.reward_group_id, PointEntry.customer_master_id.is_(None)))
