"""Reads how far each agent is behind, by partition, as the lag process (streams/lag) measured it last."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.core.permissions import Viewer
from api.dashboard.report import LagReport, PartitionLag, report_lag
from streams.postgres.models import ConsumerLag


def read_lag(session: Session, viewer: Viewer) -> LagReport:
    """Return the lag of every measured partition; raise `Forbidden` unless the viewer works in the office."""
    viewer.require_office()
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
    return report_lag([PartitionLag(*row[:10], max(0.0, float(row[10]))) for row in rows])
