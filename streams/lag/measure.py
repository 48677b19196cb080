"""One measurement: offsets, owners and the first waiting records, put together for every agent and partition."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from streams import topics
from streams.generation import LIVE
from streams.lag.status import Offsets, Standing, Status, follow, lag_seconds, status

AGENTS: Final[Mapping[str, str]] = {
    topics.INVOICES.name: "invoices",
    topics.MEMBERSHIPS.name: "memberships",
    topics.REEVALUATIONS.name: "reevaluations",
}
"""Topic -> the agent that reads it. All agents of a worker are one consumer group."""


class Reader(Protocol):
    """What a measurement needs of a broker (offsets.py)."""

    def offsets(self, group: str, topics: list[str]) -> list[Offsets]:
        """Offsets of every partition that exists."""

    def owners(self, group: str) -> dict[tuple[str, int], str]:
        """The client that reads each partition."""

    def written_at(self, starts: Mapping[tuple[str, int], int]) -> dict[tuple[str, int], dt.datetime]:
        """When the first record at or after each offset was written."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """The lag of one agent in one partition; a row of `consumer_lag`, and its status."""

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
    unmeasured: int
    """Measurements in a row that could not read the first waiting record; `lag_seconds` is then a lower bound."""
    status: Status


class Meter:
    """Measures again and again; remembers since when a partition stands and how old its first waiting record is."""

    def __init__(self, group: str = LIVE.application_id, agents: Mapping[str, str] = AGENTS) -> None:
        self._group = group
        self._agents = agents
        self._standing: dict[tuple[str, int], Standing] = {}
        self._written_at: dict[tuple[str, int], tuple[int, dt.datetime]] = {}
        self._unmeasured: dict[tuple[str, int], int] = {}

    def measure(self, reader: Reader, now: dt.datetime) -> list[Measurement]:
        """Measure every partition. `now`: aware UTC, taken by the caller just before.

        Raises:
            TransientError: the broker does not answer.
        """
        found = reader.offsets(self._group, list(self._agents))
        owners = reader.owners(self._group)
        here = {(offsets.topic, offsets.partition): offsets for offsets in found}
        self._standing = {place: follow(self._standing.get(place), offsets, now) for place, offsets in here.items()}
        self._read_first_records(reader, here)
        return [self._measurement(offsets, owners.get(place), now) for place, offsets in here.items()]

    def _read_first_records(self, reader: Reader, here: Mapping[tuple[str, int], Offsets]) -> None:
        """Read what waits first where that has changed; a partition without lag costs nothing."""
        waiting = {place: offsets.next_read for place, offsets in here.items() if offsets.lag_records > 0}
        known = {
            place: self._written_at[place]
            for place, offset in waiting.items()
            if place in self._written_at and self._written_at[place][0] == offset
        }
        unknown = {place: offset for place, offset in waiting.items() if place not in known}
        read = reader.written_at(unknown)
        self._written_at = known | {place: (unknown[place], moment) for place, moment in read.items()}
        self._unmeasured = {place: self._unmeasured.get(place, 0) + 1 for place in unknown if place not in read}

    def _measurement(self, offsets: Offsets, member: str | None, now: dt.datetime) -> Measurement:
        place = (offsets.topic, offsets.partition)
        standing = self._standing[place]
        written_at = self._written_at[place][1] if place in self._written_at else None
        seconds = lag_seconds(offsets, standing, written_at, now)
        still = (now - standing.since).total_seconds()
        return Measurement(
            consumer_group=self._group,
            agent=self._agents[offsets.topic],
            topic=offsets.topic,
            partition=offsets.partition,
            committed_offset=offsets.committed,
            end_offset=offsets.end,
            lag_records=offsets.lag_records,
            lag_seconds=round(seconds, 3),
            member=member,
            measured_at=now,
            unmeasured=self._unmeasured.get(place, 0),
            status=status(offsets, seconds, member, still),
        )
