"""The pages of customers and groups, with their live updates as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from api.data.customers import find_customers
from api.data.entries import Entry, LogScope, log_entries
from api.data.groups import group_of_customer
from api.database import Database, Looking
from api.live import Live, Picture, Reader
from api.permissions import Viewer
from api.sessions import SignedIn
from api.settings import WebSettings
from api.ui import statements
from api.ui.parameters import After, Before, CustomerId, GroupId, Search
from api.ui.statements import LOG_PAGE, CustomerStatement, GroupStatement
from api.ui.templating import page

router = APIRouter(include_in_schema=False)

LIST_PAGE = 50
RETRY_MS = 500


@router.get("/customers")
def customers(request: Request, viewer: SignedIn, session: Looking, q: Search = "", after: After = "") -> Response:
    """Show the office's search; a customer is led to its own group."""
    if not viewer.is_office:
        return RedirectResponse("/", 303)
    text = q.strip()
    found = find_customers(session, text=text, after=after, limit=LIST_PAGE + 1)
    next_after = found[LIST_PAGE - 1].customer_master_id if len(found) > LIST_PAGE else None
    return page(
        request, "customers.html", viewer, customers=found[:LIST_PAGE], q=text, after=after, next_after=next_after
    )


@router.get("/customers/{customer_master_id:path}/events")
def customer_events(request: Request, viewer: SignedIn, session: Looking, customer_master_id: CustomerId) -> Response:
    """Live updates of a customer's page."""
    require_customer(session, viewer, customer_master_id)

    def read(session: Looking) -> Picture:
        return statements.picture_of_customer(
            request.app.state.templates, statements.read_customer(session, customer_master_id)
        )

    return _events(request, f"customer {customer_master_id}", read)


@router.get("/customers/{customer_master_id:path}")
def customer(
    request: Request, viewer: SignedIn, session: Looking, customer_master_id: CustomerId, before: Before = None
) -> HTMLResponse:
    """Show a customer's page; `before` shows older entries of its log."""
    require_customer(session, viewer, customer_master_id)
    statement = statements.read_customer(session, customer_master_id)
    picture = statements.picture_of_customer(request.app.state.templates, statement)
    scope = statements.customer_scope(customer_master_id, statement.group)
    return _statement(
        request, "customer.html", viewer, statement, picture, _entries(session, scope, statement, before), before
    )


@router.get("/groups/{reward_group_id}/events")
def group_events(request: Request, viewer: SignedIn, reward_group_id: GroupId) -> Response:
    """Live updates of a group's page."""
    viewer.require_group(reward_group_id)

    def read(session: Looking) -> Picture:
        return statements.picture_of_group(request.app.state.templates, statements.read_group(session, reward_group_id))

    return _events(request, f"group {reward_group_id}", read)


@router.get("/groups/{reward_group_id}")
def group(
    request: Request, viewer: SignedIn, session: Looking, reward_group_id: GroupId, before: Before = None
) -> HTMLResponse:
    """Show a group's page; `before` shows older entries of its log."""
    viewer.require_group(reward_group_id)
    statement = statements.read_group(session, reward_group_id)
    picture = statements.picture_of_group(request.app.state.templates, statement)
    scope = LogScope(reward_group_id=reward_group_id)
    return _statement(
        request, "group.html", viewer, statement, picture, _entries(session, scope, statement, before), before
    )


def require_customer(session: Looking, viewer: Viewer, customer_master_id: str) -> None:
    """Raise `Forbidden` unless the viewer may see the customer; it learns nothing of whether there is one."""
    if viewer.is_office:
        return
    found = group_of_customer(session, customer_master_id)
    viewer.require_group(None if found is None else found[0].id)


def _entries(
    session: Looking, scope: LogScope, statement: CustomerStatement | GroupStatement, before: int | None
) -> list[Entry]:
    return statement.entries if before is None else log_entries(session, scope, before=before, limit=LOG_PAGE + 1)


def _statement(
    request: Request,
    template: str,
    viewer: Viewer,
    statement: CustomerStatement | GroupStatement,
    picture: Picture,
    entries: list[Entry],
    before: int | None,
) -> HTMLResponse:
    values: dict[str, Any] = {"entries": entries, "before": before, "page_size": LOG_PAGE}
    return page(request, template, viewer, statement=statement, picture=picture, **values)


def _events(request: Request, name: str, read: Callable[[Looking], Picture]) -> EventSourceResponse:
    """Stream a first update with everything, then what differs; a beat now and then shows that it is alive."""
    database: Database = request.app.state.database
    live: Live = request.app.state.live
    settings: WebSettings = request.app.state.settings

    def read_anew() -> Picture:
        with database.looking.begin() as session:
            return read(session)

    return EventSourceResponse(
        _stream(live, name, read_anew, settings.live_minutes * 60),
        ping=settings.live_beat_seconds,
        ping_message_factory=lambda: ServerSentEvent(event="beat", data="1"),
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _stream(live: Live, name: str, read: Reader, seconds: float) -> AsyncIterator[ServerSentEvent]:
    updates = live.updates(name, read)
    try:
        async with asyncio.timeout(seconds):
            async for update in updates:
                yield ServerSentEvent(event="update", data=orjson.dumps(update).decode(), retry=RETRY_MS)
    except TimeoutError:
        # The page connects again at once and is authorised again.
        return
    finally:
        await updates.aclose()
