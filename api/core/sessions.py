"""The session of a browser: the row that it stands in, the viewer that it names, and the token that guards forms (CSRF).

The cookie holds a random token, signed; its row in `user_sessions` has the token's digest. Without the row the cookie opens nothing,
however often it was copied. Role, reward group, status and password are read at each request, so a change by the office counts at once.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Form, Request
from sqlalchemy import Interval, LargeBinary, and_, bindparam, delete, func, select, update
from sqlalchemy.orm import Session

from api.core.accounts import Account, admit, select_accounts
from api.core.client import address_of, browser_of
from api.core.database import Database
from api.core.errors import AccountClosed, Forbidden, SignInRefused, SignInRequired
from api.core.models import User, UserSession
from api.core.permissions import Viewer
from api.core.settings import WebSettings

COOKIE: Final = "rewards_session"
IN_COOKIE: Final = "token"
SEEN_EVERY: Final = dt.timedelta(minutes=1)
"""`last_seen_at` is written at most so often, and twice within the time that a session may be idle."""


def start_session(request: Request, session: Session, account: Account, password_hash: str) -> Viewer:
    """Sign the account in, for as long as it keeps this hash; raise as `admit` does."""
    viewer = admit(account)
    settings = _settings(request)
    # The session starts empty: nothing that was in a cookie before the sign-in is carried over.
    end_session(request, session)
    token = secrets.token_urlsafe(32)
    session.add(
        UserSession(
            token_digest=_digest(token),
            user_id=account.id,
            password_stamp=stamp(request, password_hash),
            address=address_of(request.scope),
            browser=browser_of(request),
        )
    )
    session.flush()
    newest = select(UserSession.id).where(UserSession.user_id == account.id).order_by(UserSession.id.desc())
    session.execute(
        delete(UserSession).where(
            UserSession.user_id == account.id, UserSession.id.not_in(newest.limit(settings.sessions_per_account))
        )
    )
    request.session.update({IN_COOKIE: token, "csrf": secrets.token_urlsafe(24)})
    return viewer


def end_session(request: Request, session: Session) -> None:
    """Sign the browser out: its row is gone, and its cookie is emptied."""
    digest = current_digest(request)
    if digest is not None:
        session.execute(delete(UserSession).where(UserSession.token_digest == digest))
    request.session.clear()


def end_all(session: Session, user_id: int) -> None:
    """Sign the account out everywhere."""
    session.execute(delete(UserSession).where(UserSession.user_id == user_id))


def keep_sessions(request: Request, session: Session, account: Account, new_hash: str) -> None:
    """Let the account's sessions go on although its hash is another one: its password is not."""
    session.execute(
        update(UserSession)
        .where(
            UserSession.user_id == account.id,
            UserSession.password_stamp == stamp(request, account.password_hash),
        )
        .values(password_stamp=stamp(request, new_hash))
    )


def delete_expired(session: Session, settings: WebSettings) -> None:
    """Delete the rows of sessions that are over."""
    session.execute(delete(UserSession).where(~_IS_ALIVE), _lives(settings))


def stamp(request: Request, password_hash: str) -> str:
    """Return a digest that ends a session when its password is changed. It is keyed, since a cookie can be read."""
    key = _settings(request).session_secret.get_secret_value().encode()
    return hmac.new(key, password_hash.encode(), hashlib.sha256).hexdigest()[:24]


def current_digest(request: Request) -> bytes | None:
    """Return the digest of the token in the request's cookie, or None where it has none."""
    token = request.session.get(IN_COOKIE)
    return _digest(token) if isinstance(token, str) else None


def current_viewer(request: Request, session: Session) -> Viewer | None:
    """Say who looks, and whether they still may: the viewer that is signed in, or None. Nothing else says so.

    A request asks it once; one that stays open asks it again whenever it sends something. It reads one row by its unique index.

    Raises:
        AccountClosed: the reward group was closed meanwhile.

    """
    digest = current_digest(request)
    found = None if digest is None else _find(session, digest, _settings(request))
    if found is None or not hmac.compare_digest(stamp(request, found.account.password_hash), found.password_stamp):
        return None
    try:
        viewer = admit(found.account)
    except SignInRefused:
        return None
    request.state.viewer = viewer
    request.state.is_to_be_seen = found.is_to_be_seen
    return viewer


