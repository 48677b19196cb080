"""How far a generation has come in its topics, what it came upon there, and the records that it could not use.

Place on the data's way: the sink writes these with what came of the records; commands of a person change what is theirs to decide.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Identity,
    Index,
    LargeBinary,
    SmallInteger,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from streams.postgres.models.base import Base


class PartitionProgress(Base):
    """How far a partition of a captured topic has come. Its row is locked by every sink transaction of that partition."""

    __tablename__ = "partition_progress"

    topic: Mapped[str] = mapped_column(primary_key=True)
    partition: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    snapshot_lsn: Mapped[int] = mapped_column(server_default="0")
    """LSN of the snapshot that the partition is in or after; major part of every position read since `snapshot_offset`."""
    snapshot_offset: Mapped[int] = mapped_column(server_default="0")
    snapshot_done: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    """The snapshot's last record (the watermark's) has come by in this partition."""
    next_offset: Mapped[int] = mapped_column(server_default="0")
    """Everything before this offset stands in Postgres."""
    last_transaction: Mapped[str | None]
    """The source transaction that the last record belonged to; what awaits another one is complete."""
    mark: Mapped[int] = mapped_column(server_default="0")
    """The highest watermark that has come by, with its place and time in the source."""
    mark_snapshot_lsn: Mapped[int] = mapped_column(server_default="0")
    mark_lsn: Mapped[int] = mapped_column(server_default="0")
    marked_at: Mapped[dt.datetime | None]
    reloaded_at: Mapped[dt.datetime | None]
    """When the source last showed again a row that stood here before a truncate or a snapshot (time of the source)."""
    ignored_rows: Mapped[int] = mapped_column(server_default="0")
    """Changes of rows of neither type, or of no customer, that were left out."""
    topic_id: Mapped[str | None]
    """Kafka's id of the topic that `next_offset` is of; a topic that was made anew has another."""
    halted_at: Mapped[dt.datetime | None]
    """Since when the partition waits for a person's word, for too many of its records could not be used."""
    halted_reason: Mapped[str | None]
    accept_bad_until: Mapped[int] = mapped_column(server_default="0")
    """Records before this offset that cannot be used halt nothing: a person accepted them."""
    bad_records: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    """The bad rows that count towards a halt (streams/source/bad_records.py)."""


class SourceEpoch(Base):
    """A truncate or a new snapshot: rows set before it that it did not show again are gone once it is closed."""

    __tablename__ = "source_epochs"

    topic: Mapped[str] = mapped_column(primary_key=True)
    snapshot_lsn: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    lsn: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str]
    """truncate or snapshot."""
    happened_at: Mapped[dt.datetime]
    ready_at: Mapped[dt.datetime | None]
    """When it was over: from then on what it did not show again is retired."""
    missing: Mapped[int | None]
    """Invoices (or memberships) with a row that was not shown again, when that was last counted."""
    live: Mapped[int | None]
    """Invoices (or memberships) with a row that counts, when that was last counted."""
    counted_at: Mapped[dt.datetime | None]
    waits_for: Mapped[str | None]
    """What it is not over for: `records`, `quiet`, `time` or a person's `word` (streams/state/epochs.py)."""
    waits_until: Mapped[dt.datetime | None]
    """Until when it waits at most, where that is known (time of the source)."""
    accepted_at: Mapped[dt.datetime | None]
    """When a person said that what is missing is gone (`rewards reload accept`)."""
    accepted_by: Mapped[str | None]
    closed_at: Mapped[dt.datetime | None]


class DeadLetter(Base):
    """A record that could not be used, kept with its reason, and what a person decided of it."""

    __tablename__ = "dead_letters"
    __table_args__ = (
        UniqueConstraint("topic", "topic_id", "partition", "offset", postgresql_nulls_not_distinct=True),
        CheckConstraint("status IN ('open', 'accepted', 'retried', 'discarded', 'superseded')", name="status"),
        Index("ix_dead_letters_open", "topic", "partition", "row_id", postgresql_where=text("status = 'open'")),
        # The office's page of them, and how many there are.
        Index("ix_dead_letters_status_id", "status", "id"),
        Index("ix_dead_letters_retry", "id", postgresql_where=text("retry_requested_at IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    topic: Mapped[str]
    partition: Mapped[int] = mapped_column(SmallInteger)
    offset: Mapped[int]
    key: Mapped[bytes | None] = mapped_column(LargeBinary)
    value: Mapped[bytes | None] = mapped_column(LargeBinary)
    reason: Mapped[str]
    detail: Mapped[str]
    recorded_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    topic_id: Mapped[str | None]
    """Kafka's id of the topic: offsets of a topic that was made anew begin again."""
    row_id: Mapped[int | None]
    """The warehouse's or the membership's row, where the record still says it."""
    status: Mapped[str] = mapped_column(server_default="open")
    """open; accepted (the stream went on past it); retried (it could be used later); discarded, with a note; superseded (a later record
    of its row has come)."""
    retry_requested_at: Mapped[dt.datetime | None]
    """Since when a worker is to try it again; null once it did."""
    attempts: Mapped[int] = mapped_column(server_default="1")
    decided_at: Mapped[dt.datetime | None]
    decided_by: Mapped[str | None]
    note: Mapped[str | None]
