"""What was found of the sources, in real tables."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import threading
from collections.abc import Iterator

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from streams.errors import TransientError
from streams.lag.findings import SourceFinding
from streams.lag.findings_sink import COLUMNS, replace
from streams.postgres.models import SourceFinding as Model
from streams.postgres.session import connect
from tests.integration.api.servers import Postgres
from tests.unit.lag.test_findings import ELSEWHERE, UNPUBLISHED, UNREADABLE


@pytest.fixture
def connection(postgres: Postgres, database: str) -> Iterator[Connection]:
    with contextlib.closing(connect(postgres.url(database), name="test findings")) as connection:
        yield connection


def stored(connection: Connection) -> list[tuple[object, ...]]:
    with connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT {COLUMNS}, since, seen_at FROM source_findings ORDER BY number")
        return cursor.fetchall()


def checked(connection: Connection) -> list[tuple[dt.datetime, dt.datetime]]:
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT checked_at, stale_at FROM source_checks")
        return cursor.fetchall()


def as_row(finding: SourceFinding) -> tuple[object, ...]:
    return dataclasses.astuple(finding)


def test_columns_are_those_of_the_table() -> None:
    assert set(COLUMNS.split(", ")) | {"number", "since", "seen_at"} == {one.name for one in Model.__table__.columns}
    assert COLUMNS.split(", ") == [one.name for one in dataclasses.fields(SourceFinding)]


def test_set_replaces_the_one_before_and_keeps_since_when_a_finding_lasts(connection: Connection) -> None:
    replace(connection, [UNPUBLISHED, ELSEWHERE], 15.0)
    ((began, _),) = checked(connection)
    known = replace(connection, [UNPUBLISHED], 15.0)
    ((now, _),) = checked(connection)

    assert now > began
    assert stored(connection) == [(*as_row(UNPUBLISHED), began, now)]
    assert [(one.finding, one.since, one.seen_at) for one in known] == [(UNPUBLISHED, began, now)]


def test_check_that_finds_nothing_is_written_as_well(connection: Connection) -> None:
    replace(connection, [UNPUBLISHED], 15.0)
    replace(connection, [], 2.0)
    assert stored(connection) == []
    ((now, stale_at),) = checked(connection)
    assert stale_at - now > dt.timedelta(seconds=6)


def test_what_cannot_be_seen_keeps_what_was_known_over_a_restart(postgres: Postgres, database: str) -> None:
    with contextlib.closing(connect(postgres.url(database), name="first")) as first:
        replace(first, [UNPUBLISHED, ELSEWHERE], 15.0)
        ((began, _),) = checked(first)
    with contextlib.closing(connect(postgres.url(database), name="second")) as second:
        replace(second, [UNREADABLE], 15.0)
        ((now, _),) = checked(second)
        assert stored(second) == [(*as_row(UNREADABLE), now, now), (*as_row(UNPUBLISHED), began, began)]


def test_two_processes_replace_the_set_one_after_the_other(postgres: Postgres, database: str) -> None:
    faults: list[Exception] = []

    def often() -> None:
        try:
            with contextlib.closing(connect(postgres.url(database), name="one of two")) as connection:
                for _ in range(50):
                    replace(connection, [UNPUBLISHED, ELSEWHERE], 15.0)
        except Exception as error:  # noqa: BLE001 -- told by the thread that waits
            faults.append(error)

    threads = [threading.Thread(target=often) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    with contextlib.closing(connect(postgres.url(database), name="after")) as connection:
        assert [row[:-2] for row in stored(connection)] == [as_row(UNPUBLISHED), as_row(ELSEWHERE)]


def test_lost_connection_is_a_transient_error(postgres: Postgres, connection: Connection) -> None:
    with postgres.admin() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test findings'"
        )
    with pytest.raises(TransientError):
        replace(connection, [UNPUBLISHED], 15.0)
