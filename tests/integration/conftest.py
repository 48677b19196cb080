"""One plain Postgres for the tests that need no stack, and a database of its own for each; MariaDBs for the legacy database.

Tests name the servers that they run on. What needs a MariaDB runs on the embedded one on every machine; what is marked
`every_server`, because servers differ in it, runs on the system's as well where it has one.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest

from connectors.local import accounts, binaries, jars, mariadb_choice
from connectors.local.mariadb import running
from connectors.local.mariadb_choice import MariaDb
from connectors.local.mariadb_server import Server
from connectors.settings import LocalSettings
from tests.integration.api.servers import Postgres, running_postgres

EMBEDDED = f"embedded-{jars.MARIADB_VERSION}"


@cache
def _system_mariadb() -> MariaDb | None:
    return mariadb_choice.of_system(accounts.unprivileged())


def _mariadbs() -> list[str]:
    """The names of the servers that are here, the one that is on every machine first."""
    system = _system_mariadb()
    return [EMBEDDED] if system is None else [EMBEDDED, system.name]


def pytest_report_header() -> list[str]:
    """Say what the machine gives to these tests."""
    settings = LocalSettings()
    postgres, java = binaries.postgres(settings.postgres_bin), binaries.java(settings.java_home)
    return [
        f"Postgres: {postgres.major} in {postgres.bin}; Java: {java.major}, {java.binary}; MariaDB: {', '.join(_mariadbs())}"
    ]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Name the MariaDB in each test's id: the embedded one, and every one for a test that is marked so."""
    if "mariadb_program" in metafunc.fixturenames:
        every = metafunc.definition.get_closest_marker("every_server") is not None
        metafunc.parametrize("mariadb_program", _mariadbs() if every else [EMBEDDED], indirect=True, scope="session")


@pytest.fixture(scope="session")
def mariadb_program(request: pytest.FixtureRequest) -> MariaDb:
    """The MariaDB that the test's id names."""
    system = _system_mariadb()
    found = mariadb_choice.packaged(LocalSettings()) if request.param == EMBEDDED else system
    assert found is not None
    assert found.name == request.param
    return found


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture
def database(postgres: Postgres) -> Iterator[str]:
    name = postgres.new_database()
    yield name
    postgres.drop_database(name)


@pytest.fixture(scope="session")
def mariadb(mariadb_program: MariaDb) -> Iterator[Server]:
    """Started at the first test that asks for it. Its databases are everybody's: take a name of your own, or load anew."""
    with running(program=mariadb_program) as server:
        yield server
