"""The accounts that may sign in: they are found by id or e-mail, and `admit` says what one may do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from api.core.errors import AccountClosed, SignInRefused
from api.core.models import User
from api.core.permissions import Role, Viewer
from streams.postgres.models import RewardGroup

# Postgres holds no such text: nobody has this e-mail, and the query would fail.
_NOT_IN_POSTGRES: Final = re.compile("[\x00\ud800-\udfff]")
_ROLES: Final = {role.value: role for role in Role}


@dataclass(frozen=True, slots=True)
class Account:
    """A user with the status of its reward group (None where it has none)."""

    id: int
    email: str
    name: str | None
    role_id: int
    reward_group_id: int | None
    group_status: str | None
    password_hash: str
    password_salt: str | None
    password_expired: bool


def account_by_email(session: Session, email: str) -> Account | None:
    """Return the account with this e-mail in any case, or None."""
    if _NOT_IN_POSTGRES.search(email):
        return None
    return _account(session, func.lower(User.email) == func.lower(email))


def account_by_id(session: Session, user_id: int) -> Account | None:
    """Return the account, or None."""
    return _account(session, User.id == user_id)


def admit(account: Account) -> Viewer:
    """Return the viewer that the account is; raise `AccountClosed`, or `SignInRefused` where its role has no access."""
    if account.group_status == "closed":
        raise AccountClosed
    role = _ROLES.get(account.role_id, Role.NO_ACCESS)
    if role is Role.NO_ACCESS:
        raise SignInRefused("This account has no access.")
    return Viewer(account.id, account.email, account.name, role, account.reward_group_id)


def select_accounts() -> Select[*tuple[Any, ...]]:
    """Return the query of all accounts, with the columns of `Account` in their order."""
    return select(
        User.id,
        User.email,
        User.name,
        User.role_id,
        User.reward_group_id,
        RewardGroup.status,
        User.password_hash,
        User.password_salt,
        User.password_expired,
    ).outerjoin(RewardGroup, RewardGroup.id == User.reward_group_id)


def _account(session: Session, condition: ColumnElement[bool]) -> Account | None:
    row = session.execute(select_accounts().where(condition)).one_or_none()
    return None if row is None else Account(*row)
