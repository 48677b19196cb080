"""What a migration leaves behind about itself: that it ran, every value that it changed, and every row that it refused."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Boolean, Column, Identity, LargeBinary, Table, Text
from sqlalchemy.orm import Mapped, mapped_column

from streams.postgres.models import Base


class MigrationRun(Base):
    """A run that was completed; one that failed leaves nothing."""

    __tablename__ = "migration_runs"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    source: Mapped[str]
    """The legacy database: server and schema, never a password."""
    server: Mapped[str]
    """What the legacy server says it is."""
    options: Mapped[dict[str, Any]]
    started_at: Mapped[dt.datetime]
    finished_at: Mapped[dt.datetime]
    tables: Mapped[dict[str, Any]]
    """New table -> legacy table, rows read, written, kept, rejected, left out."""
    points: Mapped[dict[str, Any]]
    """Kind of entry -> sum of points in the legacy database, refused ones included, and in the log."""
    left_behind: Mapped[dict[str, Any]]
    """Tables and columns that did not move: legacy table -> rows, or its columns."""


class MigrationFinding(Base):
    """A value that the last run changed or defaulted."""

    __tablename__ = "migration_findings"

    table_name: Mapped[str] = mapped_column(primary_key=True)
    """The legacy table."""
    key: Mapped[str] = mapped_column(primary_key=True)
    """The legacy row's key, as text; several columns are joined by a comma."""
    column_name: Mapped[str] = mapped_column(primary_key=True)
    """The legacy column."""
    rule: Mapped[str] = mapped_column(primary_key=True)
    old: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The bytes that stood there; encrypted where the column is (api/core/encryption.py)."""
    new: Mapped[str | None]
    """What stands in the new database now; `(encrypted)` where the column is."""
    encrypted: Mapped[bool]


class MigrationReject(Base):
    """A row that could not move, whole, with the reason."""

    __tablename__ = "migration_rejects"

    table_name: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    content: Mapped[dict[str, Any]]
    """Legacy column -> value as text; encrypted ones as `{"encrypted": base64}`."""
    reason: Mapped[str]


MIGRATED_ROWS = Table(
    "migration_row_blocks",
    Base.metadata,
    Column("table_name", Text, nullable=False, comment="The new table."),
    Column(
        "added", Boolean, nullable=False, comment="Whether a run has put the rows there: others stood there already."
    ),
    Column("keys", ARRAY(Text), nullable=False, comment="The rows' keys in it, as text."),
    Column(
        "digests",
        ARRAY(BigInteger),
        nullable=False,
        comment="Of the values that the run gave each (migration/changes.py).",
    ),
)
"""Every legacy row that the last run moved, a thousand to a row of this table: it is written and read as a whole.

The view `migration_rows` shows each by itself.
"""
