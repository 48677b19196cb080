"""The office's page of records that could not be used, with what can be decided of them."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session

from api.core.database import ReadSession, WriteSession
from api.core.parameters import BIGINT_MAX, Before
from api.core.permissions import Viewer
from api.core.sessions import Office, check_form_token
from api.core.templating import page
from api.dead_letters.commands import Decision, DecisionRefused, decide
from api.dead_letters.queries import read_letters
from streams.jobs.dead_letters import STATUSES

router = APIRouter(prefix="/dead-letters", include_in_schema=False)

ADDRESS: Final = "/dead-letters"
LETTERS_PAGE: Final = 100
Chosen = Annotated[int, Form(ge=1, le=BIGINT_MAX)]


@router.get("")
def letters(
    request: Request,
    viewer: Office,
    session: ReadSession,
    all: bool = False,  # noqa: A002 - the address's word
    before: Before = None,
) -> HTMLResponse:
    """Show the open letters, or all; `before` shows older ones."""
    return _page(request, viewer, session, everything=all, before=before)


@router.post("", dependencies=[Depends(check_form_token)])
def decision(
    request: Request,
    viewer: Office,
    session: WriteSession,
    decision: Annotated[Decision, Form()],
    id: Annotated[list[Chosen] | None, Form()] = None,  # noqa: A002 - the form's word
    everything: Annotated[bool, Form()] = False,
    reason: Annotated[str, Form()] = "",
) -> Response:
    """Decide of the chosen letters, or of all open ones; show the page again with what could not be done."""
    try:
        decided = decide(session, viewer, decision, None if everything else id or [], reason)
    except DecisionRefused as refused:
        return _page(request, viewer, session, everything=False, error=refused.text, status=refused.status)
    if decided.refused:
        return _page(request, viewer, session, everything=False, refused=decided.refused)
    return RedirectResponse(ADDRESS, 303)


def _page(
    request: Request,
    viewer: Viewer,
    session: Session,
    *,
    everything: bool,
    before: int | None = None,
    error: str = "",
    refused: dict[int, str] | None = None,
    status: int = 200,
) -> HTMLResponse:
    statuses = STATUSES if everything else ("open",)
    found = read_letters(session, viewer, statuses=statuses, limit=LETTERS_PAGE + 1, before=before)
    return page(
        request,
        "dead_letters/dead_letters.html",
        viewer,
        status_code=status,
        found=found,
        page_size=LETTERS_PAGE,
        before=before,
        everything=everything,
        error=error,
        refused=refused or {},
    )
