"""Reads a customer: all that its page shows."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Final

from sqlalchemy import Integer, Text, and_, bindparam, exists, func, or_, select
from sqlalchemy.orm import Session

from api.core.business_date import business_date
from api.core.errors import NotFound
from api.core.permissions import Viewer
from api.entries.queries import LOG_PAGE, Entry, LogScope, log_entries, points_by_day
from api.groups.queries import Group, count_members, group_of_customer, member_ids
from streams.postgres.models import CustomerPoints, Invoice

INVOICES_PAGE: Final = 50
"""A page lists so many invoices that are not settled, those due first."""
MOST_INVOICES: Final = 500
"""JSON lists so many."""


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


# Made once: putting a statement together takes longer than what it asks for.
_TOTALS: Final = (
    select(*(getattr(CustomerPoints, field.name) for field in fields(CompanyTotals)))
    .where(CustomerPoints.customer_master_id == bindparam("customer", type_=Text))
    .order_by(CustomerPoints.company)
)
# As in the index of those.
_IS_UNSETTLED: Final = and_(
    Invoice.customer_master_id == bindparam("customer", type_=Text),
    or_(Invoice.open > 0, Invoice.pending != 0, Invoice.at_risk != 0),
)
_UNSETTLED: Final = (
    select(*(getattr(Invoice, field.name) for field in fields(OpenInvoice)))
    .where(_IS_UNSETTLED)
    .order_by(Invoice.due_on.asc().nulls_last(), Invoice.document, Invoice.id)
    .limit(bindparam("limit", type_=Integer))
)
_UNSETTLED_COUNT: Final = select(func.count()).where(_IS_UNSETTLED)


@dataclass(frozen=True, slots=True)
class CustomerStanding:
    """What a customer has, apart from its history, read on one snapshot."""

    customer_master_id: str
    group: Group | None
    enrolled_on: dt.date | None
    member_count: int
    """Customers of its reward group, itself among them; 0 where it is in none."""
    companies: list[CompanyTotals]
    invoices: list[OpenInvoice]
    """Those due first of the ones that are not settled."""
    invoice_count: int
    """Of those that are not settled."""
    as_of: dt.date | None

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


@dataclass(frozen=True, slots=True)
class CustomerOverview(CustomerStanding):
    """All that a customer's page shows, read on one snapshot."""

    points_by_day: list[tuple[int, int]]
    """They add up to the balance."""
    entries: list[Entry]
    """One more than LOG_PAGE where there are older ones."""


def require_customer(session: Session, viewer: Viewer, customer_master_id: str) -> None:
    """Raise `Forbidden` unless the viewer may see the customer."""
    group_of_customer(session, viewer, customer_master_id)


def read_customer(
    session: Session, viewer: Viewer, customer_master_id: str, *, before: int | None = None
) -> CustomerOverview:
    """Return a customer's overview, with the entries of its log below `before`; raise as `read_standing`."""
    standing = read_standing(session, viewer, customer_master_id, invoices=INVOICES_PAGE)
    return CustomerOverview(
        **{field.name: getattr(standing, field.name) for field in fields(standing)},
        points_by_day=points_by_day(session, viewer, standing.scope),
        entries=log_entries(session, viewer, standing.scope, before=before, limit=LOG_PAGE + 1),
    )


def read_standing(
    session: Session, viewer: Viewer, customer_master_id: str, *, invoices: int = MOST_INVOICES
) -> CustomerStanding:
    """Return what a customer has, with so many invoices; raise `Forbidden`, or `NotFound` where nothing is known of it."""
    found = group_of_customer(session, viewer, customer_master_id)
    if found is None and not _is_known(session, customer_master_id):
        raise NotFound(f"There is no customer {customer_master_id}.")
    group, enrolled_on = found or (None, None)
    listed = _unsettled(session, customer_master_id, invoices)
    return CustomerStanding(
        customer_master_id=customer_master_id,
        group=group,
        enrolled_on=enrolled_on,
        member_count=0 if group is None else count_members(session, viewer, group.id),
        companies=_company_totals(session, customer_master_id),
        invoices=listed,
        invoice_count=len(listed) if len(listed) < invoices else _count_unsettled(session, customer_master_id),
        as_of=business_date(session),
    )


def watched_customers(session: Session, viewer: Viewer, overview: CustomerOverview) -> frozenset[str]:
    """Return the customers whose changes may change what the page shows: all of its reward group; raise `Forbidden`."""
    shared = [] if overview.group is None else member_ids(session, viewer, overview.group.id)
    return frozenset({overview.customer_master_id, *shared})


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
    return [CompanyTotals(*row) for row in session.execute(_TOTALS, {"customer": customer_master_id})]


def _unsettled(session: Session, customer_master_id: str, limit: int) -> list[OpenInvoice]:
    """Return the customer's invoices that are not settled, the earliest due first."""
    values = {"customer": customer_master_id, "limit": limit}
    return [OpenInvoice(*row) for row in session.execute(_UNSETTLED, values)]


def _count_unsettled(session: Session, customer_master_id: str) -> int:
    return session.scalars(_UNSETTLED_COUNT, {"customer": customer_master_id}).one()


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
