"""The session of a browser: the signed cookie, the viewer that it names, and the token that guards forms (CSRF).

The cookie holds the user's id, a stamp of its password hash, the time of the sign-in and the form token. It is signed, not
secret. Role, reward group and status are read from the database at each request, so a change by the office counts at once.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from typing import Annotated

from fastapi import Depends, Form, Request

from api.core.accounts import Account, account_by_id, admit
from api.core.database import ReadSession
from api.core.errors import Forbidden, SignInRefused, SignInRequired
from api.core.permissions import Viewer
from api.core.settings import WebSettings

COOKIE = "rewards_session"


def start_session(request: Request, account: Account, password_hash: str) -> Viewer:
    """Sign the account in, for as long as it keeps this hash; raise as `admit` does."""
    viewer = admit(account)
    # The session starts empty: nothing that was in a cookie before the sign-in is carried over.
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


def stamp(request: Request, password_hash: str) -> str:
    """Return a digest that ends a session when its password is changed. It is keyed, since the cookie can be read."""
    settings: WebSettings = request.app.state.settings
    key = settings.session_secret.get_secret_value().encode()
    return hmac.new(key, password_hash.encode(), hashlib.sha256).hexdigest()[:24]


def current_viewer(request: Request, session: ReadSession) -> Viewer | None:
    """Return the viewer that is signed in, or None; raise `AccountClosed` where its reward group was closed meanwhile."""
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
    """Return the viewer that is signed in; raise `SignInRequired` where nobody is."""
    if viewer is None:
        raise SignInRequired
    return viewer


def in_the_office(viewer: Annotated[Viewer, Depends(signed_in)]) -> Viewer:
    """Return the viewer that is signed in; raise `Forbidden` unless it works in the office."""
    viewer.require_office()
    return viewer


def fulfils_prizes(viewer: Annotated[Viewer, Depends(signed_in)]) -> Viewer:
    """Return the viewer that is signed in; raise `Forbidden` unless it hands prizes over."""
    viewer.require_fulfilment()
    return viewer


MaybeSignedIn = Annotated[Viewer | None, Depends(current_viewer)]
SignedIn = Annotated[Viewer, Depends(signed_in)]
Office = Annotated[Viewer, Depends(in_the_office)]
Fulfilment = Annotated[Viewer, Depends(fulfils_prizes)]


def form_token(request: Request) -> str:
    """Return the session's form token; make one where there is none yet."""
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
