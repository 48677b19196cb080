"""Sessions as JSON: the same queries and commands as the page."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api.core.database import ReadSession, WriteSession
from api.core.parameters import SessionId
from api.core.schemas import NOT_FOUND, PROBLEMS
from api.core.sessions import SignedIn, current_digest
from api.sessions.commands import end_one, end_others
from api.sessions.queries import own_sessions
from api.sessions.schemas import SignedInSessionOut, SignedInSessionsOut

router = APIRouter(prefix="/api/sessions", tags=["session"], responses=PROBLEMS)


@router.get("")
def sessions(request: Request, viewer: SignedIn, session: ReadSession) -> SignedInSessionsOut:
    """Where your account is signed in."""
    found = own_sessions(session, viewer, current_digest(request))
    return SignedInSessionsOut(sessions=[SignedInSessionOut.model_validate(one) for one in found])


@router.delete("", status_code=204, response_class=Response)
def end_all_others(request: Request, viewer: SignedIn, session: WriteSession) -> None:
    """End all sessions of your account but this one."""
    end_others(session, viewer, current_digest(request))


@router.delete("/{session_id}", status_code=204, response_class=Response, responses=NOT_FOUND)
def end(viewer: SignedIn, session: WriteSession, session_id: SessionId) -> None:
    """End a session of your account."""
    end_one(session, viewer, session_id)
