"""Reads a reward group: its balance, its members, and all that its page shows."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

from sqlalchemy import BigInteger, cast, func, select, true
from sqlalchemy.orm import Session

from api.core.business_date import business_date
from api.core.errors import NotFound
from api.core.models import REWARD_GROUP_BALANCES as BALANCES
from api.core.permissions import Viewer
from api.entries.queries import LOG_PAGE, Entry, LogScope, log_entries, points_by_day
from streams.postgres.models import CustomerPoints, CustomerRewardGroup, RewardGroup

_GROUPS: Final = (
    select(
        RewardGroup.id,
        RewardGroup.name,
        RewardGroup.status,
        RewardGroup.enrolled_at,
        *(func.coalesce(BALANCES.c[name], 0).label(name) for name in ("balance", "redeemable", "pending")),
    )
    .select_from(RewardGroup)
    .outerjoin(BALANCES, BALANCES.c.reward_group_id == RewardGroup.id)
)


@dataclass(frozen=True, slots=True)
class Group:
    """A reward group with its balance, in points."""

    id: int
    name: str
    status: str
    """open, hold or closed."""
    enrolled_at: dt.datetime
    balance: int
    redeemable: int
    pending: int


@dataclass(frozen=True, slots=True)
class Member:
    """A customer of a reward group with its totals over all companies, in points."""

    customer_master_id: str
    enrolled_on: dt.date
    points: int
    pending: int
    at_risk: int


@dataclass(frozen=True, slots=True)
class GroupOverview:
    """All that a reward group's page shows, read on one snapshot."""

    group: Group
    members: list[Member]
    as_of: dt.date | None
    points_by_day: list[tuple[dt.date, int]]
    entries: list[Entry]
    """One more than LOG_PAGE where there are older ones."""

    @property
    def scope(self) -> LogScope:
        """The log that belongs to it."""
        return LogScope(reward_group_id=self.group.id)


def read_group(session: Session, viewer: Viewer, reward_group_id: int) -> GroupOverview:
    """Return a reward group's overview; raise `Forbidden`, or `NotFound` where there is no such group."""
    viewer.require_group(reward_group_id)
    group = session.execute(_GROUPS.where(RewardGroup.id == reward_group_id)).mappings().one_or_none()
    if group is None:
        raise NotFound(f"There is no reward group {reward_group_id}.")
    scope = LogScope(reward_group_id=reward_group_id)
    return GroupOverview(
        group=Group(**group),
        members=group_members(session, viewer, reward_group_id),
        as_of=business_date(session),
        points_by_day=points_by_day(session, viewer, scope),
        entries=log_entries(session, viewer, scope, limit=LOG_PAGE + 1),
    )


def group_of_customer(session: Session, viewer: Viewer, customer_master_id: str) -> tuple[Group, dt.date] | None:
    """Return the reward group that the customer is a member of and the day it enrolled, or None.

    Raises:
        Forbidden: the viewer may not see the customer. It does not learn whether there is such a customer.

    """
    query = (
        _GROUPS.add_columns(CustomerRewardGroup.enrolled_at.label("enrolled_on"))
        .join(CustomerRewardGroup, CustomerRewardGroup.reward_group_id == RewardGroup.id)
        .where(CustomerRewardGroup.customer_master_id == customer_master_id)
    )
    row = session.execute(query).mappings().one_or_none()
    viewer.require_group(None if row is None else row["id"])
    if row is None:
        return None
    values = dict(row)
    enrolled_on: dt.date = values.pop("enrolled_on")
    return Group(**values), enrolled_on


def group_members(session: Session, viewer: Viewer, reward_group_id: int) -> list[Member]:
    """Return the members of a reward group by customer_master_id; raise `Forbidden`."""
    viewer.require_group(reward_group_id)
    total = (
        select(
            *(
                cast(func.coalesce(func.sum(column), 0), BigInteger).label(column.key)
                for column in (CustomerPoints.points, CustomerPoints.pending, CustomerPoints.at_risk)
            )
        )
        .where(CustomerPoints.customer_master_id == CustomerRewardGroup.customer_master_id)
        .lateral("total")
    )
    query = (
        select(CustomerRewardGroup.customer_master_id, CustomerRewardGroup.enrolled_at.label("enrolled_on"), *total.c)
        .join(total, true())
        .where(CustomerRewardGroup.reward_group_id == reward_group_id)
        .order_by(CustomerRewardGroup.customer_master_id)
    )
    return [Member(**row) for row in session.execute(query).mappings()]
