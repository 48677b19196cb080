"""The sample's roles, groups, customers, prizes and users: what the migration makes of the legacy sample, table by table.

The one definition of the sample logins. Written only by `rewards api samples`, which a stack with sample data calls. A migration of
the legacy sample into such a stack finds the same rows, with the same ids (tests/integration/api/test_api_samples.py).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import Table, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.data.models import Customer, Division, Prize, PrizeOption, User, UserRole
from api.passwords import hash_password
from api.permissions import Role
from streams.postgres.models import Base, CustomerRewardGroup, RewardGroup

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
    created_at: dt.datetime
    sees: str
    """What it is good for trying out."""
    created_by: str | None = "Admin@Example.com"
    password_expired: bool = False
    terms_accepted: bool = True


@dataclass(frozen=True, slots=True)
class SampleGroup:
    """A reward group of the sample with its one customer; both have been there since the same moment."""

    id: int
    name: str
    status: str
    membership_id: int
    customer_master_id: str
    enrolled_at: dt.datetime


_DENVER: Final = ZoneInfo("America/Denver")


def _denver(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> dt.datetime:
    """By the legacy database's clock."""
    return dt.datetime(year, month, day, hour, minute, second, tzinfo=_DENVER)


_NEVER: Final = _denver(2011, 1, 1)
"""What a zero date becomes where there has to be one."""

DIVISIONS: Final = {
    "SBM": "Sunroc Building Materials, Inc.",
    "SRC": "Sunroc Corporation",
    "GRP": "Geneva Rock Products, Inc.",
    "WWC": "W. W. Clyde & Co.",
    "SCI": "Scott Contracting, Inc.",
    "DDF": "DDF, Inc.",
}
"""In their order: the ids are their places."""

GROUPS: Final = (
    SampleGroup(1, "Wasatch Framing", "open", 1, "M-1001", _denver(2011, 1, 15, 8)),
    SampleGroup(2, "Peña & Sons", "open", 2, "M-1002", _denver(2012, 6, 30, 23, 59, 59)),
    # The clock went from 2:00 to 3:00 that night: the legacy database says 2:30.
    SampleGroup(3, "Timp Builders", "hold", 3, "M-1003", _denver(2014, 3, 9, 3, 30)),
    SampleGroup(7, "Old Mill ’€LLC", "closed", 4, "M-1007", _NEVER),  # noqa: RUF001 - as it stands there
    # Shown twice that night; the first time counts.
    SampleGroup(12, "Ünïcode Homes", "open", 5, "M-1012", _denver(2019, 11, 3, 1, 30)),
)

CUSTOMERS: Final = (
    ("BT-000101", "WASFR", "Wasatch Framing", "SBM", "M-1001", "A"),
    ("CM-000101", "WASFR", "Wasatch Framing (ready mix)", "GRP", "M-1001", "A"),
    ("VI-000077", "PENA", "Peña & Sons", "WWC", "M-1002", "A"),
    ("BT-000102", "TIMP", "Timp Builders", "SBM", "M-1003", "H"),
    ("BT-000103", "OLDM", "Old Mill LLC", "SBM", "M-1007", "C"),
    ("BT-000104", "UNI", "Ünïcode Homes", None, "M-1012", "A"),
    # The accent is on the second e in the legacy sample's bytes, whatever its comment says.
    ("BT-000105", "LOST", "Peréz Concrete", None, None, "A"),
)
"""Id, code, name, division, customer_master_id, status."""

PRIZES: Final = (
    ("Gift card", True),
    ("Las Vegas trip — 3 nights", False),
    ('Cooler 45 qt (12" × 18")', False),  # noqa: RUF001 - as it stands there
    ("Cash €™5", False),
)
"""Title, and whether its points are put in; in their order: the ids are their places."""

PRIZE_OPTIONS: Final = (
    (1, 1, "$50", 6_000, "50.00", None, 1, False, False),
    (2, 1, "$100", 11_500, "100.00", None, 2, False, False),
    (3, 2, "Double room", 180_000, "1499.99", dt.date(2020, 12, 31), 1, True, False),
    (4, 2, "Cancún, double room", 320_000, "2999.99", None, 2, True, True),
    (5, 3, "Navy", 42_000, "349.95", None, 1, False, False),
)
"""Id, prize, title, points, dollars, end, place, and whether personal details and those for going abroad are needed."""

