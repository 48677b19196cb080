"""The page of where an account is signed in."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from api.core.database import ReadSession, WriteSession
from api.core.parameters import BIGINT_MAX
from api.core.sessions import SignedIn, check_form_token, current_digest
from api.core.templating import page
from api.sessions.browsers import browser_name
from api.sessions.commands import end_one, end_others
from api.sessions.queries import own_sessions

router = APIRouter(prefix="/sessions", include_in_schema=False)

ADDRESS: Final = "/sessions"


@router.get("")
def sessions(request: Request, viewer: SignedIn, session: ReadSession) -> HTMLResponse:
    """Show the sessions of one's own account."""
    found = own_sessions(session, viewer, current_digest(request))
    named = [(one, browser_name(one.browser)) for one in found]
    return page(request, "sessions/sessions.html", viewer, sessions=named)


@router.post("/end", dependencies=[Depends(check_form_token)])
def end(
    request: Request,
    viewer: SignedIn,
    session: WriteSession,
    id: Annotated[int, Form(ge=1, le=BIGINT_MAX)],  # noqa: A002 - the form's word
) -> RedirectResponse:
    """End one; the one that this is leads to the sign-in."""
    if end_one(session, viewer, id) == current_digest(request):
        request.session.clear()
        return RedirectResponse("/sign-in", 303)
    return RedirectResponse(ADDRESS, 303)


@router.post("/end-others", dependencies=[Depends(check_form_token)])
def end_all_others(request: Request, viewer: SignedIn, session: WriteSession) -> RedirectResponse:
    """End all but this one."""
    end_others(session, viewer, current_digest(request))
    return RedirectResponse(ADDRESS, 303)
