"""The shapes of dead letters as JSON. None has a record's bytes."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from api.core.parameters import BIGINT_MAX
from api.core.schemas import Shape
from streams.jobs.dead_letters import PAGE, REASON_CHARACTERS_MAX

LetterId = Annotated[int, Field(ge=1, le=BIGINT_MAX)]


class LetterOut(Shape):
    """A record that could not be used."""

    id: int
    topic: str
    partition: int
    offset: int
    row_id: int | None
    reason: str
    detail: str
    status: str
    attempts: int
    recorded_at: dt.datetime
    decided_at: dt.datetime | None
    decided_by: str | None
    note: str | None
    is_being_retried: bool
    halted_at: dt.datetime | None
    """Since when its partition waits for a decision on it."""


class HaltedOut(Shape):
    """A partition that waits for a decision."""

    topic: str
    partition: int
    halted_at: dt.datetime
    reason: str


class LettersOut(Shape):
    """Dead letters, newest first, and the partitions that wait for a decision."""

    count: int
    open_count: int
    halted: list[HaltedOut]
    dead_letters: Annotated[list[LetterOut], Field(validation_alias="letters")]


class DecisionIn(BaseModel):
    """A decision of some letters, or of all open ones."""

    decision: Literal["accept", "retry", "discard"]
    ids: Annotated[list[LetterId], Field(max_length=4 * PAGE)] | None = None
    """None: every open one."""
    reason: Annotated[str, Field(max_length=REASON_CHARACTERS_MAX)] = ""
    """Of a discard."""


class DecidedOut(Shape):
    """What it came to, letter by letter."""

    done: list[int]
    already: list[int]
    superseded: list[int]
    refused: dict[int, str]
