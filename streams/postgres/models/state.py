"""The state of one generation: what is known of invoices and memberships, what it is worth, and the log that says why.

Place on the data's way: the sink writes these in one transaction a batch; the website and the commands read them. Entries are
append-only: the application's role has neither UPDATE nor DELETE on them (migration/versions).
"""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import CheckConstraint, Date, Identity, Index, SmallInteger, Uuid, func, text
from sqlalchemy.orm import Mapped, mapped_column

from streams.postgres.models.base import Base
from streams.postgres.models.progress import DeadLetter, PartitionProgress, SourceEpoch

ENTRY_KINDS = ("reward", "penalty", "redemption", "adjustment", "property_development", "forfeiture")


class Invoice(Base):
    """What is known of an invoice (its rows, each with the source position it was last set at) and what it is worth."""

    __tablename__ = "invoices"
    __table_args__ = (
        Index("ix_invoices_customer_master_id", "customer_master_id"),
        Index(
            "ix_invoices_unsettled",
            "customer_master_id",
            "due_on",
            postgresql_where=text("open > 0 OR pending <> 0 OR at_risk <> 0"),
        ),
        Index(
            "ix_invoices_next_evaluation_on",
            "next_evaluation_on",
            postgresql_where=text("next_evaluation_on IS NOT NULL"),
        ),
        Index("ix_invoices_awaiting", "partition", "awaiting", postgresql_where=text("awaiting IS NOT NULL")),
        Index("ix_invoices_oldest_position", "oldest_snapshot_lsn", "oldest_lsn"),
    )

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    """Derived from the invoice's key (streams/state/invoices.py), so that every writer gives an invoice the same id."""
    customer_master_id: Mapped[str]
    company: Mapped[str]
    """Company abbreviation."""
    system_name: Mapped[str]
    document: Mapped[str | None]
    transaction_id: Mapped[int | None]
    """`transaction_description`, or the row's id where a row is an invoice of its own; the other one is null."""
    partition: Mapped[int] = mapped_column(SmallInteger)
    """The partition of the customer's records: whose worker owns the invoice."""
    rows: Mapped[dict[str, Any]]
    """Rows by transaction_id, retired ones included (streams/state/invoices.py, `StoredRow`)."""
    oldest_snapshot_lsn: Mapped[int | None]
    oldest_lsn: Mapped[int | None]
    """The least source position among the live rows: an epoch's end asks for what it did not show again."""
    revision: Mapped[int]
    """Up by one with each write; a write that knows another revision is refused."""
    awaiting: Mapped[str | None]
    """The source transaction whose rows stand here but are not evaluated yet, since more of it may come."""
    awaiting_cause: Mapped[dict[str, Any] | None]

    as_of: Mapped[dt.date] = mapped_column(Date)
    """The business date of what follows."""
    terms_id: Mapped[int | None]
    """The version of the terms (program_terms.id) of what follows; null where it was not recorded."""
    reward_group_id: Mapped[int | None]
    reward: Mapped[int]
    penalties: Mapped[dict[str, Any]]
    """Stage -> points (negative) and the date it took effect, e.g. {"1": [-1250, "2026-05-02"]}."""
    points: Mapped[int]
    """reward + penalties."""
    pending: Mapped[int]
    at_risk: Mapped[int]
    """What the next stage would take (negative or 0)."""
    at_risk_on: Mapped[dt.date | None] = mapped_column(Date)
    billed: Mapped[Decimal]
    paid: Mapped[Decimal]
    open: Mapped[Decimal]
    due_on: Mapped[dt.date | None] = mapped_column(Date)
    deadline_on: Mapped[dt.date | None] = mapped_column(Date)
    settled_on: Mapped[dt.date | None] = mapped_column(Date)
    next_evaluation_on: Mapped[dt.date | None] = mapped_column(Date)
    """The first later business date on which the worth can differ; null where none can."""
    updated_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())


