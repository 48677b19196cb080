"""Changes of users and their sessions: what is written at a sign-in and with a new password, in the session that is given."""

from __future__ import annotations

from fastapi import Request
from sqlalchemy import update
from sqlalchemy.orm import Session

from api.core.accounts import Account, account_by_email
from api.core.client import address_of
from api.core.errors import SignInRefused
from api.core.models import User
from api.core.permissions import Viewer
from api.core.sessions import end_all, keep_sessions, start_session
from api.users.attempts import Attempt, Attempts


def begin_attempt(request: Request, session: Session, email: str) -> tuple[Account | None, Attempt]:
    """Return the account with this e-mail, if there is one, and the attempt, counted as failed; raise `TooManyAttempts`."""
    account = account_by_email(session, email.strip())
    user_id = None if account is None else account.id
    return account, _attempts(request).begin(session, email, address_of(request.scope), user_id)


def end_attempt(request: Request, session: Session, attempt: Attempt, account: Account) -> None:
    """Take note that the password was right."""
    _attempts(request).succeeded(session, attempt, account.id)


def enter(request: Request, session: Session, account: Account, new_hash: str | None) -> Viewer:
    """Start a session; keep the password under a new hash from now on, where there is one.

    Raises:
        SignInRefused: the hash was replaced at the same moment.

    """
    if new_hash is None:
        return start_session(request, session, account, account.password_hash)
    _replace_hash(session, account, password_hash=new_hash, password_salt=None)
    keep_sessions(request, session, account, new_hash)
    return start_session(request, session, account, new_hash)


def set_password(request: Request, session: Session, account: Account, new_hash: str) -> Viewer:
    """Keep a password that its owner chose, which has not expired, and start a session; the account's others end.

    Raises:
        SignInRefused: the password was changed at the same moment.

    """
    _replace_hash(session, account, password_hash=new_hash, password_salt=None, password_expired=False)
    end_all(session, account.id)
    return start_session(request, session, account, new_hash)


def _replace_hash(session: Session, account: Account, **values: object) -> None:
    changed = update(User).where(User.id == account.id, User.password_hash == account.password_hash)
    if session.scalar(changed.values(values).returning(User.id)) is None:
        raise SignInRefused("Your password was changed at the same moment. Please sign in again.")


def _attempts(request: Request) -> Attempts:
    attempts: Attempts = request.app.state.attempts
    return attempts
