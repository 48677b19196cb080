"""Truncates and snapshots that are not over: reads their figures, counts what is missing, and notes the verdict on `source_epochs`.

Place on the data's way: worker/scheduler.py calls it several times a second; commands and pages read what was noted. Whether
something is missing goes by index at each call; how much is counted seldom, for that reads an index from end to end.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from streams.state.epochs import TIME, WORD, EpochFigures, OpenEpoch, ReloadLimits, Verdict, judge
from streams.topics import INVOICES, MEMBERSHIPS, PARTITIONS

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

logger = logging.getLogger(__name__)

TABLES: Final = {INVOICES.name: "invoices", MEMBERSHIPS.name: "memberships"}
"""Captured topic -> the state table that its rows are kept in."""
COUNT_SECONDS_MIN: Final = 5.0
COUNT_SHARE: Final = 50
"""Counting takes one in so many seconds at most."""

_OPEN: Final = """
SELECT e.topic, e.kind, e.snapshot_lsn, e.lsn, e.happened_at, e.ready_at IS NOT NULL, e.missing, e.live, e.counted_at, e.waits_for,
  e.waits_until, e.accepted_at, e.accepted_by, p.passed, p.shown_at, p.seen_until
FROM source_epochs AS e CROSS JOIN LATERAL (
  SELECT count(*) FILTER (WHERE CASE e.kind
      WHEN 'snapshot' THEN p.snapshot_lsn > e.snapshot_lsn OR (p.snapshot_lsn = e.snapshot_lsn AND p.snapshot_done)
      ELSE (p.mark_snapshot_lsn, p.mark_lsn) > (e.snapshot_lsn, e.lsn) END) = %(partitions)s AS passed,
    max(p.reloaded_at) AS shown_at, min(p.marked_at) AS seen_until
  FROM partition_progress AS p WHERE p.topic = e.topic) AS p
WHERE e.closed_at IS NULL ORDER BY e.topic, e.snapshot_lsn, e.lsn
"""
"""A snapshot is passed where its last record, the watermark's, has come by; a truncate where a later watermark has."""

_NOTE: Final = """
UPDATE source_epochs SET missing = %(missing)s, live = %(live)s, counted_at = %(counted_at)s, waits_for = %(waits_for)s,
  waits_until = %(until)s, ready_at = CASE WHEN %(over)s THEN COALESCE(ready_at, now()) END
WHERE topic = %(topic)s AND snapshot_lsn = %(snapshot_lsn)s AND lsn = %(lsn)s
"""

# What a later one shows, or does not, says all that the earlier one could.
_CLOSE_EARLIER: Final = """
UPDATE source_epochs AS e SET closed_at = now(), waits_for = NULL, waits_until = NULL
WHERE e.closed_at IS NULL AND e.ready_at IS NULL AND EXISTS (SELECT 1 FROM source_epochs AS later
  WHERE later.topic = e.topic AND (later.snapshot_lsn, later.lsn) > (e.snapshot_lsn, e.lsn))
"""

