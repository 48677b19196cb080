"""Databases of their own for the tests of the migration: the legacy sample, and a new database with nothing in it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from psycopg2 import sql

from connectors.local.mariadb_server import Server
from migration import schema
from migration.figures import Figures
from tests.integration.api.servers import Postgres
from tests.integration.migration.databases import SAMPLE, Legacy, New, migrate

EMPTY = "rewards_empty"
_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def empty_template(postgres: Postgres) -> str:
    """The newest schema and nothing in it."""
    with postgres.admin() as cursor:
        cursor.execute(sql.SQL("CREATE DATABASE {} OWNER rewards_owner").format(sql.Identifier(EMPTY)))
    schema.upgrade(postgres.url(EMPTY, "rewards_owner"))
    return EMPTY


@contextmanager
def _new_database(postgres: Postgres, template: str) -> Iterator[New]:
    name = postgres.new_database(template)
    try:
        yield New(postgres, name)
    finally:
        postgres.drop_database(name)


@contextmanager
def _legacy_database(server: Server, folder: Path) -> Iterator[Legacy]:
    """The sample under a name of its own."""
    name = f"legacy_{next(_NUMBERS)}"
    script = folder / f"{name}.sql"
    script.write_bytes(SAMPLE.read_bytes().replace(b"rewards_program", name.encode()))
    server.load(script)
    try:
        yield Legacy(server, name)
    finally:
        with closing(server.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {name}")


class Shelf:
    """A database that is as it was again after each test: far quicker than another one."""

    def __init__(self, new: New) -> None:
        self.new = new
        self._tables = new.tables
        self._next_ids = new.next_ids()
        with new.postgres.admin(new.name) as cursor:
            cursor.execute("CREATE SCHEMA kept")
            for table in self._tables:
                cursor.execute(f"CREATE TABLE kept.{table} AS TABLE public.{table}")

    def put_back(self) -> None:
        """Restore the rows of all tables, whatever refers to what, and the next ids."""
        anew = [f"DELETE FROM public.{t}; INSERT INTO public.{t} TABLE kept.{t}" for t in self._tables]
        anew += [f"SELECT setval('public.{name}', {number}, false)" for name, number in self._next_ids.items()]
        with self.new.postgres.admin(self.new.name) as cursor:
            cursor.execute(f"SET session_replication_role = replica; {'; '.join(anew)}")


@pytest.fixture(scope="session")
def empty_shelf(postgres: Postgres, empty_template: str) -> Iterator[Shelf]:
    with _new_database(postgres, empty_template) as database:
        yield Shelf(database)


@pytest.fixture
def new(empty_shelf: Shelf) -> Iterator[New]:
    """The newest schema and nothing in it, for a test to fill."""
    yield empty_shelf.new
    empty_shelf.put_back()


@pytest.fixture
def another_new(postgres: Postgres, empty_template: str) -> Iterator[New]:
    with _new_database(postgres, empty_template) as database:
        yield database


@pytest.fixture
def more_new(postgres: Postgres, empty_template: str) -> Iterator[Callable[[], New]]:
    """As many as a test asks for."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(_new_database(postgres, empty_template))


@pytest.fixture
def legacy(mariadb: Server, tmp_path: Path) -> Iterator[Legacy]:
    """The sample, for a test to change."""
    with _legacy_database(mariadb, tmp_path) as database:
        yield database


@dataclass(frozen=True)
class Migrated:
    """The sample and what a run made of it: to be read only."""

    legacy: Legacy
    new: New
    figures: Figures


@pytest.fixture(scope="session")
def sample(
    mariadb: Server, postgres: Postgres, empty_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Migrated]:
    """The sample, migrated once for all tests that only look at it."""
    with (
        _legacy_database(mariadb, tmp_path_factory.mktemp("sample")) as legacy,
        _new_database(postgres, empty_template) as new,
    ):
        yield Migrated(legacy, new, migrate(legacy, new))


@pytest.fixture(scope="session")
def migrated_shelf(sample: Migrated, postgres: Postgres) -> Iterator[Shelf]:
    with _new_database(postgres, sample.new.name) as database:
        yield Shelf(database)


@pytest.fixture
def migrated(migrated_shelf: Shelf) -> Iterator[New]:
    """A copy of what became of the sample, for a test to change; its legacy database is that of `sample`."""
    yield migrated_shelf.new
    migrated_shelf.put_back()
