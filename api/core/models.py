"""The tables that the website writes in `sunroc_rewards`, on the one metadata of streams/postgres/models.py.

They stand together, since they refer to each other. The features hold the queries and commands on them.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Final

from sqlalchemy import (
    BigInteger,
    Date,
    Double,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    Numeric,
    Text,
    column,
    func,
    table,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from streams.postgres.models import Base

# Alembic makes this view. A view is on no metadata.
REWARD_GROUP_BALANCES: Final = table(
    "reward_group_balances",
    column("reward_group_id", BigInteger),
    column("balance", BigInteger),
    column("redeemable", BigInteger),
    column("pending", BigInteger),
)


class UserRole(Base):
    """The names of the roles; api/core/permissions.py says what a role may do."""

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


class UserSession(Base):
    """A browser, or a program, that is signed in. Its cookie holds the token of which only the digest stands here."""

    __tablename__ = "user_sessions"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    token_digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    """SHA-256: the token is long and random, so that nothing slower is needed."""
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    password_stamp: Mapped[str]
    """Of the password hash that it was begun under (api/core/sessions.py): another one ends it."""
    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    last_seen_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    address: Mapped[str]
    """Where the client was when it was last seen."""
    browser: Mapped[str]
    """The start of what it calls itself (User-Agent)."""


class SignInFailures(Base):
    """How many sign-ins have failed, a row for each that may fail: an account at an address, an address, an account."""

    __tablename__ = "sign_in_failures"

    key: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    """A digest, since an account's text is whatever somebody typed (api/users/attempts.py)."""
    failures: Mapped[float] = mapped_column(Double)
    """As of `failed_at`; it falls with time."""
    failed_at: Mapped[dt.datetime] = mapped_column(index=True)
    waits_until: Mapped[dt.datetime]


class SignInAddress(Base):
    """A network that an account has signed in from."""

    __tablename__ = "sign_in_addresses"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    network: Mapped[str] = mapped_column(primary_key=True)
    signed_in_at: Mapped[dt.datetime] = mapped_column(server_default=func.now(), index=True)


class Division(Base):
    """A company of the corporation. `code` is the company abbreviation of program-terms.md."""

    __tablename__ = "divisions"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    sort_order: Mapped[int]


class Customer(Base):
    """A customer's account in one division's own system; `customer_master_id` is the customer across all systems."""

    __tablename__ = "customers"

    id: Mapped[str] = mapped_column(primary_key=True)
    code: Mapped[str]
    name: Mapped[str | None]
    division_id: Mapped[int | None] = mapped_column(ForeignKey("divisions.id"))
    customer_master_id: Mapped[str | None] = mapped_column(index=True)
    status: Mapped[str | None]


class SearchTerm(Base):
    """By what the list finds a customer that takes part: words of its group's name and of its id, folded. Triggers keep them."""

    __tablename__ = "search_terms"
    __table_args__ = (Index(None, "term", "customer_master_id"),)

    customer_master_id: Mapped[str] = mapped_column(primary_key=True)
    term: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    """Sorted by its bytes, so that a beginning is a range."""


class RewardFavorite(Base):
    """A reward group that a user keeps at hand."""

    __tablename__ = "reward_favorites"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    reward_group_id: Mapped[int] = mapped_column(ForeignKey("reward_groups.id"), primary_key=True)


class Prize(Base):
    """What points can be redeemed for; its options say what it costs."""

    __tablename__ = "prizes"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    title: Mapped[str]
    points_value_input: Mapped[bool] = mapped_column(server_default=text("false"))
    sort_order: Mapped[int]


class PrizeOption(Base):
    """One form of a prize with its cost in points."""

    __tablename__ = "prize_options"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    prize_id: Mapped[int] = mapped_column(ForeignKey("prizes.id"), index=True)
    title: Mapped[str]
    points_cost: Mapped[int]
    dollar_value: Mapped[Decimal | None] = mapped_column(Numeric(10, 2))
    expires_on: Mapped[dt.date | None] = mapped_column(Date)
    sort_order: Mapped[int]
    info_required: Mapped[bool] = mapped_column(server_default=text("false"))
    international_info_required: Mapped[bool] = mapped_column(server_default=text("false"))


class PrizeRedemptionBatch(Base):
    """Redemptions that were fulfilled together."""

    __tablename__ = "prize_redemption_batches"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    title: Mapped[str]
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())


class PrizeRedemption(Base):
    """A prize that a user took, with what it takes to hand it over. Its points stand in the log as an entry."""

    __tablename__ = "prize_redemptions"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    batch_id: Mapped[int | None] = mapped_column(ForeignKey("prize_redemption_batches.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    reward_group_id: Mapped[int] = mapped_column(ForeignKey("reward_groups.id"), index=True)
    prize_id: Mapped[int] = mapped_column(ForeignKey("prizes.id"))
    prize_option_id: Mapped[int] = mapped_column(ForeignKey("prize_options.id"))
    points: Mapped[int]
    cost_sbm: Mapped[Decimal | None] = mapped_column(Numeric(10, 2))
    cost_src: Mapped[Decimal | None] = mapped_column(Numeric(10, 2))
    cost_grp: Mapped[Decimal | None] = mapped_column(Numeric(10, 2))
    cost_wwc: Mapped[Decimal | None] = mapped_column(Numeric(10, 2))
    description: Mapped[str | None]
    name_first: Mapped[str | None]
    name_last: Mapped[str | None]
    birthdate: Mapped[bytes | None] = mapped_column(LargeBinary)
    """An ISO date, encrypted (api/core/encryption.py)."""
    phone: Mapped[str | None]
    email: Mapped[str | None]
    international_name: Mapped[str | None]
    passport_number: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Encrypted (api/core/encryption.py)."""
    passport_issue_date: Mapped[dt.date | None] = mapped_column(Date)
    passport_expiration_date: Mapped[dt.date | None] = mapped_column(Date)
    address: Mapped[str | None]
    city: Mapped[str | None]
    state: Mapped[str | None]
    zip: Mapped[str | None]
    gender: Mapped[str | None]
    qty: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())


class PropertyDevelopmentPoints(Base):
    """Points that a reward group got for developing a property. They stand in the log as an entry."""

    __tablename__ = "property_development_points"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    reward_group_id: Mapped[int] = mapped_column(ForeignKey("reward_groups.id"), index=True)
    division_id: Mapped[int | None] = mapped_column(ForeignKey("divisions.id"))
    points: Mapped[int]
    project_name: Mapped[str | None]
    lot: Mapped[str | None]
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())


class PointAdjustment(Base):
    """Points that the office gave or took by hand. They stand in the log as an entry."""

    __tablename__ = "point_adjustments"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    reward_group_id: Mapped[int] = mapped_column(ForeignKey("reward_groups.id"), index=True)
    division_id: Mapped[int | None] = mapped_column(ForeignKey("divisions.id"))
    description: Mapped[str | None]
    points: Mapped[int]
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
