"""The pages for signing in and out, and the start page."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from api import renewal, sessions
from api.data.groups import group_members
from api.database import Looking, Writing
from api.errors import AccountClosed, Forbidden, PasswordExpired, SignInRefused, TooManyAttempts
from api.sessions import MaybeSignedIn, SignedIn
from api.ui.templating import page

router = APIRouter(include_in_schema=False)


@router.get("/")
def start(viewer: SignedIn, session: Looking) -> Response:
    """To the office's list of customers, or to the customer's own page (its group's where it has several)."""
    if viewer.is_office:
        return RedirectResponse("/customers", 303)
    if viewer.reward_group_id is None:
        raise Forbidden("Your account belongs to no reward group yet. Please ask the office.")
    members = group_members(session, viewer.reward_group_id)
    if len(members) == 1:
        return RedirectResponse(f"/customers/{quote(members[0].customer_master_id, safe='')}", 303)
    return RedirectResponse(f"/groups/{viewer.reward_group_id}", 303)


@router.get("/sign-in")
def sign_in_form(request: Request, viewer: MaybeSignedIn, next: str = "/") -> Response:  # noqa: A002 - the address's word
    """Show the form; who is signed in already goes on."""
    if viewer is not None:
        return RedirectResponse(local_address(next), 303)
    return sign_in_page(request, address=next)


@router.post("/sign-in", dependencies=[Depends(sessions.check_form_token)])
def sign_in(
    request: Request,
    session: Writing,
    email: Annotated[str, Form(max_length=255)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
    next: Annotated[str, Form(max_length=2000)] = "/",  # noqa: A002 - the form's word
) -> Response:
    """Start a session, lead to a new password where it has expired, or show the form again with the reason."""
    try:
        sessions.sign_in(request, session, email, password)
    except PasswordExpired as expired:
        renewal.begin(request, expired)
        return RedirectResponse(f"/new-password?next={quote(local_address(next), safe='')}", 303)
    except (SignInRefused, TooManyAttempts, AccountClosed) as refused:
        return sign_in_page(request, address=next, email=email, error=refused.text, status=refused.status)
    return RedirectResponse(local_address(next), 303)


@router.post("/sign-out", dependencies=[Depends(sessions.check_form_token)])
def sign_out(request: Request) -> Response:
    """End the session."""
    sessions.sign_out(request)
    return RedirectResponse("/sign-in", 303)


def local_address(address: str) -> str:
    """Return the address where it is one of this site's, else the start page: a sign in must not lead elsewhere."""
    if not address.startswith("/") or address.startswith("//") or any(c in address for c in "\\\r\n\t\x00"):
        return "/"
    return address


def sign_in_page(
    request: Request, *, address: str, email: str = "", error: str = "", status: int = 200
) -> HTMLResponse:
    """Return the form, with the reason where somebody could not be signed in."""
    return page(
        request, "sign_in.html", None, status_code=status, next=local_address(address), email=email, error=error
    )
