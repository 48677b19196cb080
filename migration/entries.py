"""The entries of the point log that migrated rows become: redemptions, property development points, adjustments.

Place on the data's way: the last step of a run, within its transaction, from the new tables.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Final

from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from migration.loading import continue_ids, put_off
from migration.map import TABLES
from migration.mapping import Entry, Table
from migration.target import LOG

_SUBJECTS: Final = {
    "redemption": (
        "p.title || ', ' || o.title",
        "JOIN prize_options AS o ON o.id = t.prize_option_id JOIN prizes AS p ON p.id = t.prize_id",
    ),
    "property_development": (
        "nullif(concat_ws(', ', nullif(t.project_name, ''), 'lot ' || nullif(t.lot, '')), '')",
        "LEFT JOIN divisions AS d ON d.id = t.division_id",
    ),
    "adjustment": ("t.description", "LEFT JOIN divisions AS d ON d.id = t.division_id"),
}
"""What an entry is about, for the page (facts ->> 'title'), and what is to be joined for it."""


def write_entries(connection: Connection, rows: int, business_zone: str) -> None:
    """Give every row that has none its entry in the log, dated as the row is, in the order of time.

    Args:
        connection: the run's.
        rows: how many were written to the tables that have entries.
        business_zone: whose date an entry takes effect on.
    """
    parts = "\nUNION ALL\n".join(_subjects(table, table.entry) for table in TABLES if table.entry is not None)
    with connection.cursor() as cursor:
        # Ids of our own: the table's sequence does not forget the numbers that a killed run took, and two runs shall give the same.
        cursor.execute("SELECT coalesce(max(id), 0) + 1 FROM point_entries")
        (first,) = cursor.fetchone() or (1,)
        cursor.execute(f"CREATE TEMP SEQUENCE incoming_ids START {int(first)}")
        with put_off(connection, LOG) if _is_larger(cursor, rows) else nullcontext():
            cursor.execute(_WRITE_ENTRIES.format(parts=parts), {"zone": business_zone})
        cursor.execute("DROP SEQUENCE incoming_ids")
        continue_ids(cursor, LOG, "id")


_WRITE_ENTRIES: Final = """
INSERT INTO point_entries (id, reward_group_id, company, kind, points_before, points_after, delta, effective_on, recorded_at, cause,
  cause_data, source_transaction, facts)
SELECT nextval('incoming_ids'), n.reward_group_id, n.company, n.kind, 0, n.points, n.points,
  (n.created_at AT TIME ZONE %(zone)s)::date, n.created_at, n.source_transaction || ' of the legacy program',
  '{{"kind": "legacy"}}'::jsonb, n.source_transaction,
  jsonb_build_object('title', n.title)
FROM (
  SELECT * FROM ({parts}) AS s
  WHERE NOT EXISTS (SELECT FROM point_entries AS e WHERE e.invoice_id IS NULL AND e.source_transaction = s.source_transaction)
  ORDER BY created_at, kind, id OFFSET 0) AS n
"""


def _subjects(table: Table, entry: Entry) -> str:
    # Put together from the map's words, so there is nothing to inject.
    title, joins = _SUBJECTS[entry.kind]
    company = "d.code" if any(column.new == "division_id" for column in table.columns) else "NULL"
    return (
        f"SELECT t.id, '{entry.kind}' AS kind, t.reward_group_id, {company} AS company, {entry.sign} * t.points AS points,"  # noqa: S608
        f" t.created_at, '{entry.name} ' || t.id AS source_transaction, {title} AS title FROM {table.new} AS t {joins}"
    )


def _is_larger(cursor: Cursor, count: int) -> bool:
    """Whether more entries come than stand there: then the log's indexes are built anew."""
    cursor.execute("SELECT count(*) < %s FROM (SELECT FROM point_entries LIMIT %s) AS first_ones", (count, count))
    return cursor.fetchone() == (True,)


def legacy_entries(connection: Connection) -> dict[str, tuple[int, int]]:
    """Kind of entry -> how many came from the legacy database, and the sum of their points."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT kind, count(*), sum(delta)::bigint FROM point_entries"
            " WHERE invoice_id IS NULL AND cause_data ->> 'kind' = 'legacy' GROUP BY kind"
        )
        return {kind: (int(count), int(points)) for kind, count, points in cursor.fetchall()}


def refused_points(connection: Connection, table: Table) -> int:
    """Points of the rows of a table that were refused."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum((content ->> 'points')::bigint), 0)::bigint FROM migration_rejects WHERE table_name = %s",
            (table.old,),
        )
        (points,) = cursor.fetchone() or (0,)
        return int(points)
