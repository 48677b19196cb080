"""The office's list of customers, and the page of one customer with its live updates."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment
from sqlalchemy.orm import Session

from api.core.database import ReadSession
from api.core.events import live_events
from api.core.formatting import day, points
from api.core.parameters import After, Before, CustomerId, Once, Search
from api.core.permissions import SITE, Viewer
from api.core.pictures import Picture
from api.core.sessions import SignedIn
from api.core.templating import page, render_part
from api.customers.queries import CustomerOverview, read_customer, require_customer, watched_customers
from api.customers.search import find_customers
from api.entries.pages import chart_part, entry_parts
from api.entries.queries import LOG_PAGE

router = APIRouter(prefix="/customers", include_in_schema=False)

LIST_PAGE: Final = 50
PARTS: Final = "customers/_parts.html"


@router.get("")
def customers(request: Request, viewer: SignedIn, session: ReadSession, q: Search = "", after: After = "") -> Response:
    """Show the office's search; lead a customer to its own page."""
    if not viewer.is_office:
        return RedirectResponse("/", 303)
    text = q.strip()
    found = find_customers(session, viewer, text=text, after=after, limit=LIST_PAGE + 1)
    next_after = found[LIST_PAGE - 1].customer_master_id if len(found) > LIST_PAGE else None
    return page(
        request,
        "customers/customers.html",
        viewer,
        customers=found[:LIST_PAGE],
        q=text,
        after=after,
        next_after=next_after,
    )


@router.get("/{customer_master_id:path}/events")
async def customer_events(request: Request, customer_master_id: CustomerId, *, once: Once = False) -> Response:
    """Stream live updates of a customer's page."""

    def may_see(session: Session, viewer: Viewer) -> None:
        require_customer(session, viewer, customer_master_id)

    def read(session: Session) -> Picture:
        overview = read_customer(session, SITE, customer_master_id)
        return _picture(request.app.state.templates, overview, watched_customers(session, SITE, overview))

    return await live_events(request, f"customer {customer_master_id}", may_see, read, once=once)


@router.get("/{customer_master_id:path}")
def customer(
    request: Request, viewer: SignedIn, session: ReadSession, customer_master_id: CustomerId, before: Before = None
) -> HTMLResponse:
    """Show a customer's page; `before` shows older entries of its log."""
    overview = read_customer(session, viewer, customer_master_id, before=before)
    return page(
        request,
        "customers/customer.html",
        viewer,
        overview=overview,
        picture=_picture(request.app.state.templates, overview),
        entries=overview.entries,
        before=before,
        page_size=LOG_PAGE,
    )


def _picture(environment: Environment, overview: CustomerOverview, watches: frozenset[str] | None = None) -> Picture:
    """Return the parts of the page that change while it is open; without `watches` for the page itself, which renders its own entries."""
    return Picture(
        watches=watches or frozenset(),
        numbers={
            "balance": points(overview.balance),
            "redeemable": points(0 if overview.group is None else overview.group.redeemable),
            "pending": points(overview.pending),
            "at-risk": points(overview.at_risk),
            "at-risk-from": "of late penalties"
            if overview.at_risk_from is None
            else f"from {day(overview.at_risk_from)}",
            "earned": points(overview.earned),
        },
        sections={
            "companies": render_part(environment, PARTS, "companies", companies=overview.companies),
            "pending-list": render_part(environment, PARTS, "pending_list", invoices=overview.invoices),
            "at-risk-list": render_part(environment, PARTS, "at_risk_list", invoices=overview.invoices),
            "invoices": render_part(environment, PARTS, "open_invoices", invoices=overview.invoices),
            "chart": chart_part(environment, overview.points_by_day, overview.as_of),
            "as-of": render_part(environment, "core/_components.html", "as_of", date=overview.as_of),
        },
        entries=[] if watches is None else entry_parts(environment, overview.entries, names=False),
    )
