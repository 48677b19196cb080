"""A legacy database and a new one for a test, and what it takes to hold them against each other."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import psycopg2
from psycopg2 import sql

from api.core.encryption import FieldCipher
from connectors.local.mariadb_server import Server
from connectors.settings import PROJECT
from migration import run as migration_run
from migration import verify as verification
from migration.figures import Figures, Options
from migration.rules.rule import Zones
from migration.run import Progress
from migration.terminal import Silence
from migration.verify import Comparison
from tests.integration.api.servers import Postgres

SAMPLE = PROJECT / "migration" / "sample" / "rewards_program.sql"
KEY = "Q" * 86
"""64 bytes in base64url."""
CIPHER = FieldCipher.from_setting(KEY)
DENVER = ZoneInfo("America/Denver")
OPTIONS = Options(Zones(DENVER, DENVER))
RUNS = "migration_runs"
"""Tells when a run was, so it is never the same."""

Row: TypeAlias = tuple[Any, ...]
Dump: TypeAlias = dict[str, list[str]]


@dataclass(frozen=True)
class Legacy:
    """A database on the MariaDB of the tests."""

    server: Server
    name: str

    @property
    def url(self) -> str:
        return f"{self.server.url}{self.name}"

    def run(self, *statements: str) -> None:
        """Run statements as an old application would, that knows of no strict mode."""
        with closing(self.server.connect(self.name)) as connection, connection.cursor() as cursor:
            cursor.execute("SET SESSION sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO'")
            for statement in statements:
                cursor.execute(statement)

    def insert(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows that have the same columns; text stands in utf8mb4, bytes in the column's own character set."""
        names = list(rows[0])
        with closing(self.server.connect(self.name)) as connection, connection.cursor() as cursor:
            cursor.execute("SET SESSION sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO'")
            one = f"({', '.join(['%s'] * len(names))})"
            for some in (rows[n : n + 500] for n in range(0, len(rows), 500)):
                cursor.execute(
                    f"INSERT INTO `{table}` ({', '.join(f'`{name}`' for name in names)}) VALUES {', '.join([one] * len(some))}",
                    [row[name] for row in some for name in names],
                )

    def rows(self, statement: str) -> list[Row]:
        with closing(self.server.connect(self.name)) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())


