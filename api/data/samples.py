"""The sample's roles, groups, customers and users: those of the legacy sample.

The one definition of the sample logins. Written only by `rewards api samples`, which a stack with sample data calls.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.data.models import User, UserRole
from api.passwords import hash_password
from api.permissions import Role
from streams.postgres.models import CustomerRewardGroup, RewardGroup

# Moves a sequence past the ids that were given explicitly, by nextval, which is all that the application's role may do.
_CONTINUE: Final = text(
    "SELECT nextval(s) FROM (SELECT CAST(pg_get_serial_sequence(:table, 'id') AS regclass) AS s) AS found,"
    " generate_series(COALESCE(pg_sequence_last_value(s), 0) + 1, :highest_id)"
)


@dataclass(frozen=True, slots=True)
class SampleLogin:
    """A user of the sample with its password, which is no secret."""

    user_id: int
    email: str
    password: str
    name: str | None
    role: Role
    reward_group_id: int | None
    sees: str
    """What it is good for trying out."""


@dataclass(frozen=True, slots=True)
class SampleGroup:
    """A reward group of the sample with its one customer."""

    id: int
    name: str
    status: str
    customer_master_id: str
    enrolled_at: dt.datetime


def _at(year: int, month: int, day: int) -> dt.datetime:
    return dt.datetime(year, month, day, 15, tzinfo=dt.UTC)


GROUPS: Final = (
    SampleGroup(1, "Wasatch Framing", "open", "M-1001", _at(2011, 1, 15)),
    SampleGroup(2, "Peña & Sons", "open", "M-1002", _at(2012, 6, 30)),
    SampleGroup(3, "Timp Builders", "hold", "M-1003", _at(2014, 3, 9)),
    SampleGroup(7, "Old Mill LLC", "closed", "M-1007", _at(2011, 1, 1)),
    SampleGroup(12, "Ünïcode Homes", "open", "M-1012", _at(2019, 11, 3)),
)

# The passwords are the legacy sample's own, for trying out.
LOGINS: Final = (
    SampleLogin(
        1, "admin@example.com", "correct horse", "Admin", Role.ADMINISTRATOR, None, "everything: customers, groups, lag"
    ),
    SampleLogin(2, "joe@wasatch.example", "pässwörd", "Joe O'Neill", Role.CUSTOMER, 1, "Wasatch Framing (M-1001)"),
    SampleLogin(3, "maria@pena.example", "hunter2", "María Peña", Role.CUSTOMER, 2, "Peña & Sons (M-1002)"),
    SampleLogin(5, "old@mill.example", "x", None, Role.NO_ACCESS, 7, "nothing: the account has been closed"),
    SampleLogin(8, "joe@unicode.example", "y", "Jöe", Role.CUSTOMER, 12, "Ünïcode Homes (M-1012)"),
)


def write_samples(session: Session) -> int:
    """Write what is missing of the sample and leave alone what is there; returns how many users were added."""
    session.execute(
        insert(UserRole)
        .values([{"id": role.value, "name": role.title, "sort_order": i} for i, role in enumerate(Role, start=1)])
        .on_conflict_do_nothing()
    )
    session.execute(
        insert(RewardGroup)
        .values([{"id": g.id, "name": g.name, "status": g.status, "enrolled_at": g.enrolled_at} for g in GROUPS])
        .on_conflict_do_nothing()
    )
    session.execute(
        insert(CustomerRewardGroup)
        .values(
            [
                {
                    "customer_master_id": g.customer_master_id,
                    "reward_group_id": g.id,
                    "enrolled_at": g.enrolled_at.date(),
                }
                for g in GROUPS
            ]
        )
        .on_conflict_do_nothing()
    )
    present = set(session.scalars(select(func.lower(User.email))))
    added = [login for login in LOGINS if login.email.lower() not in present]
    for login in added:
        session.execute(
            insert(User)
            .values(
                id=login.user_id,
                reward_group_id=login.reward_group_id,
                role_id=login.role.value,
                email=login.email,
                name=login.name,
                password_hash=hash_password(login.password),
                terms_conditions_accepted_at=_at(2011, 1, 16),
            )
            .on_conflict_do_nothing()
        )
    for model in (RewardGroup, User):
        highest_id = session.scalar(select(func.max(model.id))) or 0
        session.execute(_CONTINUE, {"table": model.__tablename__, "highest_id": highest_id})
    return len(added)
