"""One question: what does a reward group have, and who belongs to it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

from sqlalchemy import BigInteger, cast, func, select, true
from sqlalchemy.orm import Session

from api.data.balances import REWARD_GROUP_BALANCES as BALANCES
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
    """A customer of a group with its totals over all companies, in points."""

    customer_master_id: str
    enrolled_on: dt.date
    points: int
    pending: int
    at_risk: int


def find_group(session: Session, reward_group_id: int) -> Group | None:
    """Return the group, or None where there is none."""
    statement = _GROUPS.where(RewardGroup.id == reward_group_id)
    row = session.execute(statement).mappings().one_or_none()
    return None if row is None else Group(**row)


def group_of_customer(session: Session, customer_master_id: str) -> tuple[Group, dt.date] | None:
    """Return the group that the customer is a member of and the day it enrolled, or None."""
    statement = (
        _GROUPS.add_columns(CustomerRewardGroup.enrolled_at.label("enrolled_on"))
        .join(CustomerRewardGroup, CustomerRewardGroup.reward_group_id == RewardGroup.id)
        .where(CustomerRewardGroup.customer_master_id == customer_master_id)
    )
    row = session.execute(statement).mappings().one_or_none()
    if row is None:
        return None
    values = dict(row)
    enrolled_on: dt.date = values.pop("enrolled_on")
    return Group(**values), enrolled_on


def group_members(session: Session, reward_group_id: int) -> list[Member]:
    """Return the members of a group by customer_master_id."""
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
    statement = (
        select(CustomerRewardGroup.customer_master_id, CustomerRewardGroup.enrolled_at.label("enrolled_on"), *total.c)
        .join(total, true())
        .where(CustomerRewardGroup.reward_group_id == reward_group_id)
        .order_by(CustomerRewardGroup.customer_master_id)
    )
    return [Member(**row) for row in session.execute(statement).mappings()]
