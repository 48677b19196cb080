"""One question: who is this, and may it sign in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from api.data.models import User
from streams.postgres.models import RewardGroup

# Text that Postgres does not hold: nobody has such an e-mail, and asking for it would be a fault.
_NOT_IN_POSTGRES: Final = re.compile("[\x00\ud800-\udfff]")


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


def replace_password_hash(session: Session, user_id: int, *, old_hash: str, new_hash: str) -> None:
    """Keep a password in argon2 from now on, unless somebody has changed it meanwhile."""
    session.execute(
        update(User)
        .where(User.id == user_id, User.password_hash == old_hash)
        .values(password_hash=new_hash, password_salt=None)
    )


def set_password(session: Session, user_id: int, *, old_hash: str, new_hash: str) -> bool:
    """Keep a password that its owner chose (argon2), which has not expired; False where the old one stands no more."""
    changed = session.scalar(
        update(User)
        .where(User.id == user_id, User.password_hash == old_hash)
        .values(password_hash=new_hash, password_salt=None, password_expired=False)
        .returning(User.id)
    )
    return changed is not None


def _account(session: Session, condition: ColumnElement[bool]) -> Account | None:
    row = session.execute(
        select(
            User.id,
            User.email,
            User.name,
            User.role_id,
            User.reward_group_id,
            RewardGroup.status,
            User.password_hash,
            User.password_salt,
            User.password_expired,
        )
        .outerjoin(RewardGroup, RewardGroup.id == User.reward_group_id)
        .where(condition)
    ).one_or_none()
    return None if row is None else Account(*row)
