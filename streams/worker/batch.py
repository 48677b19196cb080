"""What goes into a batch and what it leaves behind: shapes that the executor, the pipeline and the outputs share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from streams.postgres.sink import Written
from streams.source.records import DeadLetter
from streams.state.changeset import Entry

Place = tuple[str, int]
"""Topic and partition."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A bulk message, as an agent received it."""

    topic: str
    partition: int
    records: Sequence[Any]
    end_offset: int
    consumer_generation: int


@dataclass(slots=True)
class Outcome:
    """What a batch left behind, to be forwarded and then committed."""

    entries: Sequence[Entry] = ()
    written: Written = field(default_factory=Written)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    next_offsets: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)
    """(topic, partition) -> (next offset, consumer generation)."""
    record_count: int = 0
    more: bool = False
    """Whether what is held can go on at once: the batch was made smaller."""
    held: bool = False
    """Whether records were held back, for their transaction may not be complete."""
    taken: dict[Place, int] = field(default_factory=dict)
    """How many of its records went on, of each partition that was looked at."""
    halted: dict[Place, int] = field(default_factory=dict)
    """Partitions of which nothing goes on until a person says so, with how many of their records wait in memory."""