@dataclass(frozen=True)
class New:
    """A database that is migrated into."""

    postgres: Postgres
    name: str

    @property
    def url(self) -> str:
        return self.postgres.url(self.name, "rewards_owner")

    def rows(self, statement: str | sql.Composable, values: Sequence[Any] | None = None) -> list[Row]:
        """Run a statement as the owner, commit, and give back its rows: times in UTC, bytea as bytes."""
        with closing(psycopg2.connect(self.url)) as connection, connection.cursor() as cursor:
            cursor.execute("SET timezone = 'UTC'")
            cursor.execute(statement, values)
            found = cursor.fetchall() if cursor.description else []
            connection.commit()
            return [tuple(bytes(v) if isinstance(v, memoryview) else v for v in row) for row in found]

    def value(self, statement: str, values: Sequence[Any] | None = None) -> Any:
        ((value,),) = self.rows(statement, values)
        return value

    def run(self, statement: str, values: Sequence[Any] | None = None) -> None:
        self.rows(statement, values)

    @property
    def tables(self) -> list[str]:
        return [name for (name,) in self.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")]

    def dump(self, *, besides: Sequence[str] = (RUNS,)) -> Dump:
        """Every row of every table as Postgres writes it; of migrated rows each by itself, in whichever block it stands."""
        dumped: Dump = {}
        with closing(psycopg2.connect(self.url)) as connection, connection.cursor() as cursor:
            cursor.execute("SET timezone = 'UTC'")
            for table in (*self.tables, "migration_rows"):
                if table not in (*besides, "migration_row_blocks"):
                    cursor.execute(sql.SQL("SELECT t::text FROM {} AS t ORDER BY 1").format(sql.Identifier(table)))
                    dumped[table] = [row for (row,) in cursor.fetchall()]
        return dumped

    def next_ids(self) -> dict[str, int]:
        """The id that each table's next row would get."""
        found = {}
        for schema, sequence in self.rows("SELECT schemaname, sequencename FROM pg_sequences ORDER BY 2"):
            name = sql.Identifier(schema, sequence)
            ((found[sequence],),) = self.rows(sql.SQL("SELECT last_value + is_called::int FROM {}").format(name))
        return found

    def schema(self) -> list[Row]:
        """Indexes, constraints and rights, by which the tables of two databases are the same."""
        return self.rows(
            "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' UNION ALL"
            " SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE connamespace = 'public'::regnamespace UNION ALL"
            " SELECT oid::regclass::text, relreplident::text, relacl::text FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace ORDER BY 1, 2, 3"
        )


class At(Silence):
    """Does something once a run has read a table."""

    def __init__(self, table: str, do: Callable[[], object]) -> None:
        self._table = table
        self._do = do

    def end(self, table: str, rows: int) -> None:
        del rows
        if table == self._table:
            self._do()


def migrate(
    legacy: Legacy | str,
    new: New | str,
    *,
    zone: str = "America/Denver",
    strict: bool = False,
    merge_emails: bool = False,
    catch_up: bool = False,
    allow_myisam: bool = False,
    cipher: FieldCipher = CIPHER,
    progress: Progress | None = None,
) -> Figures:
    """Run the migration; either side may be an address."""
    options = Options(
        Zones(ZoneInfo(zone), DENVER), strict=strict, merge_emails=merge_emails, catch_up=catch_up, allow_myisam=allow_myisam
    )  # fmt: skip
    old_url = legacy if isinstance(legacy, str) else legacy.url
    new_url = new if isinstance(new, str) else new.url
    return migration_run.run(old_url, new_url, options, cipher, progress or Silence())


def planned(
    legacy: Legacy | str,
    new: New | None = None,
    *,
    strict: bool = False,
    merge_emails: bool = False,
    catch_up: bool = False,
) -> Figures:
    """Plan a run; with a new database, as one into that."""
    options = Options(Zones(DENVER, DENVER), strict=strict, merge_emails=merge_emails, catch_up=catch_up)
    old_url = legacy if isinstance(legacy, str) else legacy.url
    return migration_run.plan(old_url, options, CIPHER, Silence(), new.url if new else None)


def compared(
    legacy: Legacy, new: New | str, *, zone: str = "America/Denver", merge_emails: bool = False
) -> list[Comparison]:
    """Run a verification; the new database may be an address."""
    zones = Zones(ZoneInfo(zone), DENVER)
    new_url = new if isinstance(new, str) else new.url
    return verification.verify(
        legacy.url, new_url, zones, CIPHER, merge_emails=merge_emails, show=lambda _table, _rows: None
    )


def differences(
    legacy: Legacy, new: New, *, zone: str = "America/Denver", merge_emails: bool = False
) -> list[tuple[str, str, str]]:
    """Table, key and what differs; empty where a verification is content."""
    found = compared(legacy, new, zone=zone, merge_emails=merge_emails)
    told = [(c.name, d.key, d.what) for c in found for d in c.differences]
    assert bool(told) != all(comparison.same for comparison in found), "either all is the same or a row is named"
    return told


def rewards(
    *arguments: str, legacy: Legacy | None = None, new: New | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command of `rewards migrate` as a person does, to its end."""
    return subprocess.run(
        command(*arguments, legacy=legacy),
        env=surroundings(new, **environment), cwd=PROJECT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def command(*arguments: str, legacy: Legacy | None = None) -> list[str]:
    return [sys.executable, "-m", "cli", "migrate", *arguments, *(["--from", legacy.url] if legacy else [])]


def surroundings(new: New | None, **environment: str) -> dict[str, str]:
    """The environment of a command: nothing of this machine's own stack or settings."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("REWARDS_")}
    given = {"REWARDS_OWNER_DATABASE_URL": new.url} if new else {}
    return own | {"REWARDS_FIELD_KEYS": KEY} | given | environment


def postgres_log(postgres: Postgres) -> Path:
    """What the server writes for its operators."""
    with postgres.admin() as cursor:
        cursor.execute("SHOW data_directory")
        ((folder,),) = cursor.fetchall()
    return Path(folder) / "log"
