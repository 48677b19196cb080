"""The new database while a run writes to it: one transaction, in which everything comes or nothing does."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Protocol

import psycopg2
import psycopg2.errors
import psycopg2.extras
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from api.listener import CHANNEL
from migration.errors import MigrationError
from migration.map import TABLES, Column, Entry, Table

LOCK: Final = 5_271_004
"""Advisory lock's number: two runs at once would both find the tables empty."""
LOCK_SECONDS: Final = 60.0
"""A run that was killed lets go once Postgres has noticed; that takes a moment."""
ATTEMPTS: Final = 3
VERSIONS: Final = Path(__file__).with_name("versions")
LOG: Final = "point_entries"
REPORT: Final = ("migration_findings", "migration_rejects")
KEPT_SHOWN: Final = 5

_SUBJECTS: Final = {
    "redemption": (
        "p.title || ', ' || o.title",
        "JOIN prize_options AS o ON o.id = t.prize_option_id JOIN prizes AS p ON p.id = t.prize_id",
    ),
    "property_development": (
        "nullif(concat_ws(', lot ', nullif(t.project_name, ''), nullif(t.lot, '')), '')",
        "LEFT JOIN divisions AS d ON d.id = t.division_id",
    ),
    "adjustment": ("t.description", "LEFT JOIN divisions AS d ON d.id = t.division_id"),
}
"""What an entry is about, for the page (facts ->> 'title'), and what is to be joined for it."""


class Readable(Protocol):
    """What COPY reads from."""

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes."""

    def readline(self, size: int = -1, /) -> bytes:
        """Is not asked for."""


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a table's rows."""

    added: int
    kept: int
    """Rows that stood there already, and stay as they are."""
    different: tuple[str, ...]
    """Keys of those that have other values, the first ones."""
    different_count: int


@contextmanager
def connected(owner_url: str, legacy_zone: str) -> Iterator[Connection]:
    """Connect as the owner. The transaction is committed by the caller; everything else is rolled back.

    Raises:
        MigrationError: nobody answers, or the schema is not at the newest version.
    """
    try:
        connection: Connection = psycopg2.connect(owner_url, application_name="rewards migrate", connect_timeout=10)
    except psycopg2.OperationalError as error:
        raise MigrationError(
            f"sunroc_rewards does not answer: {str(error).strip()}. Start it with `rewards up`"
        ) from error
    try:
        with connection.cursor() as cursor:
            # COPY reads times of the legacy zone in it. A run that was killed is noticed within a second.
            cursor.execute("SELECT set_config('TimeZone', %s, false)", (legacy_zone,))
            cursor.execute("SET client_connection_check_interval = '1s'")
            cursor.execute("SET datestyle = 'ISO, YMD'")
            # Compiling the plans of a few large statements costs more than it saves.
            cursor.execute("SET jit = off")
            _require_schema(cursor)
        connection.commit()
        yield connection
    except psycopg2.Error as error:
        raise MigrationError(_words(error)) from error
    finally:
        connection.close()


def _require_schema(cursor: Cursor) -> None:
    cursor.execute("SELECT to_regclass('alembic_version') IS NOT NULL")
    version = None
    if cursor.fetchone() == (True,):
        cursor.execute("SELECT version_num FROM alembic_version")
        (version,) = cursor.fetchone() or (None,)
    if version != newest_version():
        raise MigrationError(
            f"the schema of sunroc_rewards is at version {version or 'none'}, and {newest_version()} is needed:"
            " `rewards database upgrade`"
        )


def newest_version() -> str:
    """The schema's newest version, by the names of its files: Alembic itself would take as much memory as all of the run."""
    return max(file.name[:4] for file in VERSIONS.glob("[0-9]*.py"))


