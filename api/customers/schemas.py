"""The shapes of customers as JSON."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from pydantic import BaseModel

from api.core.schemas import Shape
from api.groups.schemas import GroupTotals


class CompanyOut(Shape):
    """A customer's totals with one company."""

    company: str
    points: int
    pending: int
    at_risk: int


class CustomerListed(BaseModel):
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


class InvoiceOut(Shape):
    """An invoice that is not settled."""

    company: str
    document: str | None
    billed: Decimal
    paid: Decimal
    open: Decimal
    due_on: dt.date | None
    deadline_on: dt.date | None


class CustomerOut(BaseModel):
    """A customer's overview."""

    customer_master_id: str
    as_of: dt.date | None
    enrolled_on: dt.date | None
    group: GroupTotals | None
    balance: int
    points: int
    pending: int
    at_risk: int
    companies: list[CompanyOut]
    invoice_count: int
    """Of invoices that are not settled; the lists have at most 500 of them, those due first."""
    pending_invoices: list[PendingOut]
    at_risk_invoices: list[AtRiskOut]
    open_invoices: list[InvoiceOut]
