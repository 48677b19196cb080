"""The new database while a run writes to it: one transaction, in which everything comes or nothing does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Final

import psycopg2
import psycopg2.errors
import psycopg2.extras
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from api.core.listener import CHANNEL
from migration.connection import connect
from migration.copytext import OPTIONS
from migration.errors import MigrationError
from migration.map import TABLES

LOCK: Final = 5_271_004
"""Advisory lock's number: two runs at once would both find the tables empty."""
LOCK_SECONDS: Final = 60.0
"""A run that was killed lets go once Postgres has noticed; that takes a moment."""
ATTEMPTS: Final = 3
LOG: Final = "point_entries"
REPORT: Final = ("migration_findings", "migration_rejects")


@contextmanager
def connected(owner_url: str, legacy_zone: str) -> Iterator[Connection]:
    """Connect as the owner. The transaction is committed by the caller; everything else is rolled back.

    Raises:
        MigrationError: nobody answers, or the schema is not at the newest version.
    """
    connection = connect(owner_url, "rewards migrate")
    try:
        with connection.cursor() as cursor:
            # COPY reads times of the legacy zone in it. A run that was killed is noticed within a second.
            cursor.execute("SELECT set_config('TimeZone', %s, false)", (legacy_zone,))
            cursor.execute("SET client_connection_check_interval = '1s'")
            cursor.execute("SET datestyle = 'ISO, YMD'")
            # Compiling the plans of a few large statements costs more than it saves.
            cursor.execute("SET jit = off")
            # A large statement takes its time, and between two of them the legacy database is read.
            cursor.execute("SET statement_timeout = 0")
            cursor.execute("SET idle_in_transaction_session_timeout = 0")
        connection.commit()
        yield connection
    except psycopg2.Error as error:
        if connection.closed or _is_lost(error):
            raise MigrationError(
                f"the connection to sunroc_rewards was lost ({_words(error)}). Nothing of this run stays: start it again once"
                " `rewards status` shows the database running"
            ) from error
        raise MigrationError(f"{_words(error)}. Nothing of this run stays") from error
    finally:
        connection.close()


def keep_others_out(connection: Connection) -> None:
    """Keep other runs away until the connection is closed; nobody else waits for that.

    Raises:
        MigrationError: another run is at work.
    """
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,))
            is_alone = cursor.fetchone() == (True,)
        connection.rollback()
        if is_alone:
            return
        if time.monotonic() > deadline:
            raise MigrationError("another run of the migration is at work on this database: wait until it has ended")
        time.sleep(0.2)


def begin(connection: Connection) -> None:
    """Begin the run's transaction, with the tables to itself, so that nobody sees half of it.

    Raises:
        MigrationError: somebody does not let go of a table.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '60s'")
                written = (
                    *dict.fromkeys(table.new for table in TABLES),
                    LOG,
                    *REPORT,
                    "migration_row_blocks",
                    "migration_runs",
                )
                names = sql.SQL(", ").join(map(sql.Identifier, written))
                cursor.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(names))
                cursor.execute("SET LOCAL lock_timeout = 0")
                # Indexes are built and foreign keys checked for whole tables: in memory.
                cursor.execute("SET LOCAL maintenance_work_mem = '256MB'")
                cursor.execute("SET LOCAL work_mem = '192MB'")
        except (psycopg2.errors.DeadlockDetected, psycopg2.errors.LockNotAvailable) as error:
            connection.rollback()
            if attempt == ATTEMPTS:
                raise MigrationError(
                    f"somebody holds a table that the migration writes: {_words(error)}. Nothing was written."
                    " Start again when nobody works in the new database (pg_stat_activity tells who does)"
                ) from error
        else:
            return


def write_report(connection: Connection, findings: IO[bytes], rejects: IO[bytes]) -> None:
    """Replace the last run's findings and rejects."""
    with connection.cursor() as cursor:
        for name, file in zip(REPORT, (findings, rejects), strict=True):
            cursor.execute(sql.SQL("TRUNCATE {}").format(sql.Identifier(name)))
            file.seek(0)
            cursor.copy_expert(sql.SQL("COPY {} FROM STDIN {}").format(sql.Identifier(name), sql.SQL(OPTIONS)), file)


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


def _is_lost(error: psycopg2.Error) -> bool:
    """Whether the server has ended the connection; libpq notices that with the next statement."""
    said = error.pgcode or ""
    return said.startswith("57P") or (not said and isinstance(error, psycopg2.OperationalError))


def _words(error: psycopg2.Error) -> str:
    """What Postgres says, with the row where it names one."""
    said = (error.diag.message_primary or str(error)).strip()
    parts = [f"Postgres: {said}", error.diag.message_detail, error.diag.context]
    return ". ".join(" ".join(part.split()).rstrip(".") for part in parts if part)