def begin(connection: Connection) -> None:
    """Begin the run's transaction: alone, and with the tables to itself, so that nobody sees half of it.

    Raises:
        MigrationError: another run is at work, or somebody does not let go of a table.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with connection.cursor() as cursor:
                _lock_alone(cursor)
                cursor.execute("SET LOCAL lock_timeout = '60s'")
                names = [sql.Identifier(name) for name in (*dict.fromkeys(table.new for table in TABLES), LOG, *REPORT)]
                cursor.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.SQL(", ").join(names)))
                cursor.execute("SET LOCAL lock_timeout = 0")
                # Indexes are built and foreign keys checked for whole tables: in memory.
                cursor.execute("SET LOCAL maintenance_work_mem = '256MB'")
                cursor.execute("SET LOCAL work_mem = '192MB'")
        except (psycopg2.errors.DeadlockDetected, psycopg2.errors.LockNotAvailable) as error:
            connection.rollback()
            if attempt == ATTEMPTS:
                raise MigrationError(f"somebody holds a table that the migration writes: {_words(error)}") from error
        else:
            return


def _lock_alone(cursor: Cursor) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", (LOCK,))
        if cursor.fetchone() == (True,):
            return
        if time.monotonic() > deadline:
            raise MigrationError("another run of the migration is at work on this database: wait until it has ended")
        time.sleep(0.2)


@contextmanager
def put_off(connection: Connection, table: str) -> Iterator[None]:
    """Leave a table without foreign keys and indexes for a while: checked and built once, they cost a fraction."""
    name = sql.Identifier(table)
    later: list[sql.Composable] = []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'f'",
            (table,),
        )
        for constraint, definition in cursor.fetchall():
            cursor.execute(sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(name, sql.Identifier(constraint)))
            parts = (name, sql.Identifier(constraint), sql.SQL(definition))
            later.append(sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(*parts))
        cursor.execute(
            "SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index AS i WHERE i.indrelid = %s::regclass"
            " AND NOT EXISTS (SELECT FROM pg_constraint AS c WHERE c.conindid = i.indexrelid)",
            (table,),
        )
        for index, definition in cursor.fetchall():
            cursor.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(index)))
            later.insert(0, sql.SQL(definition))
        yield
        for statement in later:
            cursor.execute(statement)


class Loading:
    """Brings the rows of one table in."""

    def __init__(self, connection: Connection, table: Table, columns: Sequence[Column]) -> None:
        self._connection = connection
        self._table = table
        self._columns = [column.new for column in columns]

    def load(self, source: Readable) -> Written:
        """COPY what the source gives: directly into an empty table, else what is missing."""
        name = sql.Identifier(self._table.new)
        with self._connection.cursor() as cursor:
            if _is_empty(cursor, self._table.new):
                with put_off(self._connection, self._table.new):
                    return Written(self._copy(cursor, name, source), 0, (), 0)
            incoming = sql.Identifier(f"incoming_{self._table.new}")
            cursor.execute(sql.SQL("CREATE TEMP TABLE {} (LIKE {}) ON COMMIT DROP").format(incoming, name))
            count = self._copy(cursor, incoming, source)
            cursor.execute(sql.SQL("ANALYZE {}").format(incoming))
            return self._merge(cursor, incoming, name, count)

    def _copy(self, cursor: Cursor, into: sql.Identifier, source: Readable) -> int:
        columns = sql.SQL(", ").join(map(sql.Identifier, self._columns))
        cursor.copy_expert(sql.SQL("COPY {} ({}) FROM STDIN").format(into, columns), source)
        return int(cursor.rowcount)

    def _merge(self, cursor: Cursor, incoming: sql.Identifier, name: sql.Identifier, count: int) -> Written:
        """Add what is missing; what stands there belongs to the new system by now and is left alone."""
        parts = {
            "name": name,
            "incoming": incoming,
            "columns": sql.SQL(", ").join(map(sql.Identifier, self._columns)),
            "same": sql.SQL(" AND ").join(
                sql.SQL("t.{0} = n.{0}").format(sql.Identifier(key)) for key in self._table.new_key
            ),
            "key": sql.SQL(" || ',' || ").join(
                sql.SQL("n.{}::text").format(sql.Identifier(key)) for key in self._table.new_key
            ),
            "theirs": self._compared("t"),
            "ours": self._compared("n"),
        }
        cursor.execute(
            sql.SQL(
                "SELECT {key} FROM {incoming} AS n JOIN {name} AS t ON {same} WHERE ROW({theirs}) IS DISTINCT FROM ROW({ours})"
            ).format(**parts)
        )
        different = [key for (key,) in cursor.fetchall()]
        cursor.execute(
            sql.SQL(
                "INSERT INTO {name} ({columns}) SELECT {columns} FROM {incoming} AS n"
                " WHERE NOT EXISTS (SELECT FROM {name} AS t WHERE {same})"
            ).format(**parts)
        )
        added = int(cursor.rowcount)
        return Written(added, count - added, tuple(different[:KEPT_SHOWN]), len(different))

    def _compared(self, alias: str) -> sql.Composable:
        """Columns to compare; a password that was replaced since is the user's own business."""
        own = ("password_hash", "password_salt", "password_expired")
        return sql.SQL(", ").join(
            sql.SQL("{}.{}").format(sql.Identifier(alias), sql.Identifier(name))
            for name in self._columns
            if name not in own
        )