def _viewer_of(request: Request) -> Viewer | None:
    """Return the `current_viewer` of a request, on a connection that is given back before the request asks for anything else."""
    digest = current_digest(request)
    if digest is None:
        return None
    database: Database = request.app.state.database
    try:
        with database.read_sessions.begin() as session:
            viewer = current_viewer(request, session)
    except AccountClosed:
        _end(database, digest)
        raise
    if viewer is None:
        # It is over for good, also where its account is opened again.
        _end(database, digest)
    elif request.state.is_to_be_seen and _is_by_a_person(request):
        _see(request, database, digest)
    return viewer


def signed_in(viewer: Viewer | None) -> Viewer:
    """Return the viewer that is signed in; raise `SignInRequired` where nobody is."""
    if viewer is None:
        raise SignInRequired
    return viewer


# They only look at what is there: no thread is worth it.
async def _signed_in(viewer: Annotated[Viewer | None, Depends(_viewer_of)]) -> Viewer:
    return signed_in(viewer)


async def _in_the_office(viewer: Annotated[Viewer, Depends(_signed_in)]) -> Viewer:
    viewer.require_office()
    return viewer


async def _fulfils_prizes(viewer: Annotated[Viewer, Depends(_signed_in)]) -> Viewer:
    viewer.require_fulfilment()
    return viewer


MaybeSignedIn = Annotated[Viewer | None, Depends(_viewer_of)]
"""The viewer that is signed in, or None."""
SignedIn = Annotated[Viewer, Depends(_signed_in)]
"""The viewer that is signed in; where nobody is, the request is refused (`SignInRequired`)."""
Office = Annotated[Viewer, Depends(_in_the_office)]
"""The same, of the office only (`Forbidden`)."""
Fulfilment = Annotated[Viewer, Depends(_fulfils_prizes)]
"""The same, of those only who hand prizes over (`Forbidden`)."""


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


@dataclass(frozen=True, slots=True)
class _Found:
    account: Account
    password_stamp: str
    is_to_be_seen: bool


# Made once: putting a statement together takes longer than what it asks for.
_IS_ALIVE: Final = and_(
    UserSession.created_at > func.now() - bindparam("life", type_=Interval),
    UserSession.last_seen_at > func.now() - bindparam("idle", type_=Interval),
)
_LIVING: Final = (
    select_accounts()
    .join(UserSession, UserSession.user_id == User.id)
    .add_columns(
        UserSession.password_stamp,
        UserSession.last_seen_at < func.now() - bindparam("seen_every", type_=Interval),
    )
    .where(UserSession.token_digest == bindparam("digest", type_=LargeBinary), _IS_ALIVE)
)


def _find(session: Session, digest: bytes, settings: WebSettings) -> _Found | None:
    """Return the living session of the token, on one look-up by index."""
    seen_every = min(SEEN_EVERY, settings.session_idle / 2)
    values = {"digest": digest, "seen_every": seen_every, **_lives(settings)}
    row = session.execute(_LIVING, values).one_or_none()
    if row is None:
        return None
    *account, password_stamp, is_to_be_seen = row
    return _Found(Account(*account), password_stamp, is_to_be_seen)


def _lives(settings: WebSettings) -> dict[str, dt.timedelta]:
    """Return the values of `_IS_ALIVE`."""
    return {"life": settings.session_life, "idle": settings.session_idle}


def _see(request: Request, database: Database, digest: bytes) -> None:
    with database.write_sessions.begin() as session:
        session.execute(
            update(UserSession)
            .where(UserSession.token_digest == digest)
            .values(last_seen_at=func.now(), address=address_of(request.scope), browser=browser_of(request))
        )


def _end(database: Database, digest: bytes) -> None:
    with database.write_sessions.begin() as session:
        session.execute(delete(UserSession).where(UserSession.token_digest == digest))


def _is_by_a_person(request: Request) -> bool:
    """Whether somebody asked for it, and not the script of a page that was left open: a browser says so."""
    return request.headers.get("sec-fetch-mode", "navigate") == "navigate"


def _settings(request: Request) -> WebSettings:
    settings: WebSettings = request.app.state.settings
    return settings


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
