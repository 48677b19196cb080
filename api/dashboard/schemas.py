"""The shapes of consumer lag as JSON."""

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


class AgentLagOut(Shape):
    """One agent's lag."""

    name: str
    consumer_group: str
    lag_records: int
    lag_seconds_max: float
    unowned_partitions: int
    partitions: list[PartitionLagOut]


class LagOut(Shape):
    """The lag of every agent."""

    state: Literal["none", "stale", "fresh"]
    age_seconds: float
    agents: list[AgentLagOut]
