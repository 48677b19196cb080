"""How far a partition of a source topic has come, and what it came upon. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from streams.state.positions import Position


@dataclass(slots=True)
class Progress:
    """A row of `partition_progress`: how far a partition has come; changed by the processor, written with its batch."""

    topic: str
    partition: int
    snapshot_lsn: int
    snapshot_offset: int
    snapshot_done: bool
    next_offset: int
    last_transaction: str | None
    accept_bad_until: int = 0
    """Records before this offset that cannot be used halt nothing."""
    bad_records: dict[str, Any] = field(default_factory=dict)
    """The bad rows that count (source/bad_records.py)."""
    halted_reason: str | None = None
    """Why nothing of the partition goes on until a person says so; None while it goes on."""
    has_open_letters: bool = False
    """Whether a later record of a row may find a dead letter of it that nobody has decided on."""
    mark: int = 0
    mark_lsn: int = 0
    marked_ms: int | None = None
    ignored_rows: int = 0

    def snapshot_lsn_at(self, offset: int) -> int:
        """Return the major part of a record's position; for what comes from before the snapshot any lesser LSN does."""
        return self.snapshot_lsn if offset >= self.snapshot_offset else -1


@dataclass(frozen=True, slots=True)
class Epoch:
    """A truncate or a new snapshot that a partition has come upon."""

    topic: str
    position: Position
    kind: str
    happened_ms: int
