"""Reads the log: its entries, the newest first, and the points by day that the balance over time adds up from."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Integer, Select, Text, and_, bindparam, cast, func, select, union_all
from sqlalchemy.dialects.postgresql import aggregate_order_by
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


class Entry(NamedTuple):
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


_EVERY_ID: Final = 2**63 - 1


def _log(*conditions: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """Return the statement of a log: the entries that meet one of the conditions (none meets two), below `before`, `limit` of them.

    The ids are pieces of indexes in the order that is wanted. One condition with OR would read all of a large group's entries, and
    whole rows might be looked for along the primary key: past everybody's entries, where this log's are old.
    """
    most = bindparam("limit", type_=Integer)
    parts = (
        select(PointEntry.id)
        .where(condition, PointEntry.id < bindparam("before", type_=BigInteger))
        .order_by(PointEntry.id.desc())
        .limit(most)
        for condition in conditions
    )
    ids = union_all(*(select(part.subquery()) for part in parts)).subquery("ids")
    newest = select(ids.c.id).order_by(ids.c.id.desc()).limit(most).subquery("newest")
    columns = (getattr(PointEntry, name) for name in Entry._fields)
    return select(*columns).join(newest, newest.c.id == PointEntry.id).order_by(PointEntry.id.desc())


def _by_day(condition: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """Return the statement of the sums by day: their days as numbers, and their points. Thousands of days cost less as two arrays."""
    number = PointEntry.effective_on - dt.date.min + 1
    points = cast(func.sum(PointEntry.delta), BigInteger)
    days = select(number.label("number"), points.label("points")).where(condition).group_by(number).subquery("days")
    return select(
        *(func.array_agg(aggregate_order_by(column, days.c.number)) for column in (days.c.number, days.c.points))
    )


# Made once: putting a statement together takes longer than what it asks for.
_OWN: Final = PointEntry.customer_master_id == bindparam("customer", type_=Text)
_OF_GROUP: Final = PointEntry.reward_group_id == bindparam("group", type_=BigInteger)
# As in the index of those: what is no invoice's. Whatever belongs to a customer is among its own.
_OF_THE_OFFICE: Final = PointEntry.kind.not_in(("reward", "penalty"))
_LOG_OF_CUSTOMER: Final = _log(_OWN, and_(_OF_GROUP, _OF_THE_OFFICE, PointEntry.customer_master_id.is_(None)))
_LOG_WITHOUT_GROUP: Final = _log(_OWN)
_LOG_OF_GROUP: Final = _log(_OF_GROUP)
_DAYS_OF_CUSTOMER: Final = _by_day(_OWN)
_DAYS_OF_GROUP: Final = _by_day(_OF_GROUP)


def log_entries(
    session: Session, viewer: Viewer, scope: LogScope, *, before: int | None = None, limit: int = LOG_PAGE
) -> list[Entry]:
    """Return the entries with an id below `before` (keyset paging), the newest first.

    Raises:
        Forbidden: the viewer may not see the reward group, or the customer is in none and the viewer is not of the office.

    """
    viewer.require_group(scope.reward_group_id)
    values: dict[str, Any] = {"before": before or _EVERY_ID, "limit": limit}
    if scope.customer_master_id is None:
        statement = _LOG_OF_GROUP
    else:
        statement = _LOG_WITHOUT_GROUP if scope.reward_group_id is None else _LOG_OF_CUSTOMER
        values["customer"] = scope.customer_master_id
    if scope.reward_group_id is not None:
        values["group"] = scope.reward_group_id
    return [Entry._make(row) for row in session.execute(statement, values)]


def points_by_day(session: Session, viewer: Viewer, scope: LogScope) -> list[tuple[int, int]]:
    """Return the points that the balance over time adds up from: by day, without days that have none; raise `Forbidden`.

    It is the reward group's balance; a customer's own where it is in no group. A day is its number in the calendar
    (`dt.date.toordinal`): there may be thousands, of which few are shown.
    """
    viewer.require_group(scope.reward_group_id)
    if scope.reward_group_id is None:
        found = session.execute(_DAYS_OF_CUSTOMER, {"customer": scope.customer_master_id}).one()
    else:
        found = session.execute(_DAYS_OF_GROUP, {"group": scope.reward_group_id}).one()
    numbers, points = (column or () for column in found)
    return list(zip(numbers, points, strict=True))
