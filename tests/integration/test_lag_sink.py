"""Measurements in a real `consumer_lag`."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
from collections.abc import Iterator

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from streams.errors import TransientError
from streams.lag.measure import Measurement
from streams.lag.sink import COLUMNS, write
from streams.postgres.models import ConsumerLag
from streams.postgres.session import connect
from tests.integration.api.servers import Postgres, running_postgres

MEASURED = Measurement(
    consumer_group="rewards",
    agent="invoices",
    topic="t",
    partition=0,
    committed_offset=None,
    end_offset=7,
    lag_records=7,
    lag_seconds=1.25,
    member="worker",
    measured_at=dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC),
    unmeasured=0,
    status="ok",
)


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture
def connection(server: Postgres) -> Iterator[Connection]:
    name = server.new_database()
    with contextlib.closing(connect(server.url(name), name="test")) as connection:
        yield connection
    server.drop_database(name)


def stored(connection: Connection) -> list[tuple[object, ...]]:
    with connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(COLUMNS)} FROM consumer_lag ORDER BY 1, 2, 3")
        return cursor.fetchall()


def as_row(measurement: Measurement) -> tuple[object, ...]:
    return tuple(getattr(measurement, column) for column in COLUMNS)


def test_columns_are_those_of_the_table() -> None:
    assert set(COLUMNS) == {column.name for column in ConsumerLag.__table__.columns}
    assert set(COLUMNS) == {field.name for field in dataclasses.fields(Measurement)} - {"status"}


def test_measurement_replaces_the_one_before(connection: Connection) -> None:
    write(connection, "rewards", [MEASURED])
    later = dataclasses.replace(MEASURED, committed_offset=7, lag_records=0, lag_seconds=0.0, member=None)
    write(connection, "rewards", [later])
    assert stored(connection) == [as_row(later)]


def test_partition_that_was_not_measured_is_removed(connection: Connection) -> None:
    write(connection, "rewards", [MEASURED, dataclasses.replace(MEASURED, partition=1)])
    write(connection, "rewards", [MEASURED])
    assert [row[2] for row in stored(connection)] == [0]
    write(connection, "rewards", [])
    assert stored(connection) == []


def test_other_groups_are_left_alone(connection: Connection) -> None:
    write(connection, "another", [dataclasses.replace(MEASURED, consumer_group="another")])
    write(connection, "rewards", [MEASURED])
    assert [row[0] for row in stored(connection)] == ["another", "rewards"]


def test_lost_connection_is_a_transient_error(server: Postgres, connection: Connection) -> None:
    with server.admin() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test'")
    with pytest.raises(TransientError):
        write(connection, "rewards", [MEASURED])
