"""The page on which a password that has expired is replaced (api/renewal.py)."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from api import renewal, sessions
from api.data.users import Account
from api.database import Looking, Writing
from api.errors import NewPasswordRefused
from api.passwords import SHORTEST
from api.ui.sign_in import local_address, sign_in_page
from api.ui.templating import page

router = APIRouter(include_in_schema=False)

TOO_LATE = f"A new password has to be chosen within {renewal.MARK_MINUTES} minutes. Please sign in again."
NOT_THE_SAME = "The two passwords are not the same."


@router.get("/new-password")
def new_password_form(request: Request, session: Looking, next: str = "/") -> Response:  # noqa: A002 - the address's word
    """Show the form to who gave the right password just now; anybody else has to sign in."""
    account = renewal.marked_account(request, session)
    if account is None:
        return RedirectResponse(f"/sign-in?next={quote(local_address(next), safe='')}", 303)
    return _form(request, account, address=next)


# No length is asked of the fields here: what is too long is told beside the field, like everything else.
@router.post("/new-password", dependencies=[Depends(sessions.check_form_token)])
def new_password(
    request: Request,
    session: Writing,
    password: Annotated[str, Form()] = "",
    repeated: Annotated[str, Form()] = "",
    next: Annotated[str, Form(max_length=2000)] = "/",  # noqa: A002 - the form's word
) -> Response:
    """Store the new password and sign in, or show the form again with the reason."""
    account = renewal.marked_account(request, session)
    if account is None:
        return sign_in_page(request, address=next, error=TOO_LATE, status=401)
    if password != repeated:
        return _form(request, account, address=next, repeated_error=NOT_THE_SAME)
    try:
        renewal.finish(request, session, account, password)
    except NewPasswordRefused as refused:
        return _form(request, account, address=next, error=refused.text)
    return RedirectResponse(local_address(next), 303)


def _form(
    request: Request, account: Account, *, address: str, error: str = "", repeated_error: str = ""
) -> HTMLResponse:
    return page(
        request,
        "new_password.html",
        None,
        status_code=NewPasswordRefused.status if error or repeated_error else 200,
        next=local_address(address),
        email=account.email,
        error=error,
        repeated_error=repeated_error,
        shortest=SHORTEST,
    )
