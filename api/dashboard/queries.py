"""Reads how far each agent is behind and how the sources are, as the lag process (streams/lag) saw it last; and open reloads."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import and_, func, select, true
from sqlalchemy.orm import Session

from api.core.database import stream_cursor
from api.core.permissions import Viewer
from api.dashboard.report import NEVER_CHECKED, LagReport, PartitionLag, SourceProblem, SourceReport, report_lag
from streams.generation import LIVE
from streams.postgres.epochs import open_epochs, retirement
from streams.postgres.models import ConsumerLag, PartitionProgress, SourceCheck, SourceFinding
from streams.state.epochs import OpenEpoch


class Reload(NamedTuple):
    """A truncate or a snapshot that is not over, and what its end would take now."""

    epoch: OpenEpoch
    missing: int
    """Invoices (or memberships) with a row that was not shown again."""
    points: int
    """What the invoices concerned are worth."""
    pending: int


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
            PartitionProgress.halted_at,
            PartitionProgress.halted_reason,
        )
        .outerjoin(
            PartitionProgress,
            and_(
                PartitionProgress.topic == ConsumerLag.topic,
                PartitionProgress.partition == ConsumerLag.partition,
                ConsumerLag.consumer_group == LIVE.application_id,
            ),
        )
        .order_by(ConsumerLag.consumer_group, ConsumerLag.agent, ConsumerLag.topic, ConsumerLag.partition)
    )
    measured = [PartitionLag(*row[:10], max(0.0, float(row[10])), row.halted_at, row.halted_reason) for row in rows]
    return report_lag(measured, open_epochs(stream_cursor(session)), _read_source(session))


def _read_source(session: Session) -> SourceReport:
    """Return how the sources were at the last check."""
    now = func.clock_timestamp()
    # One statement sees one set, whatever the lag process replaces meanwhile.
    rows = session.execute(
        select(
            SourceCheck.checked_at,
            now > SourceCheck.stale_at,
            func.extract("epoch", now - SourceCheck.checked_at),
            SourceFinding.number,
            SourceFinding.connector,
            SourceFinding.topic,
            SourceFinding.severity,
            SourceFinding.code,
            SourceFinding.message,
            SourceFinding.remedy,
            SourceFinding.since,
            SourceFinding.seen_at,
        )
        .outerjoin(SourceFinding, true())
        .order_by(SourceFinding.number)
    ).all()
    if not rows:
        return NEVER_CHECKED
    checked_at, is_stale, age_seconds, *_ = rows[0]
    findings = [SourceProblem(*list[Any](row)[4:]) for row in rows if row.number is not None]
    return SourceReport("stale" if is_stale else "fresh", checked_at, max(0.0, float(age_seconds)), findings)


def read_reloads(session: Session, viewer: Viewer) -> list[Reload]:
    """Return the truncates and snapshots that are not over, with what would be taken now; `Forbidden` outside of the office."""
    viewer.require_office()
    cursor = stream_cursor(session)
    return [Reload(epoch, *retirement(cursor, epoch)) for epoch in open_epochs(cursor)]
