"""Tables that exist once, whatever generations of state there are: who takes part, the terms, the business date, the lag, the sources.

One writer a table and column: the office writes groups and memberships, the scheduler the business date, the lag process the lag and
what was found of the captured sources.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Date,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Numeric,
    SmallInteger,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from streams.postgres.models.base import Base


class RewardGroup(Base):
    """A group of customers that shares one balance. Written by the office (plain SQL may)."""

    __tablename__ = "reward_groups"
    __table_args__ = (CheckConstraint("status IN ('open', 'hold', 'closed')", name="status"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="open")
    enrolled_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())


class CustomerRewardGroup(Base):
    """Who takes part: one group a customer at most. Written by the office; captured by a connector of its own."""

    __tablename__ = "customers_reward_groups"
    # The pages of a large group's customers, and how many there are.
    __table_args__ = (Index(None, "reward_group_id", "customer_master_id"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    customer_master_id: Mapped[str] = mapped_column(unique=True)
    reward_group_id: Mapped[int] = mapped_column(ForeignKey("reward_groups.id"))
    enrolled_at: Mapped[dt.date] = mapped_column(Date)
    """The day in the business zone."""


class Watermark(Base):
    """A row a partition that the connector's heartbeat updates: it travels like any change and closes what came before it.

    The warehouse has the same table (connectors/warehouse/schema.sql). `customer_master_id` is chosen so that the record lands in
    partition n of the topic that it shares with the captured table.
    """

    __tablename__ = "rewards_watermarks"

    customer_master_id: Mapped[str] = mapped_column(primary_key=True)
    mark: Mapped[int] = mapped_column(server_default="0")
    marked_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())


class BusinessDay(Base):
    """One row: the date that points are asked for. `manual` where the stack was started with --business-date."""

    __tablename__ = "business_day"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, server_default="1", autoincrement=False)
    business_date: Mapped[dt.date] = mapped_column(Date)
    manual: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    opened_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())


class ProgramTerms(Base):
    """The settings marked (term) in program-terms.md, one row in force at a time: the latest by id."""

    __tablename__ = "program_terms"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    penalty_scheme: Mapped[str] = mapped_column(server_default="standard")
    """standard (four stages, 50 % threshold) or public (every 30 days, no threshold)."""
    settings: Mapped[dict[str, Any]]
    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())


class Rate(Base):
    """Points per dollar. For a row of an invoice: the most specific pattern that matches, its latest row in force on the row's date."""

    __tablename__ = "rates"
    __table_args__ = (UniqueConstraint("company", "product_line", "effective_on", postgresql_nulls_not_distinct=True),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    company: Mapped[str | None]
    product_line: Mapped[str | None]
    points_per_dollar: Mapped[Decimal]
    effective_on: Mapped[dt.date] = mapped_column(Date)


class ConsumerLag(Base):
    """The latest measurement of each partition that a consumer group reads. Written by the lag process alone."""

    __tablename__ = "consumer_lag"

    consumer_group: Mapped[str] = mapped_column(primary_key=True)
    topic: Mapped[str] = mapped_column(primary_key=True)
    partition: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    agent: Mapped[str]
    committed_offset: Mapped[int | None]
    end_offset: Mapped[int]
    lag_records: Mapped[int]
    lag_seconds: Mapped[float] = mapped_column(Numeric(12, 3, asdecimal=False))
    member: Mapped[str | None]
    """The client that owns the partition; null while nobody does."""
    measured_at: Mapped[dt.datetime]
    unmeasured: Mapped[int] = mapped_column(Integer, server_default="0")


class SourceCheck(Base):
    """One row: when the captured sources were checked last. Written by the lag process alone, with the findings."""

    __tablename__ = "source_checks"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, server_default="1", autoincrement=False)
    checked_at: Mapped[dt.datetime]
    stale_at: Mapped[dt.datetime]
    """From then on nobody knows how the sources are: the next checks did not come."""


class SourceFinding(Base):
    """What is known to be wrong with a captured source. The whole set is replaced by each check."""

    __tablename__ = "source_findings"

    number: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    """Its place in the set."""
    connector: Mapped[str | None]
    """Null where it is about every source: none could be checked."""
    topic: Mapped[str | None]
    severity: Mapped[str]
    """error: points can be wrong or late; warning."""
    code: Mapped[str]
    message: Mapped[str]
    remedy: Mapped[str]
    hides_others: Mapped[bool] = mapped_column(Boolean)
    """The source could not be seen: what was wrong with it before is kept."""
    since: Mapped[dt.datetime]
    seen_at: Mapped[dt.datetime]
    """Before the last check where that could not see the source."""
