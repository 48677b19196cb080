"""The tables that the website writes in `sunroc_rewards`, on the one metadata of streams/postgres/models.py."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import ForeignKey, Identity, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from streams.postgres.models import Base


class UserRole(Base):
    """The names of the roles; what a role may do stands in api/permissions.py."""

    __tablename__ = "user_roles"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(unique=True)
    sort_order: Mapped[int]


class User(Base):
    """Who may sign in. E-mails are unique whatever their case."""

    __tablename__ = "users"
    __table_args__ = (Index("uq_users_lower_email", text("lower(email)"), unique=True),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    reward_group_id: Mapped[int | None] = mapped_column(ForeignKey("reward_groups.id"), index=True)
    role_id: Mapped[int] = mapped_column(ForeignKey("user_roles.id"))
    email: Mapped[str]
    name: Mapped[str | None]
    password_hash: Mapped[str]
    """argon2 (PHC string); where `password_salt` is set, lower-case hex SHA-256 of salt and password, UTF-8."""
    password_salt: Mapped[str | None]
    password_expired: Mapped[bool] = mapped_column(server_default=text("false"))
    terms_conditions_accepted_at: Mapped[dt.datetime | None]
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
