"""The statement of a customer or a group: all that its page shows, read on one snapshot, and as a live picture."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from jinja2 import Environment
from sqlalchemy.orm import Session

from api.data.customers import CompanyTotals, company_totals, customer_is_known
from api.data.days import business_date
from api.data.entries import Entry, LogScope, log_entries, points_by_day
from api.data.groups import Group, Member, find_group, group_members, group_of_customer
from api.data.invoices import OpenInvoice, open_invoices
from api.errors import NotFound
from api.live import Picture
from api.ui.chart import Chart, balance_chart
from api.ui.formatting import points
from api.ui.templating import render_part

LOG_PAGE = 25


@dataclass(frozen=True, slots=True)
class CustomerStatement:
    """A customer's page."""

    customer_master_id: str
    group: Group | None
    enrolled_on: dt.date | None
    members: list[Member]
    """Of its group, the customer among them."""
    companies: list[CompanyTotals]
    invoices: list[OpenInvoice]
    as_of: dt.date | None
    chart: Chart | None
    entries: list[Entry]
    """One more than LOG_PAGE where there are older ones."""

    @property
    def earned(self) -> int:
        """The customer's own points: the sum of its invoices."""
        return sum(company.points for company in self.companies)

    @property
    def pending(self) -> int:
        """Of the customer's own invoices."""
        return sum(company.pending for company in self.companies)

    @property
    def at_risk(self) -> int:
        """What the next stages would take from the customer's own invoices (negative or 0)."""
        return sum(company.at_risk for company in self.companies)

    @property
    def balance(self) -> int:
        """The group's balance; of a customer in no group its own points."""
        return self.earned if self.group is None else self.group.balance


@dataclass(frozen=True, slots=True)
class GroupStatement:
    """A reward group's page."""

    group: Group
    members: list[Member]
    as_of: dt.date | None
    chart: Chart | None
    entries: list[Entry]
    """One more than LOG_PAGE where there are older ones."""


def customer_scope(customer_master_id: str, group: Group | None) -> LogScope:
    """Return the log of a customer's page."""
    return LogScope(customer_master_id, None if group is None else group.id)


def read_customer(session: Session, customer_master_id: str) -> CustomerStatement:
    """Read a customer's statement; raises `NotFound` where nothing is known of it."""
    found = group_of_customer(session, customer_master_id)
    if found is None and not customer_is_known(session, customer_master_id):
        raise NotFound(f"There is no customer {customer_master_id}.")
    group, enrolled_on = found or (None, None)
    scope = customer_scope(customer_master_id, group)
    # The picture is of the same balance as the number above it: the group's, where there is one.
    balance_scope = scope if group is None else LogScope(reward_group_id=group.id)
    as_of = business_date(session)
    return CustomerStatement(
        customer_master_id=customer_master_id,
        group=group,
        enrolled_on=enrolled_on,
        members=[] if group is None else group_members(session, group.id),
        companies=company_totals(session, customer_master_id),
        invoices=open_invoices(session, customer_master_id),
        as_of=as_of,
        chart=balance_chart(points_by_day(session, balance_scope), as_of),
        entries=log_entries(session, scope, limit=LOG_PAGE + 1),
    )


def read_group(session: Session, reward_group_id: int) -> GroupStatement:
    """Read a group's statement; raises `NotFound` where there is none."""
    group = find_group(session, reward_group_id)
    if group is None:
        raise NotFound(f"There is no reward group {reward_group_id}.")
    scope = LogScope(reward_group_id=reward_group_id)
    as_of = business_date(session)
    return GroupStatement(
        group=group,
        members=group_members(session, reward_group_id),
        as_of=as_of,
        chart=balance_chart(points_by_day(session, scope), as_of),
        entries=log_entries(session, scope, limit=LOG_PAGE + 1),
    )


def picture_of_customer(environment: Environment, statement: CustomerStatement) -> Picture:
    """Return the parts of the customer's page that change while it is open."""
    return Picture(
        watches=frozenset({statement.customer_master_id, *(member.customer_master_id for member in statement.members)}),
        numbers={
            "balance": points(statement.balance),
            "redeemable": points(0 if statement.group is None else statement.group.redeemable),
            "pending": points(statement.pending),
            "at-risk": points(statement.at_risk),
            "earned": points(statement.earned),
        },
        sections={
            "companies": render_part(environment, "_parts.html", "companies", companies=statement.companies),
            "pending-list": render_part(environment, "_parts.html", "pending_list", invoices=statement.invoices),
            "at-risk-list": render_part(environment, "_parts.html", "at_risk_list", invoices=statement.invoices),
            "invoices": render_part(environment, "_parts.html", "open_invoices", invoices=statement.invoices),
            "chart": render_part(environment, "_parts.html", "chart", chart=statement.chart),
            "as-of": render_part(environment, "_parts.html", "as_of", date=statement.as_of),
        },
        entries=_entries(environment, statement.entries, names=False),
    )


def picture_of_group(environment: Environment, statement: GroupStatement) -> Picture:
    """Return the parts of the group's page that change while it is open."""
    return Picture(
        watches=frozenset(member.customer_master_id for member in statement.members),
        numbers={
            "balance": points(statement.group.balance),
            "redeemable": points(statement.group.redeemable),
            "pending": points(statement.group.pending),
        },
        sections={
            "members": render_part(environment, "_parts.html", "members", members=statement.members),
            "chart": render_part(environment, "_parts.html", "chart", chart=statement.chart),
            "as-of": render_part(environment, "_parts.html", "as_of", date=statement.as_of),
        },
        entries=_entries(environment, statement.entries, names=True),
    )


def _entries(environment: Environment, entries: list[Entry], *, names: bool) -> list[tuple[int, str]]:
    return [
        (entry.id, render_part(environment, "_parts.html", "log_entry", entry=entry, names=names))
        for entry in entries[:LOG_PAGE]
    ]
