"""The ops page of consumer lag: every agent, per partition, in records and seconds.

The lag process (streams/lag) measures and writes `consumer_lag`. The page shows it, and says when no measurement is fresh.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from api.core.database import ReadSession
from api.core.sessions import Office
from api.core.templating import page, render_part
from api.dashboard.queries import read_lag

router = APIRouter(include_in_schema=False)


@router.get("/lag")
def lag(request: Request, viewer: Office, session: ReadSession) -> HTMLResponse:
    """Show the page."""
    return page(request, "dashboard/lag.html", viewer, report=read_lag(session, viewer))


@router.get("/lag/agents")
def lag_agents(request: Request, viewer: Office, session: ReadSession) -> HTMLResponse:
    """Show the part of the page that changes, read again every second."""
    report = read_lag(session, viewer)
    return HTMLResponse(render_part(request.app.state.templates, "dashboard/_lag.html", "agents", report=report))
