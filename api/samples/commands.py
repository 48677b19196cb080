"""Writes the sample's roles, reward groups, customers, prizes and users. Only `rewards api samples` calls it."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from sqlalchemy import Table, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.core.models import Customer, Division, Prize, PrizeOption, User, UserRole
from api.core.permissions import Role
from api.samples.rows import CUSTOMERS, DIVISIONS, GROUPS, LOGINS, PRIZE_OPTIONS, PRIZES
from api.users.passwords import hash_password
from streams.postgres.models import Base, CustomerRewardGroup, RewardGroup

# Moves a sequence past the ids that were given explicitly. It calls nextval, since the application's role may do no more.
_CONTINUE: Final = text(
    "SELECT nextval(s) FROM (SELECT CAST(pg_get_serial_sequence(:table, 'id') AS regclass) AS s) AS found,"
    " generate_series(COALESCE(pg_sequence_last_value(s), 0) + 1, :highest_id)"
)


def write_samples(session: Session) -> int:
    """Write what is missing of the sample and leave alone what is there; return how many users were added."""
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
    """Insert the rows that conflict with none that is there; return how many."""
    table = model.__table__
    assert isinstance(table, Table)
    command = insert(table).values(rows).on_conflict_do_nothing().returning(table.c.id)
    return len(session.execute(command).all())


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
    """Write users; two are the same where their e-mails are, in any case."""
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
