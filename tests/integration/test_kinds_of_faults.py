"""What Postgres really answers is one of the kinds that the retry policy tells apart."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from streams.errors import RefusedError, TransientError, TransientKind
from streams.postgres.session import connect, faults
from tests.integration.api.servers import Postgres

LOCK = "SELECT pg_advisory_lock(1)"


@pytest.fixture
def sessions(postgres: Postgres, database: str) -> Iterator[tuple[Connection, Connection]]:
    url = postgres.url(database)
    with contextlib.closing(connect(url, name="one")) as one, contextlib.closing(connect(url, name="two")) as two:
        one.autocommit = two.autocommit = True
        yield one, two


def kind_of(connection: Connection, *statements: str) -> TransientKind:
    with pytest.raises(TransientError) as caught, faults(), connection.cursor() as cursor:
        cursor.execute("; ".join(statements))
    return caught.value.kind


def test_lock_that_another_holds_and_a_time_out_are_contended(sessions: tuple[Connection, Connection]) -> None:
    one, two = sessions
    with one.cursor() as cursor:
        cursor.execute(LOCK)

    assert kind_of(two, "SET lock_timeout = '50ms'", LOCK) is TransientKind.CONTENDED
    assert kind_of(two, "SET lock_timeout = 0", "SET statement_timeout = '50ms'", LOCK) is TransientKind.CONTENDED


def test_session_that_is_ended_and_a_server_that_nobody_runs_are_away(
    sessions: tuple[Connection, Connection],
) -> None:
    one, two = sessions
    with one.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", (two.info.backend_pid,))

    assert kind_of(two, "SELECT pg_sleep(5)") is TransientKind.AWAY
    assert kind_of(two, "SELECT 1") is TransientKind.AWAY
    with pytest.raises(TransientError) as caught:
        connect("postgresql://nobody@127.0.0.1:1/none", name="three")
    assert caught.value.kind is TransientKind.AWAY


def test_what_does_not_fit_is_no_fault_of_the_world(sessions: tuple[Connection, Connection]) -> None:
    with pytest.raises(RefusedError), faults(), sessions[0].cursor() as cursor:
        cursor.execute("SELECT 1 / 0")
