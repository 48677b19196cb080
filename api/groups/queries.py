"""Reads a reward group: its balance, its members, and all that its page shows."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BigInteger, Integer, Select, Text, bindparam, cast, func, select, true
from sqlalchemy.orm import Session

from api.core.business_date import business_date
from api.core.errors import NotFound
from api.core.models import REWARD_GROUP_BALANCES as BALANCES
from api.core.permissions import Viewer
from api.entries.queries import LOG_PAGE, Entry, LogScope, log_entries, points_by_day
from streams.postgres.models import CustomerPoints, CustomerRewardGroup, RewardGroup

MEMBERS_PAGE: Final = 25
"""A page shows so many customers of a group at a time."""

# Statements are made once: putting them together takes longer than what they ask for.
_IS_GROUP: Final = CustomerRewardGroup.reward_group_id == bindparam("group", type_=BigInteger)
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
_GROUP: Final = _GROUPS.where(RewardGroup.id == bindparam("group", type_=BigInteger))
_GROUP_OF_CUSTOMER: Final = (
    _GROUPS.add_columns(CustomerRewardGroup.enrolled_at.label("enrolled_on"))
    .join(CustomerRewardGroup, CustomerRewardGroup.reward_group_id == RewardGroup.id)
    .where(CustomerRewardGroup.customer_master_id == bindparam("customer", type_=Text))
)
_MEMBER_COUNT: Final = select(func.count()).where(_IS_GROUP)
_MEMBER_IDS: Final = select(CustomerRewardGroup.customer_master_id).where(_IS_GROUP)


def _members() -> Select[*tuple[Any, ...]]:
    found = (
        select(CustomerRewardGroup.customer_master_id, CustomerRewardGroup.enrolled_at)
        .where(_IS_GROUP, CustomerRewardGroup.customer_master_id > bindparam("after", type_=Text))
        .order_by(CustomerRewardGroup.customer_master_id)
        .limit(bindparam("limit", type_=Integer))
        .subquery("found")
    )
    total = (
        select(
            *(
                cast(func.coalesce(func.sum(column), 0), BigInteger).label(column.key)
                for column in (CustomerPoints.points, CustomerPoints.pending, CustomerPoints.at_risk)
            )
        )
        .where(CustomerPoints.customer_master_id == found.c.customer_master_id)
        .lateral("total")
    )
    return (
        select(found.c.customer_master_id, found.c.enrolled_at.label("enrolled_on"), *total.c)
        .join(total, true())
        .order_by(found.c.customer_master_id)
    )


def _at_risk() -> Select[int]:
    # Member by member: the totals of all customers would be read for the sake of a large group's otherwise.
    of_member = (
        select(CustomerPoints.at_risk)
        .where(CustomerPoints.customer_master_id == CustomerRewardGroup.customer_master_id)
        .offset(0)
        .lateral("of_member")
    )
    return (
        select(cast(func.coalesce(func.sum(of_member.c.at_risk), 0), BigInteger))
        .select_from(CustomerRewardGroup)
        .join(of_member, true())
        .where(_IS_GROUP)
    )


_MEMBERS: Final = _members()
_AT_RISK: Final = _at_risk()


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
    member_count: int
    members: list[Member]
    """By customer_master_id, a page of them; one more than MEMBERS_PAGE where there are further ones."""
    at_risk: int
    """What the next stages would take from all of its customers' invoices (negative or 0)."""
    as_of: dt.date | None
    points_by_day: list[tuple[int, int]]
    entries: list[Entry]
    """One more than LOG_PAGE where there are older ones."""


def read_group(
    session: Session, viewer: Viewer, reward_group_id: int, *, before: int | None = None, members_after: str = ""
) -> GroupOverview:
    """Return a reward group's overview; raise `Forbidden`, or `NotFound` where there is no such group.

    Args:
        session: reads only.
        viewer: the user that asks.
        reward_group_id: the group.
        before: the entries of its log below this one.
        members_after: the last customer of the page of members before.

    """
    group = read_totals(session, viewer, reward_group_id)
    scope = LogScope(reward_group_id=reward_group_id)
    return GroupOverview(
        group=group,
        member_count=count_members(session, viewer, reward_group_id),
        members=group_members(session, viewer, reward_group_id, after=members_after, limit=MEMBERS_PAGE + 1),
        at_risk=session.scalars(_AT_RISK, {"group": reward_group_id}).one(),
        as_of=business_date(session),
        points_by_day=points_by_day(session, viewer, scope),
        entries=log_entries(session, viewer, scope, before=before, limit=LOG_PAGE + 1),
    )


def read_totals(session: Session, viewer: Viewer, reward_group_id: int) -> Group:
    """Return a reward group with its balance alone; raise as `read_group`."""
    viewer.require_group(reward_group_id)
    group = session.execute(_GROUP, {"group": reward_group_id}).mappings().one_or_none()
    if group is None:
        raise NotFound(f"There is no reward group {reward_group_id}.")
    return Group(**group)


def group_of_customer(session: Session, viewer: Viewer, customer_master_id: str) -> tuple[Group, dt.date] | None:
    """Return the reward group that the customer is a member of and the day it enrolled, or None.

    Raises:
        Forbidden: the viewer may not see the customer. It does not learn whether there is such a customer.

    """
    row = session.execute(_GROUP_OF_CUSTOMER, {"customer": customer_master_id}).mappings().one_or_none()
    viewer.require_group(None if row is None else row["id"])
    if row is None:
        return None
    values = dict(row)
    enrolled_on: dt.date = values.pop("enrolled_on")
    return Group(**values), enrolled_on


def group_members(
    session: Session, viewer: Viewer, reward_group_id: int, *, after: str = "", limit: int = MEMBERS_PAGE
) -> list[Member]:
    """Return the members of a reward group by customer_master_id, those behind `after` (keyset paging); raise `Forbidden`."""
    viewer.require_group(reward_group_id)
    values = {"group": reward_group_id, "after": after, "limit": limit}
    return [Member(*row) for row in session.execute(_MEMBERS, values)]


def count_members(session: Session, viewer: Viewer, reward_group_id: int) -> int:
    """Return how many customers share the reward group's balance; raise `Forbidden`."""
    viewer.require_group(reward_group_id)
    return session.scalars(_MEMBER_COUNT, {"group": reward_group_id}).one()


def member_ids(session: Session, viewer: Viewer, reward_group_id: int) -> frozenset[str]:
    """Return the customers that share the reward group's balance; raise `Forbidden`."""
    viewer.require_group(reward_group_id)
    return frozenset(session.scalars(_MEMBER_IDS, {"group": reward_group_id}))
