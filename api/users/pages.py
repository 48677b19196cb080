"""The pages for signing in and out and for a new password, and the start page."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from api.core import sessions
from api.core.accounts import Account
from api.core.addresses import segment_of
from api.core.database import ReadSession, WriteSession
from api.core.errors import (
    AccountClosed,
    Forbidden,
    NewPasswordRefused,
    PasswordExpired,
    RequestError,
    SignInRefused,
    TooBusy,
    TooManyAttempts,
)
from api.core.parameters import LONGEST_CUSTOMER_ID
from api.core.sessions import MaybeSignedIn, SignedIn
from api.core.templating import page
from api.groups.queries import group_members
from api.users import renewal, signing_in
from api.users.passwords import SHORTEST

router = APIRouter(include_in_schema=False)

TOO_LATE = f"A new password has to be chosen within {renewal.MARK_MINUTES} minutes. Please sign in again."
LONGEST_ADDRESS = 5 * LONGEST_CUSTOMER_ID
"""Characters of an address that a sign-in leads back to: a customer's id is three times as long when it is percent-encoded."""
NOT_THE_SAME = "The two passwords are not the same."


@router.get("/")
def start(viewer: SignedIn, session: ReadSession) -> Response:
    """Lead the office to its list of customers, and a customer to its own page (its group's where that has several)."""
    if viewer.is_office:
        return RedirectResponse("/customers", 303)
    if viewer.reward_group_id is None:
        raise Forbidden("Your account belongs to no reward group yet. Please ask the office.")
    members = group_members(session, viewer, viewer.reward_group_id)
    if len(members) == 1:
        return RedirectResponse(f"/customers/{segment_of(members[0].customer_master_id)}", 303)
    return RedirectResponse(f"/groups/{viewer.reward_group_id}", 303)


@router.get("/sign-in")
def sign_in_form(request: Request, viewer: MaybeSignedIn, next: str = "/") -> Response:  # noqa: A002 - the address's word
    """Show the form; lead on a viewer that is signed in already."""
    if viewer is not None:
        return RedirectResponse(local_address(next), 303)
    return _sign_in_page(request, address=next)


@router.post("/sign-in", dependencies=[Depends(sessions.check_form_token)])
async def sign_in(
    request: Request,
    email: Annotated[str, Form(max_length=255)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
    next: Annotated[str, Form(max_length=LONGEST_ADDRESS)] = "/",  # noqa: A002 - the form's word
) -> Response:
    """Start a session, lead to a new password where it has expired, or show the form again with the reason."""
    try:
        await signing_in.sign_in(request, email, password)
    except PasswordExpired as expired:
        renewal.begin(request, expired)
        return RedirectResponse(f"/new-password?next={quote(local_address(next), safe='')}", 303)
    except (SignInRefused, TooManyAttempts, TooBusy, AccountClosed) as refused:
        return _sign_in_page(request, address=next, email=email, refused=refused)
    return RedirectResponse(local_address(next), 303)


@router.post("/sign-out", dependencies=[Depends(sessions.check_form_token)])
def sign_out(request: Request, session: WriteSession) -> Response:
    """End the session."""
    sessions.end_session(request, session)
    return RedirectResponse("/sign-in", 303)


@router.get("/new-password")
def new_password_form(request: Request, next: str = "/") -> Response:  # noqa: A002 - the address's word
    """Show the form to a browser that gave the right password just now; any other has to sign in."""
    account = renewal.read_marked_account(request)
    if account is None:
        return RedirectResponse(f"/sign-in?next={quote(local_address(next), safe='')}", 303)
    return _new_password_page(request, account, address=next)


# The fields have no limit of length here: a password that is too long is answered beside the field, like other faults.
@router.post("/new-password", dependencies=[Depends(sessions.check_form_token)])
async def new_password(
    request: Request,
    password: Annotated[str, Form()] = "",
    repeated: Annotated[str, Form()] = "",
    next: Annotated[str, Form(max_length=LONGEST_ADDRESS)] = "/",  # noqa: A002 - the form's word
) -> Response:
    """Store the new password and sign in, or show the form again with the reason."""
    account = await run_in_threadpool(renewal.read_marked_account, request)
    if account is None:
        return _sign_in_page(request, address=next, refused=SignInRefused(TOO_LATE))
    if password != repeated:
        return _new_password_page(request, account, address=next, repeated_error=NOT_THE_SAME)
    try:
        await signing_in.choose_password(request, account, password)
    except NewPasswordRefused as refused:
        return _new_password_page(request, account, address=next, error=refused.text)
    return RedirectResponse(local_address(next), 303)


def local_address(address: str) -> str:
    """Return the address where it is one of this site's, else the start page: a sign-in must not lead elsewhere."""
    if not address.startswith("/") or address.startswith("//") or any(c in address for c in "\\\r\n\t\x00"):
        return "/"
    return address


def _sign_in_page(
    request: Request, *, address: str, email: str = "", refused: RequestError | None = None
) -> HTMLResponse:
    """Return the form, with the reason where somebody could not be signed in."""
    answer = page(
        request,
        "users/sign_in.html",
        None,
        status_code=200 if refused is None else refused.status,
        next=local_address(address),
        email=email,
        error="" if refused is None else refused.text,
    )
    if refused is not None and refused.retry_after_seconds is not None:
        answer.headers["Retry-After"] = str(refused.retry_after_seconds)
    return answer


def _new_password_page(
    request: Request, account: Account, *, address: str, error: str = "", repeated_error: str = ""
) -> HTMLResponse:
    return page(
        request,
        "users/new_password.html",
        None,
        status_code=NewPasswordRefused.status if error or repeated_error else 200,
        next=local_address(address),
        email=account.email,
        error=error,
        repeated_error=repeated_error,
        shortest=SHORTEST,
    )
