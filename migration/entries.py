"""The entries of the point log that migrated rows become: redemptions, property development points, adjustments.

Place on the data's way: the last step of a run, within its transaction, from the new tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Final

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from migration.loading import continue_ids, put_off
from migration.map import TABLES
from migration.mapping import Entry, Table
from migration.target import LOG

_SUBJECTS: Final = {
    "redemption": (
        "p.title || ', ' || o.title",
        "JOIN {prize_options} AS o ON o.id = t.prize_option_id JOIN {prizes} AS p ON p.id = t.prize_id",
    ),
    "property_development": (
        "nullif(concat_ws(', ', nullif(t.project_name, ''), 'lot ' || nullif(t.lot, '')), '')",
        "LEFT JOIN {divisions} AS d ON d.id = t.division_id",
    ),
    "adjustment": ("t.description", "LEFT JOIN {divisions} AS d ON d.id = t.division_id"),
}
"""What an entry is about, for the page (facts ->> 'title'), and what is to be joined for it."""


class Log:
    """The point log, for the rows of the legacy database alone."""

    def __init__(self, connection: Connection, standing: Callable[[Table], sql.Identifier], business_zone: str) -> None:
        """Prepare to write.

        Args:
            connection: the run's.
            standing: where the legacy rows of a table stand, and no others.
            business_zone: whose date an entry takes effect on.
        """
        self._connection = connection
        self._zone = business_zone
        names = {table.new: standing(table) for table in TABLES}
        parts = [_subjects(table, table.entry, names) for table in TABLES if table.entry is not None]
        self._rows = sql.SQL("\nUNION ALL\n").join(parts)

    def write(self, rows: int) -> None:
        """Give every row that has none its entry, dated as the row is, in the order of time.

        Args:
            rows: how many were written to the tables that have entries.
        """
        with self._connection.cursor() as cursor:
            indexes = put_off(self._connection, LOG) if _is_larger(cursor, rows) else nullcontext()
            with indexes, _ids(cursor):
                cursor.execute(sql.SQL(_INSERT + _WRITE).format(rows=self._rows), {"zone": self._zone})

    def correct(self) -> None:
        """Take back each entry that is not what its row says any more, or whose row is gone, and write it anew.

        An entry is never changed: it is taken back by another one.
        """
        with self._connection.cursor() as cursor, _ids(cursor):
            cursor.execute(sql.SQL(_FIND_CORRECTIONS).format(rows=self._rows), {"zone": self._zone})
            cursor.execute(_INSERT + _TAKE_BACK)
            cursor.execute(_INSERT + _WRITE_ANEW, {"zone": self._zone})
            cursor.execute("DROP TABLE corrections")


_INSERT: Final = """
INSERT INTO point_entries (id, reward_group_id, company, kind, points_before, points_after, delta, effective_on, recorded_at, cause,
  cause_data, source_transaction, facts)
"""
_WRITE: Final = """
SELECT nextval('incoming_ids'), n.reward_group_id, n.company, n.kind, 0, n.points, n.points,
  (n.created_at AT TIME ZONE %(zone)s)::date, n.created_at, n.source_transaction || ' of the legacy program',
  '{{"kind": "legacy"}}'::jsonb, n.source_transaction,
  jsonb_build_object('title', n.title)
FROM (
  SELECT * FROM ({rows}) AS s
  WHERE NOT EXISTS (SELECT FROM point_entries AS e WHERE e.invoice_id IS NULL AND e.source_transaction = s.source_transaction)
  ORDER BY created_at, kind, id OFFSET 0) AS n
"""
# Of each row the last entry counts, unless it takes another one back: then there is none.
_FIND_CORRECTIONS: Final = """
CREATE TEMP TABLE corrections ON COMMIT DROP AS
SELECT l.entry, l.number, r.*, coalesce(r.source_transaction, l.source) AS source
FROM (
  SELECT DISTINCT ON (source) * FROM (
    SELECT e AS entry, coalesce(e.cause_data ->> 'source', e.source_transaction) AS source, e.id,
      e.cause_data ? 'taken_back' AS is_taken_back, count(*) OVER (PARTITION BY coalesce(e.cause_data ->> 'source', e.source_transaction))
        AS number
    FROM point_entries AS e WHERE e.invoice_id IS NULL AND e.cause_data ->> 'kind' = 'legacy') AS every_one
  ORDER BY source, id DESC) AS l
LEFT JOIN ({rows}) AS r ON r.source_transaction = l.source
WHERE CASE WHEN l.is_taken_back THEN r.source_transaction IS NOT NULL
  ELSE ((l.entry).reward_group_id, (l.entry).company, (l.entry).kind, (l.entry).delta, (l.entry).effective_on, (l.entry).recorded_at,
    (l.entry).facts ->> 'title')
    IS DISTINCT FROM
    (r.reward_group_id, r.company, r.kind, r.points, (r.created_at AT TIME ZONE %(zone)s)::date, r.created_at, r.title) END
"""
_TAKE_BACK: Final = """
SELECT nextval('incoming_ids'), (c.entry).reward_group_id, (c.entry).company, (c.entry).kind, (c.entry).delta, 0, -(c.entry).delta,
  (c.entry).effective_on, clock_timestamp(), c.source || ' of the legacy program, taken back: it was changed or deleted there',
  jsonb_build_object('kind', 'legacy', 'source', c.source, 'taken_back', (c.entry).id),
  c.source || ', correction ' || c.number, (c.entry).facts
FROM (SELECT * FROM corrections WHERE NOT (entry).cause_data ? 'taken_back' ORDER BY (entry).id OFFSET 0) AS c
"""
_WRITE_ANEW: Final = """
SELECT nextval('incoming_ids'), c.reward_group_id, c.company, c.kind, 0, c.points, c.points,
  (c.created_at AT TIME ZONE %(zone)s)::date, c.created_at, c.source || ' of the legacy program, as it was changed there',
  jsonb_build_object('kind', 'legacy', 'source', c.source),
  c.source || ', correction ' || CASE WHEN (c.entry).cause_data ? 'taken_back' THEN c.number ELSE c.number + 1 END,
  jsonb_build_object('title', c.title)
FROM (SELECT * FROM corrections WHERE source_transaction IS NOT NULL ORDER BY created_at, kind, id OFFSET 0) AS c
"""


@contextmanager
def _ids(cursor: Cursor) -> Iterator[None]:
    """Ids of our own: the table's sequence does not forget the numbers that a killed run took, and two runs shall give the same."""
    cursor.execute("SELECT coalesce(max(id), 0) + 1 FROM point_entries")
    (first,) = cursor.fetchone() or (1,)
    cursor.execute(f"CREATE TEMP SEQUENCE incoming_ids START {int(first)}")
    yield
    cursor.execute("DROP SEQUENCE incoming_ids")
    continue_ids(cursor, LOG, "id")


def _subjects(table: Table, entry: Entry, names: Mapping[str, sql.Identifier]) -> sql.Composable:
    title, joins = _SUBJECTS[entry.kind]
    company = "d.code" if any(column.new == "division_id" for column in table.columns) else "NULL"
    # Put together from the map's words, so there is nothing to inject.
    return sql.SQL(
        f"SELECT t.id, '{entry.kind}' AS kind, t.reward_group_id, {company} AS company, {entry.sign} * t.points AS points,"  # noqa: S608
        f" t.created_at, '{entry.name} ' || t.id AS source_transaction, {title} AS title FROM {{{table.new}}} AS t {joins}"
    ).format(**names)


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
