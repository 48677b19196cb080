"""The mark in the cookie by which a page may replace an expired password.

The mark is set when the right password was given. It is signed like the session, it is bound to the user and to the hash that
the password was checked against, and it ends after a few minutes. It opens nothing else.
"""

from __future__ import annotations

import hmac
import time
from typing import Final

from fastapi import Request

from api.core.accounts import Account, account_by_id, admit
from api.core.database import Database
from api.core.errors import PasswordExpired, SignInRefused
from api.core.sessions import stamp

MARK: Final = "renewal"
MARK_MINUTES: Final = 15


def begin(request: Request, expired: PasswordExpired) -> None:
    """Put the mark into a cookie that holds nothing else."""
    request.session.clear()
    request.session[MARK] = {"user": expired.user_id, "stamp": expired.stamp, "at": int(time.time())}


def read_marked_account(request: Request) -> Account | None:
    """Return the account that may choose a new password now, or None. It blocks, on a connection that it gives back.

    Raises:
        AccountClosed: its reward group was closed meanwhile.

    """
    mark = request.session.get(MARK)
    if not isinstance(mark, dict) or time.time() - mark["at"] > MARK_MINUTES * 60:
        return None
    database: Database = request.app.state.database
    with database.read_sessions.begin() as session:
        account = account_by_id(session, mark["user"])
    if account is None or not account.password_expired:
        return None
    if not hmac.compare_digest(stamp(request, account.password_hash), mark["stamp"]):
        return None
    try:
        admit(account)
    except SignInRefused:
        return None
    return account
