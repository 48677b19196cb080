"""The shapes of reward groups as JSON."""

from __future__ import annotations

import datetime as dt

from pydantic import BaseModel

from api.core.schemas import Shape


class GroupTotals(Shape):
    """A reward group's balance."""

    id: int
    name: str
    status: str
    balance: int
    redeemable: int
    pending: int


class MemberOut(Shape):
    """A customer of a reward group."""

    customer_master_id: str
    enrolled_on: dt.date
    points: int
    pending: int
    at_risk: int


class GroupOut(BaseModel):
    """A reward group's overview."""

    group: GroupTotals
    as_of: dt.date | None
    member_count: int
    members: list[MemberOut]
    next_after: str | None
    """Pass it as `after` to get further members; null at the end."""
