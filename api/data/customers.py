"""One question: which customers are there, and what has one of them by company."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import BigInteger, cast, exists, func, or_, select, true
from sqlalchemy.orm import Session

from streams.postgres.models import CustomerPoints, CustomerRewardGroup, Invoice, RewardGroup


@dataclass(frozen=True, slots=True)
class CustomerRow:
    """A customer that takes part, as a list shows it; points over all companies."""

    customer_master_id: str
    reward_group_id: int
    group_name: str
    group_status: str
    enrolled_on: dt.date
    points: int
    pending: int


@dataclass(frozen=True, slots=True)
class CompanyTotals:
    """What a customer has with one company, in points; `at_risk` is negative or 0."""

    company: str
    points: int
    pending: int
    at_risk: int


def find_customers(
    session: Session, *, text: str = "", reward_group_id: int | None = None, after: str = "", limit: int = 50
) -> list[CustomerRow]:
    """Return customers by customer_master_id, those after `after` first (keyset paging).

    Args:
        session: reads only.
        text: part of a customer_master_id or of a group's name, in any case; empty finds all.
        reward_group_id: only this group's members; None finds all.
        after: the last customer_master_id of the page before.
        limit: the most rows.

    """
    total = (
        select(
            cast(func.coalesce(func.sum(CustomerPoints.points), 0), BigInteger).label("points"),
            cast(func.coalesce(func.sum(CustomerPoints.pending), 0), BigInteger).label("pending"),
        )
        .where(CustomerPoints.customer_master_id == CustomerRewardGroup.customer_master_id)
        .lateral("total")
    )
    statement = (
        select(
            CustomerRewardGroup.customer_master_id,
            RewardGroup.id.label("reward_group_id"),
            RewardGroup.name.label("group_name"),
            RewardGroup.status.label("group_status"),
            CustomerRewardGroup.enrolled_at.label("enrolled_on"),
            total.c.points,
            total.c.pending,
        )
        .join(RewardGroup, RewardGroup.id == CustomerRewardGroup.reward_group_id)
        .join(total, true())
        .where(CustomerRewardGroup.customer_master_id > after)
        .order_by(CustomerRewardGroup.customer_master_id)
        .limit(limit)
    )
    if text:
        statement = statement.where(
            or_(
                CustomerRewardGroup.customer_master_id.icontains(text, autoescape=True),
                RewardGroup.name.icontains(text, autoescape=True),
            )
        )
    if reward_group_id is not None:
        statement = statement.where(CustomerRewardGroup.reward_group_id == reward_group_id)
    return [CustomerRow(**row) for row in session.execute(statement).mappings()]


def company_totals(session: Session, customer_master_id: str) -> list[CompanyTotals]:
    """Return the customer's totals by company; empty where no invoice of it has been seen."""
    rows = session.execute(
        select(CustomerPoints.company, CustomerPoints.points, CustomerPoints.pending, CustomerPoints.at_risk)
        .where(CustomerPoints.customer_master_id == customer_master_id)
        .order_by(CustomerPoints.company)
    ).mappings()
    return [CompanyTotals(**row) for row in rows]


def customer_is_known(session: Session, customer_master_id: str) -> bool:
    """Whether anything is known of a customer that is in no group."""
    return bool(
        session.scalar(
            select(
                or_(
                    exists().where(CustomerPoints.customer_master_id == customer_master_id),
                    exists().where(Invoice.customer_master_id == customer_master_id),
                )
            )
        )
    )
