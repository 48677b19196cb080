"""The report of consumer lag: agents with their partitions, and how each one does; and how the captured sources are. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, Literal

from streams.state.epochs import OpenEpoch

STALE_SECONDS: Final = 5.0
"""The lag process measures every second: after so long it is down, or cannot reach Kafka."""
BEHIND_SECONDS: Final = 5.0
FULL_BAR_RECORDS_AT_LEAST: Final = 100
"""A bar is full at the greatest lag there is, but a handful of records does not look like much."""


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """The latest measurement of one partition."""

    consumer_group: str
    agent: str
    topic: str
    partition: int
    committed_offset: int | None
    end_offset: int
    lag_records: int
    lag_seconds: float
    member: str | None
    measured_at: dt.datetime
    age_seconds: float
    """The time since the measurement, by the database's clock."""
    halted_at: dt.datetime | None = None
    """Since when it waits for a person's word, for too many of its rows cannot be used."""
    halted_reason: str | None = None


@dataclass(frozen=True, slots=True)
class AgentLag:
    """One agent's partitions."""

    name: str
    consumer_group: str
    partitions: list[PartitionLag]

    @property
    def topics(self) -> list[str]:
        """The topics that it reads."""
        return sorted({row.topic for row in self.partitions})

    @property
    def lag_records(self) -> int:
        """The lag of all partitions together."""
        return sum(row.lag_records for row in self.partitions)

    @property
    def lag_seconds_max(self) -> float:
        """The lag of the partition that is furthest behind."""
        return max(row.lag_seconds for row in self.partitions)

    @property
    def members(self) -> list[str]:
        """Who reads its partitions, each once."""
        return sorted({row.member for row in self.partitions if row.member is not None})

    @property
    def unowned_partitions(self) -> int:
        """How many partitions nobody reads."""
        return sum(row.member is None for row in self.partitions)

    @property
    def halted(self) -> list[PartitionLag]:
        """The partitions that wait for a person's word."""
        return [row for row in self.partitions if row.halted_at is not None]

    @property
    def state(self) -> str:
        """How the agent does, in words."""
        if self.unowned_partitions == len(self.partitions):
            return "Nobody reads it"
        if self.unowned_partitions:
            plural = "" if self.unowned_partitions == 1 else "s"
            return f"{self.unowned_partitions} partition{plural} without a reader"
        if self.halted:
            return f"{len(self.halted)} partition{'' if len(self.halted) == 1 else 's'} halted"
        if self.lag_seconds_max >= BEHIND_SECONDS:
            return "Behind"
        return "Keeping up" if self.lag_records else "Caught up"

    @property
    def tone(self) -> Literal["good", "warn", "bad"]:
        """The color of the state."""
        if self.unowned_partitions or self.halted:
            return "bad"
        return "warn" if self.lag_seconds_max >= BEHIND_SECONDS else "good"


@dataclass(frozen=True, slots=True)
class SourceProblem:
    """What is known to be wrong with a captured source."""

    connector: str | None
    """None where it is about every source: none could be checked."""
    topic: str | None
    severity: Literal["error", "warning"]
    code: str
    message: str
    remedy: str
    since: dt.datetime
    seen_at: dt.datetime


@dataclass(frozen=True, slots=True)
class SourceReport:
    """How the captured sources were at the last check, and whether that still says anything."""

    state: Literal["none", "stale", "fresh"]
    checked_at: dt.datetime | None
    """None where they were never checked."""
    age_seconds: float
    """The time since the check, by the database's clock; 0 where there was none."""
    findings: list[SourceProblem]

    def is_seen(self, finding: SourceProblem) -> bool:
        """Whether the last check saw it; else that could not see its source, and nobody knows whether it is over."""
        return self.checked_at is not None and finding.seen_at >= self.checked_at


NEVER_CHECKED: Final = SourceReport("none", None, 0.0, [])


@dataclass(frozen=True, slots=True)
class LagReport:
    """The lag of every agent, and whether the measurements are fresh."""

    state: Literal["none", "stale", "fresh"]
    age_seconds: float
    """The time since the latest measurement of any partition; 0 where there is none."""
    agents: list[AgentLag]
    reloads: list[OpenEpoch]
    """Truncates and snapshots that are not over."""
    source: SourceReport

    @property
    def waiting(self) -> list[OpenEpoch]:
        """Those that lack so many rows that they wait for them, or for a person."""
        return [one for one in self.reloads if one.remedy is not None]

    def bar(self, row: PartitionLag) -> float:
        """Return how much of a partition's bar is filled, in percent."""
        full = max(FULL_BAR_RECORDS_AT_LEAST, *(row.lag_records for agent in self.agents for row in agent.partitions))
        return round(100 * row.lag_records / full, 1)


def report_lag(
    rows: Sequence[PartitionLag], reloads: Sequence[OpenEpoch] = (), source: SourceReport = NEVER_CHECKED
) -> LagReport:
    """Group the measurements by agent and judge their age."""
    agents = [
        AgentLag(name, consumer_group, list(found))
        for (consumer_group, name), found in groupby(rows, key=lambda row: (row.consumer_group, row.agent))
    ]
    age_seconds = min((row.age_seconds for row in rows), default=0.0)
    state: Literal["none", "stale", "fresh"] = (
        "none" if not rows else "stale" if age_seconds > STALE_SECONDS else "fresh"
    )
    return LagReport(state, age_seconds, agents, list(reloads), source)
