"""The shapes of consumer lag, and of what is wrong with the sources, as JSON."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from api.core.schemas import Shape


class PartitionLagOut(Shape):
    """One partition's lag."""

    topic: str
    partition: int
    committed_offset: int | None
    end_offset: int
    lag_records: int
    lag_seconds: float
    member: str | None
    measured_at: dt.datetime
    age_seconds: float
    halted_at: dt.datetime | None
    halted_reason: str | None


class AgentLagOut(Shape):
    """One agent's lag."""

    name: str
    consumer_group: str
    lag_records: int
    lag_seconds_max: float
    unowned_partitions: int
    partitions: list[PartitionLagOut]


class ReloadOut(Shape):
    """A truncate or a snapshot of a captured table that has not shown all rows again."""

    topic: str
    what: Literal["invoices", "memberships"]
    kind: str
    happened_at: dt.datetime
    over: bool
    missing: int | None
    live: int | None
    waits_for: str | None
    waits_until: dt.datetime | None
    waits_for_a_word: bool
    accepted_at: dt.datetime | None
    accepted_by: str | None
    sentence: str
    remedy: str | None


class SourceProblemOut(Shape):
    """What is known to be wrong with a captured source."""

    connector: str | None
    topic: str | None
    severity: Literal["error", "warning"]
    code: str
    message: str
    remedy: str
    since: dt.datetime
    seen_at: dt.datetime
    """Before `checked_at` where the last check could not see the source."""


class SourceOut(Shape):
    """How the captured sources were at the last check. `stale`: no check came for some time, and nobody knows."""

    state: Literal["none", "stale", "fresh"]
    checked_at: dt.datetime | None
    age_seconds: float
    findings: list[SourceProblemOut]


class LagOut(Shape):
    """The lag of every agent."""

    state: Literal["none", "stale", "fresh"]
    age_seconds: float
    agents: list[AgentLagOut]
    reloads: list[ReloadOut]
    source: SourceOut