class PointEntry(Base):
    """One change of what something is worth, and why. Balance = sum of entries, always. Never updated or deleted."""

    __tablename__ = "point_entries"
    __table_args__ = (
        CheckConstraint(f"kind IN {ENTRY_KINDS}", name="kind"),
        CheckConstraint("delta = points_after - points_before", name="delta"),
        Index(
            "uq_point_entries_once",
            "invoice_id",
            "kind",
            "stage",
            "reward_group_id",
            "source_transaction",
            "part",
            unique=True,
            postgresql_where=text("invoice_id IS NOT NULL"),
        ),
        Index(
            "uq_point_entries_of_the_office_once",
            "source_transaction",
            unique=True,
            postgresql_where=text("invoice_id IS NULL"),
        ),
        Index(
            "ix_point_entries_customer_master_id_id",
            "customer_master_id",
            "id",
            postgresql_include=["effective_on", "delta"],
            postgresql_where=text("customer_master_id IS NOT NULL"),
        ),
        # The balance over time is summed up from the index alone.
        Index(
            "ix_point_entries_reward_group_id_id", "reward_group_id", "id", postgresql_include=["effective_on", "delta"]
        ),
        # Balances sum up the office's entries from the index alone; a customer's log takes its group's part of them.
        Index(
            "ix_point_entries_of_the_office",
            "reward_group_id",
            "id",
            postgresql_include=["kind", "delta"],
            postgresql_where=text("kind NOT IN ('reward', 'penalty')"),
        ),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    invoice_id: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    reward_group_id: Mapped[int]
    customer_master_id: Mapped[str | None]
    company: Mapped[str | None]
    document: Mapped[str | None]
    kind: Mapped[str]
    stage: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    """1..n for penalties, 0 otherwise."""
    points_before: Mapped[int]
    points_after: Mapped[int]
    delta: Mapped[int]
    effective_on: Mapped[dt.date] = mapped_column(Date)
    """Settled on, or the stage's date."""
    recorded_at: Mapped[dt.datetime] = mapped_column(server_default=func.clock_timestamp())
    cause: Mapped[str]
    """One sentence for plain SQL: `change of row 17 at 0/1A2B3C4`, `day 2026-05-02`, `enrolment`, …"""
    cause_data: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    """The same as data, with its `kind` (streams/state/causes.py): pages read this."""
    source_transaction: Mapped[str]
    """What the entry is for, once: the source's transaction id, `day 2026-05-02`, …; the office's `redemption 17`, `adjustment 3`, …"""
    part: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    """0, or n where rows of a source transaction came after it had been taken for complete."""
    committed_at: Mapped[dt.datetime | None]
    """When the source transaction was committed (time of the source)."""
    facts: Mapped[dict[str, Any]]
    """billed, paid, open, due_on, deadline_on, settled_on, rates: the figures behind the points."""


class CustomerPoints(Base):
    """Totals, one row a customer and company abbreviation: the sum of its invoices."""

    __tablename__ = "customer_points"

    customer_master_id: Mapped[str] = mapped_column(primary_key=True)
    company: Mapped[str] = mapped_column(primary_key=True)
    points: Mapped[int] = mapped_column(server_default="0")
    pending: Mapped[int] = mapped_column(server_default="0")
    at_risk: Mapped[int] = mapped_column(server_default="0")
    updated_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())


class RewardGroupTotals(Base):
    """What a group's members earned with a company's invoices: the sum of its reward and penalty entries."""

    __tablename__ = "reward_group_totals"

    reward_group_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    company: Mapped[str] = mapped_column(primary_key=True)
    earned: Mapped[int] = mapped_column(server_default="0")
    pending: Mapped[int] = mapped_column(server_default="0")


class Membership(Base):
    """What the stream knows of a customer's membership: the rows of `customers_reward_groups` by id, with their positions."""

    __tablename__ = "memberships"
    __table_args__ = (Index("ix_memberships_oldest_position", "oldest_snapshot_lsn", "oldest_lsn"),)

    customer_master_id: Mapped[str] = mapped_column(primary_key=True)
    rows: Mapped[dict[str, Any]]
    revision: Mapped[int]
    oldest_snapshot_lsn: Mapped[int | None]
    oldest_lsn: Mapped[int | None]
    reward_group_id: Mapped[int | None]
    enrolled_on: Mapped[dt.date | None] = mapped_column(Date)


STATE: Final = (
    Invoice,
    PointEntry,
    CustomerPoints,
    RewardGroupTotals,
    Membership,
    PartitionProgress,
    SourceEpoch,
    DeadLetter,
)
"""Every table that a generation has of its own."""
