"""The shapes of the JSON interface. Points are integers, money is decimal text in dollars, dates are ISO."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from api.passwords import LONGEST, SHORTEST


class _Shape(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class SignIn(BaseModel):
    """What signing in takes."""

    email: Annotated[str, Field(max_length=255)]
    password: Annotated[SecretStr, Field(max_length=1000)]


class NewPassword(SignIn):
    """What a new password takes: the old one, and the new one."""

    # Told rather than checked here: a new password that is not taken is answered with its reason (api/passwords.py).
    new_password: Annotated[SecretStr, Field(json_schema_extra={"minLength": SHORTEST, "maxLength": LONGEST})]


class SessionOut(_Shape):
    """Who is signed in."""

    user_id: int
    email: str
    name: str | None
    role: str
    reward_group_id: int | None


class CompanyOut(_Shape):
    """A customer's totals with one company."""

    company: str
    points: int
    pending: int
    at_risk: int


class CustomerListed(_Shape):
    """A customer in a list."""

    customer_master_id: str
    reward_group_id: int
    group_name: str
    group_status: str
    enrolled_on: dt.date
    points: int
    pending: int


class CustomersOut(BaseModel):
    """A page of customers."""

    customers: list[CustomerListed]
    next_after: str | None
    """Pass it as `after` to get the next page; null on the last."""


class PendingOut(BaseModel):
    """What an invoice gives if it is settled by the deadline."""

    company: str
    document: str | None
    points: int
    pay_by: dt.date | None
    open: Decimal


class AtRiskOut(BaseModel):
    """What the next stage takes if nothing more is paid."""

    company: str
    document: str | None
    points: int
    on: dt.date | None
    open: Decimal


class InvoiceOut(_Shape):
    """An invoice that is not settled."""

    company: str
    document: str | None
    billed: Decimal
    paid: Decimal
    open: Decimal
    due_on: dt.date | None
    deadline_on: dt.date | None


class GroupTotals(_Shape):
    """A reward group's balance."""

    id: int
    name: str
    status: str
    balance: int
    redeemable: int
    pending: int


class CustomerOut(BaseModel):
    """A customer's statement."""

    customer_master_id: str
    as_of: dt.date | None
    enrolled_on: dt.date | None
    group: GroupTotals | None
    balance: int
    points: int
    pending: int
    at_risk: int
    companies: list[CompanyOut]
    pending_invoices: list[PendingOut]
    at_risk_invoices: list[AtRiskOut]
    open_invoices: list[InvoiceOut]


class MemberOut(_Shape):
    """A customer of a group."""

    customer_master_id: str
    enrolled_on: dt.date
    points: int
    pending: int
    at_risk: int


class GroupOut(BaseModel):
    """A reward group's statement."""

    group: GroupTotals
    as_of: dt.date | None
    members: list[MemberOut]


class EntryOut(_Shape):
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
    facts: dict[str, Any]
    explanation: str


class EntriesOut(BaseModel):
    """A page of the log, the newest first."""

    entries: list[EntryOut]
    next_before: int | None
    """Pass it as `before` to get older entries; null at the end."""


class TravellerOut(_Shape):
    """Who travels with a redeemed prize."""

    name: str | None
    international_name: str | None
    birthdate: Annotated[dt.date | None, Field(repr=False)]
    passport_number: Annotated[str | None, Field(repr=False)]
    passport_issue_date: dt.date | None
    passport_expiration_date: dt.date | None


class PartitionLagOut(_Shape):
    """One partition's lag."""

    topic: str
    partition: int
    committed_offset: int | None
    end_offset: int
    lag_records: int
    lag_seconds: float
    member: str | None
    measured_at: dt.datetime
    age_seconds: float


class AgentLagOut(_Shape):
    """One agent's lag."""

    name: str
    consumer_group: str
    lag_records: int
    lag_seconds_max: float
    unowned_partitions: int
    partitions: list[PartitionLagOut]


class LagOut(_Shape):
    """The lag of every agent."""

    state: Literal["none", "stale", "fresh"]
    age_seconds: float
    agents: list[AgentLagOut]


class Problem(BaseModel):
    """Why there is no answer."""

    detail: str
    code: str | None = None
    """For programs: `password_expired` (choose a new one at `/api/password`), `new_password_refused`."""
