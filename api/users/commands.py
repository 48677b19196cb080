"""Changes of users: signing in, which may replace a hash, and choosing a new password."""

from __future__ import annotations

from fastapi import Request
from sqlalchemy import update
from sqlalchemy.orm import Session

from api.core.accounts import Account, account_by_email, admit
from api.core.errors import PasswordExpired, SignInRefused
from api.core.models import User
from api.core.permissions import Viewer
from api.core.sessions import stamp, start_session
from api.users.attempts import SignInAttempts
from api.users.passwords import (
    check_new_password,
    hash_password,
    needs_new_hash,
    password_matches,
    spend_the_time_of_a_check,
)

WRONG = "The e-mail or the password is not right."


def sign_in(request: Request, session: Session, email: str, password: str) -> Viewer:
    """Check the password and start a session.

    Raises:
        PasswordExpired: a new password has to be chosen first (api/users/renewal.py).
        SignInRefused, AccountClosed, TooManyAttempts: as `check_password`.

    """
    account = check_password(request, session, email, password)
    if account.password_expired:
        raise PasswordExpired(account.id, stamp(request, account.password_hash))
    password_hash = account.password_hash
    if needs_new_hash(account.password_hash, account.password_salt):
        password_hash = hash_password(password)
        _replace_hash(session, account.id, old_hash=account.password_hash, new_hash=password_hash)
    return start_session(request, account, password_hash)


def check_password(request: Request, session: Session, email: str, password: str) -> Account:
    """Return the account with this e-mail and password, whether or not the password has expired.

    Raises:
        TooManyAttempts: the e-mail has to wait.
        SignInRefused: the e-mail is unknown or the password wrong (it does not say which), or the role has no access.
        AccountClosed: the reward group is closed. Only somebody who knows the password is told.

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


def choose_password(request: Request, session: Session, account: Account, new_password: str) -> Viewer:
    """Store the new password of an account whose old one is known to be right, and sign in.

    Raises:
        NewPasswordRefused: the password is not accepted; the text says why.
        SignInRefused: the password was changed at the same moment.

    """
    check_new_password(
        new_password, email=account.email, old_hash=account.password_hash, old_salt=account.password_salt
    )
    new_hash = hash_password(new_password)
    if not _set_password(session, account.id, old_hash=account.password_hash, new_hash=new_hash):
        raise SignInRefused("Your password was changed at the same moment. Please sign in.")
    return start_session(request, account, new_hash)


def replace_password(request: Request, session: Session, *, email: str, password: str, new_password: str) -> Viewer:
    """Take the old password, expired or not, and a new one; raise as `check_password` and `choose_password` do."""
    return choose_password(request, session, check_password(request, session, email, password), new_password)


def _replace_hash(session: Session, user_id: int, *, old_hash: str, new_hash: str) -> None:
    """Keep a password under argon2 from now on, unless somebody has changed it meanwhile."""
    session.execute(
        update(User)
        .where(User.id == user_id, User.password_hash == old_hash)
        .values(password_hash=new_hash, password_salt=None)
    )


def _set_password(session: Session, user_id: int, *, old_hash: str, new_hash: str) -> bool:
    """Keep a password that its owner chose, which has not expired; return False where the old hash is gone."""
    changed = session.scalar(
        update(User)
        .where(User.id == user_id, User.password_hash == old_hash)
        .values(password_hash=new_hash, password_salt=None, password_expired=False)
        .returning(User.id)
    )
    return changed is not None
