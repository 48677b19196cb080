"""Signing in and choosing a password, from the request to the session.

Each reads what it needs, gives the database connection back, works on the password in threads of their own, and then writes. Every
sign-in is logged, with its address and account.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Concatenate, Final, ParamSpec, TypeVar

from fastapi import Request
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from api.core.accounts import Account, admit
from api.core.client import address_of
from api.core.database import Database
from api.core.errors import PasswordExpired, RequestError, SignInRefused
from api.core.permissions import Viewer
from api.core.sessions import stamp
from api.users.commands import begin_attempt, end_attempt, enter, set_password
from api.users.password_work import PasswordWork
from api.users.passwords import check_new_password, hash_password, needs_new_hash, password_matches

LOG = logging.getLogger(__name__)
WRONG: Final = "The e-mail or the password is not right."
SHOWN_ACCOUNT: Final = 100
P = ParamSpec("P")
T = TypeVar("T")


async def sign_in(request: Request, email: str, password: str) -> Viewer:
    """Check the password and start a session.

    Raises:
        PasswordExpired: a new password has to be chosen first (api/users/renewal.py).
        SignInRefused, AccountClosed, TooManyAttempts, TooBusy: as `_check_password`.

    """
    work = _work(request)
    with _logged(request, email, "signed in"), work.place():
        account = await _check_password(request, email, password)
        if account.password_expired:
            raise PasswordExpired(account.id, stamp(request, account.password_hash))
        new_hash = None
        if needs_new_hash(account.password_hash, account.password_salt):
            new_hash = await work.run(hash_password, password)
        return await _in_transaction(request, enter, account, new_hash)


async def replace_password(request: Request, email: str, password: str, new_password: str) -> Viewer:
    """Take the old password, expired or not, and a new one; raise as `sign_in` and `choose_password` do."""
    with _logged(request, email, "chose a password and signed in"), _work(request).place():
        account = await _check_password(request, email, password)
        return await _choose_password(request, account, new_password)


async def choose_password(request: Request, account: Account, new_password: str) -> Viewer:
    """Store the new password of an account whose old one is known to be right, and sign in.

    Raises:
        NewPasswordRefused: the password is not accepted; the text says why.
        SignInRefused: the password was changed at the same moment.
        TooBusy: too many passwords are being worked on.

    """
    with _logged(request, account.email, "chose a password and signed in"), _work(request).place():
        return await _choose_password(request, account, new_password)


async def _check_password(request: Request, email: str, password: str) -> Account:
    """Return the account with this e-mail and password, whether or not the password has expired.

    Raises:
        TooManyAttempts: the account or the address has to wait.
        SignInRefused: the e-mail is unknown or the password wrong (it does not say which), or the role has no access.
        AccountClosed: the reward group is closed. Only somebody who knows the password is told.

    """
    account, attempt = await _in_transaction(request, begin_attempt, email)
    known = (None, None) if account is None else (account.password_hash, account.password_salt)
    is_right = await _work(request).run(password_matches, password, *known)
    if account is None or not is_right:
        raise SignInRefused(WRONG)
    await _in_transaction(request, end_attempt, attempt, account)
    admit(account)
    return account


async def _choose_password(request: Request, account: Account, new_password: str) -> Viewer:
    work = _work(request)
    await work.run(
        check_new_password,
        new_password,
        email=account.email,
        old_hash=account.password_hash,
        old_salt=account.password_salt,
    )
    new_hash = await work.run(hash_password, new_password)
    return await _in_transaction(request, set_password, account, new_hash)


async def _in_transaction(
    request: Request, command: Callable[Concatenate[Request, Session, P], T], *arguments: P.args, **named: P.kwargs
) -> T:
    """Run a command in a thread, in a transaction of its own that holds a connection no longer than that."""
    database: Database = request.app.state.database

    def run() -> T:
        with database.write_sessions.begin() as session:
            return command(request, session, *arguments, **named)

    return await run_in_threadpool(run)


@contextmanager
def _logged(request: Request, email: str, done: str) -> Iterator[None]:
    who = {"account": _shown(email), "address": address_of(request.scope)}
    try:
        yield
    except RequestError as refused:
        LOG.warning("a sign-in was refused", extra={**who, "reason": refused.text})
        raise
    LOG.info(done, extra=who)


def _shown(email: str) -> str:
    """Return the start of the e-mail. Without an @ it may be a password that was typed into the wrong field."""
    return email.strip()[:SHOWN_ACCOUNT] if "@" in email else "(no e-mail)"


def _work(request: Request) -> PasswordWork:
    work: PasswordWork = request.app.state.password_work
    return work
