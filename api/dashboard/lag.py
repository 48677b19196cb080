"""The ops page of consumer lag: every agent, per partition, in records and seconds.

The lag process (streams/lag) measures and writes `consumer_lag`; this shows it, and says when no measurement is fresh.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from api.data.lag import PartitionLag, partition_lags
from api.database import Looking
from api.sessions import Office
from api.ui.templating import page, render_part

router = APIRouter(include_in_schema=False)

STALE_SECONDS = 5.0
"""The lag process measures every second: after so long it is down, or cannot reach Kafka."""
BEHIND_SECONDS = 5.0
FULL_BAR_RECORDS_AT_LEAST = 100
"""A bar is full at the greatest lag there is, but a handful of records is not made to look like much."""


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
        """Of all partitions together."""
        return sum(row.lag_records for row in self.partitions)

    @property
    def lag_seconds_max(self) -> float:
        """Of the partition that is furthest behind."""
        return max(row.lag_seconds for row in self.partitions)

    @property
    def unowned_partitions(self) -> int:
        """Partitions that nobody reads."""
        return sum(row.member is None for row in self.partitions)

    @property
    def state(self) -> str:
        """In words."""
        if self.unowned_partitions == len(self.partitions):
            return "Nobody reads it"
        if self.unowned_partitions:
            plural = "" if self.unowned_partitions == 1 else "s"
            return f"{self.unowned_partitions} partition{plural} without a reader"
        if self.lag_seconds_max >= BEHIND_SECONDS:
            return "Behind"
        return "Keeping up" if self.lag_records else "Caught up"

    @property
    def tone(self) -> Literal["good", "warn", "bad"]:
        """How the state is shown."""
        if self.unowned_partitions:
            return "bad"
        return "warn" if self.lag_seconds_max >= BEHIND_SECONDS else "good"


@dataclass(frozen=True, slots=True)
class LagReport:
    """What the page shows."""

    state: Literal["none", "stale", "fresh"]
    age_seconds: float
    """Since the latest measurement of any partition; 0 where there is none."""
    agents: list[AgentLag]

    def bar(self, row: PartitionLag) -> float:
        """How much of a partition's bar is filled, in percent."""
        full = max(FULL_BAR_RECORDS_AT_LEAST, *(row.lag_records for agent in self.agents for row in agent.partitions))
        return round(100 * row.lag_records / full, 1)


def report_lag(rows: Sequence[PartitionLag]) -> LagReport:
    """Group the measurements by agent and judge their age."""
    agents = [
        AgentLag(name, group, list(found))
        for (group, name), found in groupby(rows, key=lambda row: (row.consumer_group, row.agent))
    ]
    age_seconds = min((row.age_seconds for row in rows), default=0.0)
    return LagReport("none" if not rows else "stale" if age_seconds > STALE_SECONDS else "fresh", age_seconds, agents)


@router.get("/lag")
def lag(request: Request, viewer: Office, session: Looking) -> HTMLResponse:
    """Show the page."""
    return page(request, "lag.html", viewer, report=report_lag(partition_lags(session)))


@router.get("/lag/agents")
def lag_agents(request: Request, _viewer: Office, session: Looking) -> HTMLResponse:
    """Show the part of the page that changes, read again every second."""
    report = report_lag(partition_lags(session))
    return HTMLResponse(render_part(request.app.state.templates, "_lag.html", "agents", report=report))
