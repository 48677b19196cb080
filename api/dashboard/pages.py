"""The ops pages: consumer lag of every agent, per partition, in records and seconds; what is wrong with the sources; reloads that wait.

The lag process (streams/lag) measures, has the sources checked, and writes both. The page shows it, and says what is no longer fresh.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from api.core.database import ReadSession, WriteSession
from api.core.sessions import Office, check_form_token
from api.core.templating import page, render_part
from api.dashboard.commands import accept_reload
from api.dashboard.queries import read_lag, read_reloads

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


@router.get("/lag/reloads")
def reloads(request: Request, viewer: Office, session: ReadSession) -> HTMLResponse:
    """Show what truncates and snapshots have not shown again, and what taking that would cost."""
    return page(request, "dashboard/reloads.html", viewer, reloads=read_reloads(session, viewer))


@router.post("/lag/reloads", dependencies=[Depends(check_form_token)])
def accept(
    viewer: Office,
    session: WriteSession,
    topic: Annotated[str, Form(max_length=249)],
    snapshot_lsn: Annotated[int, Form(ge=0, lt=2**63)],
    lsn: Annotated[int, Form(ge=0, lt=2**63)],
) -> RedirectResponse:
    """Take the word that what it lacks is gone; the page then says how it stands."""
    accept_reload(session, viewer, (topic, snapshot_lsn, lsn))
    return RedirectResponse("/lag/reloads", 303)
