"""Writes a measurement into `consumer_lag`, in one transaction, with an upsert a partition. The table's only writer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import execute_values

from streams.lag.measure import Measurement
from streams.postgres.session import faults

COLUMNS: Final = (
    "consumer_group",
    "topic",
    "partition",
    "agent",
    "committed_offset",
    "end_offset",
    "lag_records",
    "lag_seconds",
    "member",
    "measured_at",
    "unmeasured",
)
KEY: Final = COLUMNS[:3]
_UPSERT: Final = (
    f"INSERT INTO consumer_lag ({', '.join(COLUMNS)}) VALUES %s ON CONFLICT ({', '.join(KEY)}) DO UPDATE SET "  # noqa: S608
    + ", ".join(f"{column} = excluded.{column}" for column in COLUMNS[3:])
)
# A partition that is gone (a topic made anew with fewer) must not show its last lag for ever.
_FORGET: Final = """
    DELETE FROM consumer_lag AS old WHERE consumer_group = %s AND NOT EXISTS (
        SELECT FROM unnest(%s::text[], %s::int[]) AS now (topic, partition)
        WHERE now.topic = old.topic AND now.partition = old.partition)
"""


def write(connection: Connection, group: str, measurements: Sequence[Measurement]) -> None:
    """Make `consumer_lag` say for the group what was measured, and nothing else.

    Raises:
        TransientError: Postgres does not answer; the connection is of no more use.
    """
    rows = [tuple(getattr(measurement, column) for column in COLUMNS) for measurement in measurements]
    with faults(), connection, connection.cursor() as cursor:
        if rows:
            execute_values(cursor, _UPSERT, rows, page_size=len(rows))
        cursor.execute(
            _FORGET, (group, [found.topic for found in measurements], [found.partition for found in measurements])
        )