_ACCEPT: Final = """
UPDATE source_epochs SET accepted_at = now(), accepted_by = %s
WHERE topic = %s AND snapshot_lsn = %s AND lsn = %s AND closed_at IS NULL AND ready_at IS NULL AND accepted_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class _Read:
    """An open epoch with the figures that are judged."""

    epoch: OpenEpoch
    passed: bool
    shown_at: dt.datetime | None
    seen_until: dt.datetime | None

    @property
    def place(self) -> tuple[str, int, int]:
        return self.epoch.topic, self.epoch.snapshot_lsn, self.epoch.lsn


def open_epochs(cursor: Cursor) -> list[OpenEpoch]:
    """Return truncates and snapshots that are not over, or of which something is still to be retired, as was noted last."""
    return [read.epoch for read in _read(cursor)]


def accept(cursor: Cursor, epoch: OpenEpoch, by: str) -> bool:
    """Note that a person said that what is missing is gone; False where it is over or was accepted meanwhile."""
    cursor.execute(_ACCEPT, (by, epoch.topic, epoch.snapshot_lsn, epoch.lsn))
    return cursor.rowcount == 1


def retirement(cursor: Cursor, epoch: OpenEpoch) -> tuple[int, int, int]:
    """Return what would be retired now: invoices (or memberships), and the points and pending points of the invoices concerned.

    An invoice of which some rows were shown again loses only what the others are worth.
    """
    before = "(t.oldest_snapshot_lsn, t.oldest_lsn) < (%s, %s)"
    if TABLES[epoch.topic] == "invoices":
        question = (
            f"SELECT count(*), COALESCE(sum(points), 0), COALESCE(sum(pending), 0) FROM invoices AS t WHERE {before}"  # noqa: S608
        )
    else:
        question = (
            f"WITH gone AS (SELECT customer_master_id FROM memberships AS t WHERE {before}) SELECT (SELECT count(*) FROM gone),"  # noqa: S608
            " COALESCE(sum(i.points), 0), COALESCE(sum(i.pending), 0) FROM invoices AS i JOIN gone USING (customer_master_id)"
        )
    cursor.execute(question, (epoch.snapshot_lsn, epoch.lsn))
    ((count, points, pending),) = cursor.fetchall()
    return int(count), int(points), int(pending)


class EpochKeeper:
    """Brings epochs on, call by call; remembers when it counted."""

    def __init__(self, limits: ReloadLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._counted: dict[tuple[str, int, int], tuple[float, bool]] = {}
        """Epoch -> when it may be counted again, and whether it was passed when it was counted."""

    def move(self, cursor: Cursor) -> None:
        """Note which reloads are over, what the others wait for, and which have nothing left to retire."""
        found = _read(cursor)
        if not found:
            self._counted.clear()
            return
        if len(found) > 1:
            cursor.execute(_CLOSE_EARLIER)
            found = _read(cursor)
        for read in found:
            if read.epoch.over:
                self._close(cursor, read)
            else:
                self._judge(cursor, read)

    def _judge(self, cursor: Cursor, read: _Read) -> None:
        epoch = read.epoch
        missing, live, counted_at = epoch.missing, epoch.live, epoch.counted_at
        if not _is_missing(cursor, read):
            missing, counted_at = 0, counted_at if missing == 0 else dt.datetime.now(dt.UTC)
        elif not missing or self._may_count(read):
            started = self._clock()
            missing, live = _count(cursor, read)
            ended = self._clock()
            counted_at = dt.datetime.now(dt.UTC)
            next_at = ended + max(COUNT_SECONDS_MIN, COUNT_SHARE * (ended - started))
            self._counted[read.place] = (next_at, read.passed)
        figures = EpochFigures(
            read.passed,
            epoch.happened_at,
            read.shown_at,
            read.seen_until,
            missing,
            live,
            accepted=epoch.accepted_at is not None,
        )
        verdict = judge(figures, self._limits)
        _say(epoch, verdict, missing, live)
        noted = (epoch.missing, epoch.live, epoch.counted_at, epoch.waits_for, epoch.waits_until)
        if verdict.over or noted != (missing, live, counted_at, verdict.waits_for, verdict.until):
            cursor.execute(
                _NOTE,
                {
                    "topic": epoch.topic,
                    "snapshot_lsn": epoch.snapshot_lsn,
                    "lsn": epoch.lsn,
                    "missing": missing,
                    "live": live,
                    "counted_at": counted_at,
                    **verdict._asdict(),
                },
            )

    def _may_count(self, read: _Read) -> bool:
        """Whether a count is due. Until it is passed, more may go missing: what was counted before says nothing of the end."""
        next_at, passed = self._counted.get(read.place, (0.0, False))
        return self._clock() >= next_at or (read.passed and not passed)

    def _close(self, cursor: Cursor, read: _Read) -> None:
        if not _is_missing(cursor, read):
            cursor.execute(
                "UPDATE source_epochs SET closed_at = now() WHERE topic = %s AND snapshot_lsn = %s AND lsn = %s",
                read.place,
            )
            self._counted.pop(read.place, None)


def _say(epoch: OpenEpoch, verdict: Verdict, missing: int | None, live: int | None) -> None:
    """Log what a person should know of, once."""
    if verdict.over and missing:
        logger.info("%s of %s that the %s of %s did not show again are retired", missing, live, epoch.kind, epoch.topic)
    if verdict.waits_for in {TIME, WORD} and verdict.waits_for != epoch.waits_for:
        logger.warning(
            "The %s of %s has not shown %s of %s %s again; it waits %s. `rewards reload status` says what leads out.",
            epoch.kind,
            epoch.topic,
            missing,
            live,
            epoch.what,
            "for a person's word" if verdict.waits_for == WORD else f"until {verdict.until}",
        )


def _read(cursor: Cursor) -> list[_Read]:
    cursor.execute(_OPEN, {"partitions": PARTITIONS})
    return [_Read(OpenEpoch(row[0], TABLES[row[0]], *row[1:13]), *row[13:]) for row in cursor.fetchall()]


def _is_missing(cursor: Cursor, read: _Read) -> bool:
    cursor.execute(
        f"SELECT EXISTS (SELECT 1 FROM {read.epoch.what} WHERE (oldest_snapshot_lsn, oldest_lsn) < (%s, %s))",  # noqa: S608
        read.place[1:],
    )
    ((found,),) = cursor.fetchall()
    return bool(found)


def _count(cursor: Cursor, read: _Read) -> tuple[int, int]:
    cursor.execute(
        f"SELECT count(*) FILTER (WHERE (oldest_snapshot_lsn, oldest_lsn) < (%s, %s)), count(*) FROM {read.epoch.what}"  # noqa: S608
        " WHERE oldest_snapshot_lsn IS NOT NULL",
        read.place[1:],
    )
    ((missing, live),) = cursor.fetchall()
    return int(missing), int(live)
