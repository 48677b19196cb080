"""One plain Postgres for the tests that need no stack, and a database of its own for each; one MariaDB for the legacy's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.local.mariadb import Server, running
from tests.integration.api.servers import Postgres, running_postgres


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
def mariadb() -> Iterator[Server]:
    """Started at the first test that asks for it. Its databases are everybody's: take a name of your own, or load anew."""
    with running() as server:
        yield server
