"""How far a partition of a source topic has come, and what it came upon. Pure."""

from __future__ import annotations

from dataclasses import dataclass

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
    mark: int = 0
    mark_lsn: int = 0
    marked_ms: int | None = None
    ignored_rows: int = 0


@dataclass(frozen=True, slots=True)
class Epoch:
    """A truncate or a new snapshot that a partition has come upon."""

    topic: str
    position: Position
    kind: str
    happened_ms: int
