"""The words for what a unit is doing, and for how it was found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """What a unit is doing."""

    WAITING = "waiting"
    """For what it comes after."""
    STARTING = "starting"
    RUNNING = "running"
    UNHEALTHY = "unhealthy"
    """Alive, and not as it should be."""
    STOPPING = "stopping"
    """Asked to end, so that it can be started again."""
    BACKOFF = "backoff"
    """Ended; will be started again."""
    DONE = "done"
    """Ran once, as it should."""
    FAILED = "failed"
    """Ended; is started again only when somebody asks for it."""
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found when a child was asked how it is."""

    wrong: str | None
    """None: it is well."""
    hangs: bool = False
    """It does not answer at all; after a time only a new process helps."""
    by_itself: bool = False
    """What it needs has no part in that."""
