"""Signing in and out and a new password as JSON.

Requests that change something take JSON or DELETE only, which no form of another site can send (CSRF).
"""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response

from api.core import sessions
from api.core.database import WriteSession
from api.core.permissions import Viewer
from api.core.schemas import PROBLEMS, Problem, Responses
from api.core.sessions import SignedIn
from api.users import commands
from api.users.schemas import NewPassword, SessionOut, SignIn

_PASSWORD_PROBLEMS: Final[Responses] = {
    401: {"model": Problem, "description": "Wrong e-mail or password, or a role without access"},
    403: {"model": Problem, "description": "The account is closed, or (`password_expired`) a new password is due"},
    429: {"model": Problem, "description": "Too many failed sign ins"},
}
_NEW_PASSWORD_PROBLEMS: Final[Responses] = _PASSWORD_PROBLEMS | {
    403: {"model": Problem, "description": "The account is closed"},
    422: {
        "model": Problem,
        "description": "The new password is not taken (`new_password_refused`), or no valid request",
    },
}

router = APIRouter(prefix="/api", tags=["session"], responses=PROBLEMS)


@router.post("/session", responses=_PASSWORD_PROBLEMS)
def sign_in(request: Request, session: WriteSession, body: SignIn) -> SessionOut:
    """Sign in; the answer sets the session cookie."""
    return _session(commands.sign_in(request, session, body.email, body.password.get_secret_value()))


@router.get("/session")
def who_is_signed_in(viewer: SignedIn) -> SessionOut:
    """Who is signed in."""
    return _session(viewer)


@router.delete("/session", status_code=204, response_class=Response)
def sign_out(request: Request) -> None:
    """Sign out."""
    sessions.sign_out(request)


@router.post("/password", responses=_NEW_PASSWORD_PROBLEMS)
def new_password(request: Request, session: WriteSession, body: NewPassword) -> SessionOut:
    """Choose a new password, also in place of one that has expired, and sign in; other sessions of the user end."""
    viewer = commands.replace_password(
        request,
        session,
        email=body.email,
        password=body.password.get_secret_value(),
        new_password=body.new_password.get_secret_value(),
    )
    return _session(viewer)


def _session(viewer: Viewer) -> SessionOut:
    return SessionOut(
        user_id=viewer.user_id,
        email=viewer.email,
        name=viewer.name,
        role=viewer.role.title,
        reward_group_id=viewer.reward_group_id,
    )
