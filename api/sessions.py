"""Who is signed in: the signed cookie, signing in and out, and the token that a form must bring along (CSRF).

The cookie holds the id of the user, a stamp of its password hash, the time of the sign in and the form token; it is
signed, not secret. Role, group and status are read from the database at each request: what the office changes counts.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from typing import Annotated

from fastapi import Depends, Form, Request
from sqlalchemy.orm import Session

from api.attempts import SignInAttempts
from api.data.users import Account, account_by_email, account_by_id, replace_password_hash
from api.database import Looking
from api.errors import AccountClosed, Forbidden, PasswordExpired, SignInRefused, SignInRequired
from api.passwords import hash_password, needs_new_hash, password_matches, spend_the_time_of_a_check
from api.permissions import Role, Viewer
from api.settings import WebSettings

COOKIE = "rewards_session"
_ROLES = {role.value: role for role in Role}
WRONG = "The e-mail or the password is not right."


def sign_in(request: Request, session: Session, email: str, password: str) -> Viewer:
    """Check the password and start a session.

    Raises:
        PasswordExpired: a new password has to be chosen first (api/renewal.py).
        SignInRefused, AccountClosed, TooManyAttempts: as `check_password`.

    """
    account = check_password(request, session, email, password)
    if account.password_expired:
        raise PasswordExpired(account.id, stamp(request, account.password_hash))
    password_hash = account.password_hash
    if needs_new_hash(account.password_hash, account.password_salt):
        password_hash = hash_password(password)
        replace_password_hash(session, account.id, old_hash=account.password_hash, new_hash=password_hash)
    return start_session(request, account, password_hash)


def check_password(request: Request, session: Session, email: str, password: str) -> Account:
    """Return the account with this e-mail and password, whether or not the password has expired.

    Raises:
        TooManyAttempts: the e-mail has to wait.
        SignInRefused: unknown e-mail or wrong password (it does not say which), a role without access.
        AccountClosed: the reward group is closed. Told only to who knows the password.

    """
    attempts: SignInAttempts = request.app.state.attempts
    attempts.begin(email)
    account = account_by_email(session, email.strip())
    if account is None:
        spend_the_time_of_a_check(password)
        raise SignInRefused(WRONG)
    if not password_matches(password, account.password_hash, account.password_salt):
        raise SignInRefused(WRONG)
    attempts.succeeded(email)
    admit(account)
    return account


def start_session(request: Request, account: Account, password_hash: str) -> Viewer:
    """Sign the account in, for as long as it keeps this hash; raises as `admit`."""
    viewer = admit(account)
    # A new session from scratch: nothing that was in a cookie before the sign in is carried over.
    request.session.clear()
    request.session.update(
        {
            "user": account.id,
            "stamp": stamp(request, password_hash),
            "at": int(time.time()),
            "csrf": secrets.token_urlsafe(24),
        }
    )
    return viewer


def sign_out(request: Request) -> None:
    """End the session."""
    request.session.clear()


def admit(account: Account) -> Viewer:
    """Return what the account may do; raises `AccountClosed`, or `SignInRefused` where its role has no access."""
    if account.group_status == "closed":
        raise AccountClosed
    role = _ROLES.get(account.role_id, Role.NO_ACCESS)
    if role is Role.NO_ACCESS:
        raise SignInRefused("This account has no access.")
    return Viewer(account.id, account.email, account.name, role, account.reward_group_id)


def stamp(request: Request, password_hash: str) -> str:
    """Return a digest by which a session ends when its password is changed; keyed, since the cookie can be read."""
    settings: WebSettings = request.app.state.settings
    key = settings.session_secret.get_secret_value().encode()
    return hmac.new(key, password_hash.encode(), hashlib.sha256).hexdigest()[:24]


def current_viewer(request: Request, session: Looking) -> Viewer | None:
    """Who is signed in, or None; raises `AccountClosed` where the group was closed meanwhile."""
    user_id = request.session.get("user")
    settings: WebSettings = request.app.state.settings
    if not isinstance(user_id, int) or time.time() - request.session.get("at", 0) > settings.session_hours * 3600:
        return None
    account = account_by_id(session, user_id)
    if account is None or not hmac.compare_digest(
        stamp(request, account.password_hash), str(request.session.get("stamp"))
    ):
        return None
    try:
        viewer = admit(account)
    except SignInRefused:
        return None
    request.state.viewer = viewer
    return viewer


def signed_in(viewer: Annotated[Viewer | None, Depends(current_viewer)]) -> Viewer:
    """Who is signed in; raises `SignInRequired`."""
    if viewer is None:
        raise SignInRequired
    return viewer


def in_the_office(viewer: Annotated[Viewer, Depends(signed_in)]) -> Viewer:
    """Who is signed in and works in the office; raises `Forbidden`."""
    viewer.require_office()
    return viewer


def fulfils_prizes(viewer: Annotated[Viewer, Depends(signed_in)]) -> Viewer:
    """Who is signed in and hands prizes over; raises `Forbidden`."""
    viewer.require_fulfilment()
    return viewer


MaybeSignedIn = Annotated[Viewer | None, Depends(current_viewer)]
SignedIn = Annotated[Viewer, Depends(signed_in)]
Office = Annotated[Viewer, Depends(in_the_office)]
Fulfilment = Annotated[Viewer, Depends(fulfils_prizes)]


def form_token(request: Request) -> str:
    """Return the session's form token, made where there is none yet."""
    token = request.session.get("csrf")
    if not isinstance(token, str):
        token = secrets.token_urlsafe(24)
        request.session["csrf"] = token
    return token


def check_form_token(request: Request, csrf_token: Annotated[str, Form()] = "") -> None:
    """Raise `Forbidden` unless the form brought the session's token along."""
    expected = request.session.get("csrf")
    if not isinstance(expected, str) or not hmac.compare_digest(expected.encode(), csrf_token.encode()):
        raise Forbidden("This form is out of date. Please go back, reload the page and try again.")
