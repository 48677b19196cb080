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
from api.users import signing_in
from api.users.schemas import NewPassword, SessionOut, SignIn

_PASSWORD_PROBLEMS: Final[Responses] = {
    401: {"model": Problem, "description": "Wrong e-mail or password, or a role without access"},
    403: {"model": Problem, "description": "The account is closed, or (`password_expired`) a new password is due"},
    429: {"model": Problem, "description": "Too many failed sign ins; `Retry-After` says when to try again"},
    503: {"model": Problem, "description": "Too many sign ins at once; `Retry-After` says when to try again"},
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
async def sign_in(request: Request, body: SignIn) -> SessionOut:
    """Sign in; the answer sets the session cookie."""
    return _session(await signing_in.sign_in(request, body.email, body.password.get_secret_value()))


@router.get("/session")
def who_is_signed_in(viewer: SignedIn) -> SessionOut:
    """Who is signed in."""
    return _session(viewer)


@router.delete("/session", status_code=204, response_class=Response)
def sign_out(request: Request, session: WriteSession) -> None:
    """Sign out: the session ends, whoever has a copy of its cookie."""
    sessions.end_session(request, session)


@router.post("/password", responses=_NEW_PASSWORD_PROBLEMS)
async def new_password(request: Request, body: NewPassword) -> SessionOut:
    """Choose a new password, also in place of one that has expired, and sign in; other sessions of the user end."""
    viewer = await signing_in.replace_password(
        request, body.email, body.password.get_secret_value(), body.new_password.get_secret_value()
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
