"""Customers as JSON: the same queries as the pages, with the same permissions."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api.core.database import ReadSession
from api.core.parameters import After, Before, CustomerId, Limit, Search
from api.core.schemas import NOT_FOUND, PROBLEMS, answer
from api.core.sessions import SignedIn
from api.customers import queries
from api.customers.schemas import (
    AtRiskOut,
    CompanyOut,
    CustomerOut,
    CustomersOut,
    InvoiceOut,
    PendingOut,
)
from api.customers.search import find_customers
from api.entries.schemas import EntriesOut, page_of_entries
from api.groups.schemas import GroupTotals

router = APIRouter(prefix="/api/customers", tags=["customers"], responses=PROBLEMS)


@router.get("", response_model=CustomersOut)
def customers(viewer: SignedIn, session: ReadSession, q: Search = "", after: After = "", limit: Limit = 50) -> Response:
    """Show customers that take part, by customer_master_id: the office sees all, a customer those of its group."""
    found = find_customers(session, viewer, text=q.strip(), after=after, limit=limit + 1)
    next_after = found[limit - 1].customer_master_id if len(found) > limit else None
    return answer({"customers": found[:limit], "next_after": next_after})


# The log's address is registered first: `path` takes whatever a customer_master_id may hold, slashes included.
@router.get("/{customer_master_id:path}/entries", responses=NOT_FOUND, response_model=EntriesOut)
def customer_entries(
    viewer: SignedIn, session: ReadSession, customer_master_id: CustomerId, before: Before = None, limit: Limit = 50
) -> Response:
    """Show a customer's log, newest first: its own entries and those of its group that belong to no customer."""
    found = queries.customer_entries(session, viewer, customer_master_id, before=before, limit=limit + 1)
    return page_of_entries(found, limit)


@router.get("/{customer_master_id:path}", responses=NOT_FOUND)
def customer(viewer: SignedIn, session: ReadSession, customer_master_id: CustomerId) -> CustomerOut:
    """Show a customer's totals by company, what is pending, what is at risk, and its open invoices, those due first."""
    overview = queries.read_standing(session, viewer, customer_master_id)
    return CustomerOut(
        customer_master_id=customer_master_id,
        as_of=overview.as_of,
        enrolled_on=overview.enrolled_on,
        group=None if overview.group is None else GroupTotals.model_validate(overview.group),
        balance=overview.balance,
        points=overview.earned,
        pending=overview.pending,
        at_risk=overview.at_risk,
        companies=[CompanyOut.model_validate(row) for row in overview.companies],
        pending_invoices=[
            PendingOut(
                company=row.company, document=row.document, points=row.pending, pay_by=row.deadline_on, open=row.open
            )
            for row in overview.invoices
            if row.pending
        ],
        at_risk_invoices=[
            AtRiskOut(company=row.company, document=row.document, points=row.at_risk, on=row.at_risk_on, open=row.open)
            for row in overview.invoices
            if row.at_risk
        ],
        invoice_count=overview.invoice_count,
        open_invoices=[InvoiceOut.model_validate(row) for row in overview.invoices if row.open > 0],
    )
