"""Reads customers: the list of those that take part, and all that one customer's page shows."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import BigInteger, cast, exists, func, or_, select, true
from sqlalchemy.orm import Session

from api.core.business_date import business_date
from api.core.errors import NotFound
from api.core.permissions import Viewer
from api.entries.queries import LOG_PAGE, Entry, LogScope, log_entries, points_by_day
from api.groups.queries import Group, Member, group_members, group_of_customer
from streams.postgres.models import CustomerPoints, CustomerRewardGroup, Invoice, RewardGroup

MOST_INVOICES = 500
"""A page lists so many open invoices at most, the earliest due."""


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
    """A customer's points with one company; `at_risk` is negative or 0."""

    company: str
    points: int
    pending: int
    at_risk: int


@dataclass(frozen=True, slots=True)
class OpenInvoice:
    """An invoice that is not settled. Money in dollars, points as integers (`at_risk` negative or 0)."""

    company: str
    document: str | None
    billed: Decimal
    paid: Decimal
    open: Decimal
    due_on: dt.date | None
    deadline_on: dt.date | None
    pending: int
    at_risk: int
    at_risk_on: dt.date | None


@dataclass(frozen=True, slots=True)
class CustomerOverview:
    """All that a customer's page shows, read on one snapshot."""

    customer_master_id: str
    group: Group | None
    enrolled_on: dt.date | None
    members: list[Member]
    """The members of its reward group, the customer among them."""
    companies: list[CompanyTotals]
    invoices: list[OpenInvoice]
    as_of: dt.date | None
    points_by_day: list[tuple[dt.date, int]]
    """They add up to the balance."""
    entries: list[Entry]
    """One more than LOG_PAGE where there are older ones."""

    @property
    def earned(self) -> int:
        """The customer's own points: the sum of its invoices."""
        return sum(company.points for company in self.companies)

    @property
    def pending(self) -> int:
        """The pending points of the customer's own invoices."""
        return sum(company.pending for company in self.companies)

    @property
    def at_risk(self) -> int:
        """What the next stages would take from the customer's own invoices (negative or 0)."""
        return sum(company.at_risk for company in self.companies)

    @property
    def at_risk_from(self) -> dt.date | None:
        """The earliest day on which one of its open invoices loses points; None where none does."""
        return min((invoice.at_risk_on for invoice in self.invoices if invoice.at_risk_on), default=None)

    @property
    def balance(self) -> int:
        """The reward group's balance; a customer in no group has its own points."""
        return self.earned if self.group is None else self.group.balance

    @property
    def scope(self) -> LogScope:
        """The log that belongs to it."""
        return _scope(self.customer_master_id, self.group)


def find_customers(
    session: Session, viewer: Viewer, *, text: str = "", after: str = "", limit: int = 50
) -> list[CustomerRow]:
    """Return customers by customer_master_id: the office sees all, a customer those of its reward group.

    Args:
        session: reads only.
        viewer: the user that asks.
        text: part of a customer_master_id or of a group's name, in any case; empty finds all.
        after: the last customer_master_id of the page before (keyset paging).
        limit: the most rows.

    """
    if not viewer.is_office and viewer.reward_group_id is None:
        return []
    total = (
        select(
            cast(func.coalesce(func.sum(CustomerPoints.points), 0), BigInteger).label("points"),
            cast(func.coalesce(func.sum(CustomerPoints.pending), 0), BigInteger).label("pending"),
        )
        .where(CustomerPoints.customer_master_id == CustomerRewardGroup.customer_master_id)
        .lateral("total")
    )
    query = (
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
        query = query.where(
            or_(
                CustomerRewardGroup.customer_master_id.icontains(text, autoescape=True),
                RewardGroup.name.icontains(text, autoescape=True),
            )
        )
    if not viewer.is_office:
        query = query.where(CustomerRewardGroup.reward_group_id == viewer.reward_group_id)
    return [CustomerRow(**row) for row in session.execute(query).mappings()]


def require_customer(session: Session, viewer: Viewer, customer_master_id: str) -> None:
    """Raise `Forbidden` unless the viewer may see the customer."""
    group_of_customer(session, viewer, customer_master_id)


def read_customer(session: Session, viewer: Viewer, customer_master_id: str) -> CustomerOverview:
    """Return a customer's overview; raise `Forbidden`, or `NotFound` where nothing is known of it."""
    found = group_of_customer(session, viewer, customer_master_id)
    if found is None and not _is_known(session, customer_master_id):
        raise NotFound(f"There is no customer {customer_master_id}.")
    group, enrolled_on = found or (None, None)
    scope = _scope(customer_master_id, group)
    # The chart shows the same balance as the number above it: the group's, where there is one.
    balance_scope = scope if group is None else LogScope(reward_group_id=group.id)
    return CustomerOverview(
        customer_master_id=customer_master_id,
        group=group,
        enrolled_on=enrolled_on,
        members=[] if group is None else group_members(session, viewer, group.id),
        companies=_company_totals(session, customer_master_id),
        invoices=_open_invoices(session, customer_master_id),
        as_of=business_date(session),
        points_by_day=points_by_day(session, viewer, balance_scope),
        entries=log_entries(session, viewer, scope, limit=LOG_PAGE + 1),
    )


def customer_entries(
    session: Session, viewer: Viewer, customer_master_id: str, *, before: int | None, limit: int
) -> list[Entry]:
    """Return a customer's log, the newest entry first; raise `Forbidden`."""
    found = group_of_customer(session, viewer, customer_master_id)
    scope = _scope(customer_master_id, None if found is None else found[0])
    return log_entries(session, viewer, scope, before=before, limit=limit)


def _scope(customer_master_id: str, group: Group | None) -> LogScope:
    return LogScope(customer_master_id, None if group is None else group.id)


def _company_totals(session: Session, customer_master_id: str) -> list[CompanyTotals]:
    """Return the customer's totals by company; empty where no invoice of it has been seen."""
    rows = session.execute(
        select(CustomerPoints.company, CustomerPoints.points, CustomerPoints.pending, CustomerPoints.at_risk)
        .where(CustomerPoints.customer_master_id == customer_master_id)
        .order_by(CustomerPoints.company)
    ).mappings()
    return [CompanyTotals(**row) for row in rows]


def _open_invoices(session: Session, customer_master_id: str) -> list[OpenInvoice]:
    """Return the customer's invoices that are not settled, the earliest due first."""
    rows = session.execute(
        select(
            Invoice.company,
            Invoice.document,
            Invoice.billed,
            Invoice.paid,
            Invoice.open,
            Invoice.due_on,
            Invoice.deadline_on,
            Invoice.pending,
            Invoice.at_risk,
            Invoice.at_risk_on,
        )
        .where(
            Invoice.customer_master_id == customer_master_id,
            or_(Invoice.open > 0, Invoice.pending != 0, Invoice.at_risk != 0),
        )
        .order_by(Invoice.due_on.asc().nulls_last(), Invoice.document, Invoice.id)
        .limit(MOST_INVOICES)
    ).mappings()
    return [OpenInvoice(**row) for row in rows]


def _is_known(session: Session, customer_master_id: str) -> bool:
    """Whether anything is known of a customer that is in no reward group."""
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
