"""Writes what is known of the captured sources into `source_checks` and `source_findings`, whole, in one transaction. Their only writer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import execute_values

from streams.lag.findings import KnownFinding, SourceFinding, merged
from streams.postgres.session import faults

CHECKS_MISSED: Final = 3
"""After so many checks that did not come, nobody knows how the sources are."""
SLOW_SECONDS: Final = 15.0
"""A check of servers that do not answer takes so long."""

# The row is locked until the end, so that two processes replace the findings one after the other.
_CHECKED: Final = """
INSERT INTO source_checks (id, checked_at, stale_at) VALUES (1, clock_timestamp(), clock_timestamp() + make_interval(secs => %s))
ON CONFLICT (id) DO UPDATE SET checked_at = excluded.checked_at, stale_at = excluded.stale_at RETURNING checked_at
"""
COLUMNS: Final = "connector, topic, severity, code, message, remedy, hides_others"
_BEFORE: Final = f"SELECT {COLUMNS}, since, seen_at FROM source_findings ORDER BY number"  # noqa: S608
_INSERT: Final = f"INSERT INTO source_findings (number, {COLUMNS}, since, seen_at) VALUES %s"  # noqa: S608


def replace(connection: Connection, found: Sequence[SourceFinding], interval_seconds: float) -> list[KnownFinding]:
    """Make the tables say what is known after a check, and return it.

    Args:
        connection: as the application's role.
        found: what the check found.
        interval_seconds: from one check to the next.

    Raises:
        TransientError: Postgres does not answer; the connection is of no more use.
    """
    with faults(), connection, connection.cursor() as cursor:
        cursor.execute(_CHECKED, (interval_seconds * CHECKS_MISSED + SLOW_SECONDS,))
        ((now,),) = cursor.fetchall()
        cursor.execute(_BEFORE)
        before = [KnownFinding(SourceFinding(*row[:-2]), *row[-2:]) for row in cursor.fetchall()]
        known = merged(before, found, now)
        cursor.execute("DELETE FROM source_findings")
        if known:
            execute_values(cursor, _INSERT, [_row(number, one) for number, one in enumerate(known)])
        return known


def _row(number: int, known: KnownFinding) -> tuple[object, ...]:
    one = known.finding
    finding = (one.connector, one.topic, one.severity, one.code, one.message, one.remedy, one.hides_others)
    return (number, *finding, known.since, known.seen_at)