# The passwords are the legacy sample's own, for trying out.
LOGINS: Final = (
    SampleLogin(
        1, "Admin@Example.com", "correct horse", "Admin", Role.ADMINISTRATOR, None, _denver(2011, 1, 1),
        "everything: customers, groups, lag", created_by=None,
    ),
    SampleLogin(
        2, "joe@wasatch.example", "pässwörd", "Joe O'Neill", Role.CUSTOMER, 1, _denver(2011, 1, 16, 9, 10, 11),
        "Wasatch Framing (M-1001)",
    ),
    SampleLogin(
        3, "maria@pena.example", "hunter2", "María Peña", Role.CUSTOMER, 2, _NEVER,
        "Peña & Sons (M-1002), once a new password is chosen: this one has expired",
        password_expired=True, terms_accepted=False,
    ),
    # The clock went from 2:00 to 3:00 that night: the legacy database says 2:15.
    SampleLogin(
        5, "old@mill.example", "x", None, Role.NO_ACCESS, 7, _denver(2013, 3, 10, 3, 15),
        "nothing: the account has been closed", created_by=None, password_expired=True,
    ),
    SampleLogin(
        8, "JOE@unicode.example", "y", "Jöe", Role.CUSTOMER, 12, _denver(2019, 11, 3, 1, 30), "Ünïcode Homes (M-1012)"
    ),
)  # fmt: skip


def write_samples(session: Session) -> int:
    """Write what is missing of the sample and leave alone what is there; returns how many users were added."""
    _add(session, UserRole, [{"id": r.value, "name": r.title, "sort_order": i} for i, r in enumerate(Role, start=1)])
    _write_groups(session)
    _write_customers(session)
    _write_prizes(session)
    added = _write_users(session)
    for model in (RewardGroup, CustomerRewardGroup, Division, Prize, PrizeOption, User):
        highest_id = session.scalar(select(func.max(model.id))) or 0
        session.execute(_CONTINUE, {"table": model.__tablename__, "highest_id": highest_id})
    return added


def _add(session: Session, model: type[Base], rows: list[dict[str, object]]) -> int:
    """Insert the rows that are in nobody's way; returns how many."""
    table = model.__table__
    assert isinstance(table, Table)
    statement = insert(table).values(rows).on_conflict_do_nothing().returning(table.c.id)
    return len(session.execute(statement).all())


def _write_groups(session: Session) -> None:
    _add(
        session,
        RewardGroup,
        [{"id": g.id, "name": g.name, "status": g.status, "enrolled_at": g.enrolled_at} for g in GROUPS],
    )
    members: list[dict[str, object]] = [
        {
            "id": group.membership_id,
            "customer_master_id": group.customer_master_id,
            "reward_group_id": group.id,
            "enrolled_at": group.enrolled_at.date(),
        }
        for group in GROUPS
    ]
    _add(session, CustomerRewardGroup, members)


def _write_customers(session: Session) -> None:
    places = enumerate(DIVISIONS.items(), start=1)
    _add(session, Division, [{"id": i, "code": code, "name": name, "sort_order": i} for i, (code, name) in places])
    # A division that was there before the sample may have another id.
    ids = {code: number for number, code in session.execute(select(Division.id, Division.code))}
    names = ("id", "code", "name", "division_id", "customer_master_id", "status")
    rows = [dict(zip(names, customer, strict=True)) for customer in CUSTOMERS]
    _add(session, Customer, [row | {"division_id": ids.get(row["division_id"] or "")} for row in rows])


def _write_prizes(session: Session) -> None:
    _add(
        session,
        Prize,
        [
            {"id": place, "title": title, "points_value_input": put_in, "sort_order": place}
            for place, (title, put_in) in enumerate(PRIZES, start=1)
        ],
    )
    options: list[dict[str, object]] = [
        {
            "id": number,
            "prize_id": prize_id,
            "title": title,
            "points_cost": cost,
            "dollar_value": Decimal(dollars),
            "expires_on": expires_on,
            "sort_order": place,
            "info_required": info,
            "international_info_required": abroad,
        }
        for number, prize_id, title, cost, dollars, expires_on, place, info, abroad in PRIZE_OPTIONS
    ]
    _add(session, PrizeOption, options)


def _write_users(session: Session) -> int:
    """Users are told apart by their e-mail, whatever its case."""
    present = {email: number for number, email in session.execute(select(User.id, func.lower(User.email)))}
    added = 0
    for login in LOGINS:
        if login.email.lower() in present:
            continue
        creator = None if login.created_by is None else present.get(login.created_by.lower())
        user: dict[str, object] = {
            "id": login.user_id,
            "reward_group_id": login.reward_group_id,
            "role_id": login.role.value,
            "email": login.email,
            "name": login.name,
            "password_hash": hash_password(login.password),
            "password_expired": login.password_expired,
            "terms_conditions_accepted_at": login.created_at if login.terms_accepted else None,
            "created_by_id": creator,
            "created_at": login.created_at,
        }
        if _add(session, User, [user]):
            added += 1
            present[login.email.lower()] = login.user_id
    return added