def write_entries(connection: Connection, rows: int, business_zone: str) -> None:
    """Give every row that has none its entry in the log, dated as the row is, in the order of time.

    Args:
        connection: the run's.
        rows: how many were written to the tables that have entries.
        business_zone: whose date an entry takes effect on.
    """
    parts = "\nUNION ALL\n".join(_subjects(table, table.entry) for table in TABLES if table.entry is not None)
    with connection.cursor() as cursor:
        # A sequence does not forget the numbers that a killed run took, and two runs shall give the same ids.
        _continue(cursor, LOG, "id")
        with put_off(connection, LOG) if _is_larger(cursor, rows) else nullcontext():
            cursor.execute(_WRITE_ENTRIES.format(parts=parts), {"zone": business_zone})


_WRITE_ENTRIES: Final = """
INSERT INTO point_entries (reward_group_id, company, kind, points_before, points_after, delta, effective_on, recorded_at, cause,
  source_transaction, facts)
SELECT n.reward_group_id, n.company, n.kind, 0, n.points, n.points,
  (n.created_at AT TIME ZONE %(zone)s)::date, n.created_at, n.source_transaction || ' of the legacy program', n.source_transaction,
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


def _is_empty(cursor: Cursor, table: str) -> bool:
    cursor.execute(sql.SQL("SELECT NOT EXISTS (SELECT FROM {})").format(sql.Identifier(table)))
    return cursor.fetchone() == (True,)


def _is_larger(cursor: Cursor, count: int) -> bool:
    """Whether more entries come than stand there: then the log's indexes are built anew."""
    cursor.execute("SELECT count(*) < %s FROM (SELECT FROM point_entries LIMIT %s) AS first_ones", (count, count))
    return cursor.fetchone() == (True,)


def continue_sequence(connection: Connection, table: Table) -> None:
    """The next id comes after the highest one."""
    if len(table.new_key) == 1:
        with connection.cursor() as cursor:
            _continue(cursor, table.new, table.new_key[0])


def _continue(cursor: Cursor, table: str, key: str) -> None:
    cursor.execute("SELECT pg_get_serial_sequence(%s, %s)", (table, key))
    (sequence,) = cursor.fetchone() or (None,)
    if sequence is not None:
        cursor.execute(
            sql.SQL("SELECT setval(%s, coalesce(max({}), 0) + 1, false) FROM {}").format(
                sql.Identifier(key), sql.Identifier(table)
            ),
            (sequence,),
        )


def write_report(connection: Connection, findings: IO[bytes], rejects: IO[bytes]) -> None:
    """Replace the last run's findings and rejects."""
    with connection.cursor() as cursor:
        for name, file in zip(REPORT, (findings, rejects), strict=True):
            cursor.execute(sql.SQL("TRUNCATE {}").format(sql.Identifier(name)))
            file.seek(0)
            cursor.copy_expert(sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(name)), file)


def legacy_entries(connection: Connection) -> dict[str, tuple[int, int]]:
    """Kind of entry -> how many came from the legacy database, and the sum of their points."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT kind, count(*), sum(delta)::bigint FROM point_entries"
            " WHERE invoice_id IS NULL AND cause LIKE '% of the legacy program' GROUP BY kind"
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


def write_run(connection: Connection, run: dict[str, Any]) -> None:
    """Keep what the run did."""
    values = {name: psycopg2.extras.Json(value) if isinstance(value, dict) else value for name, value in run.items()}
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("INSERT INTO migration_runs ({}) VALUES ({})").format(
                sql.SQL(", ").join(map(sql.Identifier, values)), sql.SQL(", ").join(map(sql.Placeholder, values))
            ),
            values,
        )


def tell_pages(connection: Connection) -> None:
    """Let the open pages read again, once the run is committed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, '*')", (CHANNEL,))


def _words(error: psycopg2.Error) -> str:
    """What Postgres says, with the row where it names one."""
    said = (error.diag.message_primary or str(error)).strip()
    parts = [f"Postgres: {said}", error.diag.message_detail, error.diag.context]
    return ". ".join(part.strip().replace("\n", " ") for part in parts if part)
