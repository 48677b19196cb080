"""A new password in place of one that has expired: by a page, on the strength of a mark in the cookie, or as JSON.

The mark is set where the right password was given. It is signed like the session, is bound to the user and to the hash that the
password was checked against, and ends after a few minutes; it opens nothing else.
"""

from __future__ import annotations

import hmac
import time
from typing import Final

from fastapi import Request
from sqlalchemy.orm import Session

from api.data.users import Account, account_by_id, set_password
from api.errors import PasswordExpired, SignInRefused
from api.passwords import check_new_password, hash_password
from api.permissions import Viewer
from api.sessions import admit, check_password, stamp, start_session

MARK: Final = "renewal"
MARK_MINUTES: Final = 15


def begin(request: Request, expired: PasswordExpired) -> None:
    """Put the mark into a cookie that holds nothing else."""
    request.session.clear()
    request.session[MARK] = {"user": expired.user_id, "stamp": expired.stamp, "at": int(time.time())}


def marked_account(request: Request, session: Session) -> Account | None:
    """Return who may choose a new password now, or None; raises `AccountClosed` where the group was closed meanwhile."""
    mark = request.session.get(MARK)
    if not isinstance(mark, dict) or time.time() - mark["at"] > MARK_MINUTES * 60:
        return None
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


def finish(request: Request, session: Session, account: Account, new_password: str) -> Viewer:
    """Store the new password of an account whose old one is known to be right, and sign in.

    Raises:
        NewPasswordRefused: it is not taken; the text says why.
        SignInRefused: the password was changed at the same moment.

    """
    check_new_password(
        new_password, email=account.email, old_hash=account.password_hash, old_salt=account.password_salt
    )
    new_hash = hash_password(new_password)
    if not set_password(session, account.id, old_hash=account.password_hash, new_hash=new_hash):
        raise SignInRefused("Your password was changed at the same moment. Please sign in.")
    return start_session(request, account, new_hash)


def replace_password(request: Request, session: Session, *, email: str, password: str, new_password: str) -> Viewer:
    """Take the old password and a new one, whether or not the old one has expired; raises as `check_password` and `finish`."""
    return finish(request, session, check_password(request, session, email, password), new_password)
