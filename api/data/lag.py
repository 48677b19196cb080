"""One question: how far is each agent behind, by partition."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from streams.postgres.models import ConsumerLag


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
    """How long ago it was measured, by the database's clock."""


def partition_lags(session: Session) -> list[PartitionLag]:
    """Every measured partition by consumer group, agent, topic and partition."""
    rows = session.execute(
        select(
            ConsumerLag.consumer_group,
            ConsumerLag.agent,
            ConsumerLag.topic,
            ConsumerLag.partition,
            ConsumerLag.committed_offset,
            ConsumerLag.end_offset,
            ConsumerLag.lag_records,
            ConsumerLag.lag_seconds,
            ConsumerLag.member,
            ConsumerLag.measured_at,
            func.extract("epoch", func.clock_timestamp() - ConsumerLag.measured_at),
        ).order_by(ConsumerLag.consumer_group, ConsumerLag.agent, ConsumerLag.topic, ConsumerLag.partition)
    )
    return [PartitionLag(*row[:10], max(0.0, float(row[10]))) for row in rows]
