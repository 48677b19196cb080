"""What was captured when a snapshot was begun, and whether a new one is due: a small table of ours in the captured database.

A table that was made anew under the same name, a publication that was dropped and created again, a column that was dropped and added:
none shows in the names, and each is a gap. So the numbers by which the database knows them are written down when a snapshot begins.
A gap that was seen stays written down until a new snapshot has begun, also where what made it has been put right meanwhile.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from connectors.source.captured import Captured
from connectors.source.catalog import Catalog
from connectors.source.topic import TopicState

if TYPE_CHECKING:
    import psycopg2.extensions

TABLE: Final = "capture.snapshots"


@dataclass(frozen=True, slots=True)
class Identity:
    """By which the database and the broker know what is captured; the names may be somebody else's by now."""

    table: int
    columns: dict[str, tuple[int, str]]
    """Of the columns that a rule reads: number and type."""
    publication: int
    publication_version: str
    published: int
    """The table's entry in the publication."""
    topic: str | None = None
    starts: dict[int, int] = field(default_factory=dict)
    """Partition -> the offset from which on the snapshot's records stand."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What is written down for a connector."""

    identity: Identity | None
    """None where no snapshot was begun by us."""
    due_because: str | None = None
    """Why a new snapshot is due."""
    begun_at: dt.datetime | None = None


def identity_of(captured: Captured, catalog: Catalog, topic: TopicState | None, starts: dict[int, int]) -> Identity:
    """What is captured now. The table and its publication must be there."""
    table, publication = catalog.tables[captured.table], catalog.publication
    assert publication is not None
    columns = {name: (one.number, one.type) for name, one in table.columns.items() if name in captured.columns}
    entry = publication.tables[captured.table]
    return Identity(
        table.oid,
        columns,
        publication.oid,
        publication.version,
        entry.oid,
        topic.id if topic else None,
        starts,
    )


def load(connection: psycopg2.extensions.connection, connector: str) -> Memory | None:
    """What is written down; None where there is no such table, or we may not read it."""
    import psycopg2.errors

    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT source, due_because, begun_at FROM {TABLE} WHERE connector = %s", (connector,))  # noqa: S608
            found = cursor.fetchone()
    except (psycopg2.errors.UndefinedTable, psycopg2.errors.InvalidSchemaName, psycopg2.errors.InsufficientPrivilege):
        return None
    if found is None:
        return Memory(None)
    return Memory(_identity(found[0]) if found[0] else None, found[1], found[2])


def _identity(stored: dict[str, Any]) -> Identity:
    columns = {name: (number, kind) for name, (number, kind) in stored["columns"].items()}
    starts = {int(partition): offset for partition, offset in stored["starts"].items()}
    return Identity(**(stored | {"columns": columns, "starts": starts}))


def create(connection: psycopg2.extensions.connection, reader: str) -> None:
    """Make the table where there is none; `reader` is the role that asks and writes besides the owner."""
    from psycopg2 import sql

    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(_CREATE).format(reader=sql.Identifier(reader)))


def begin(connection: psycopg2.extensions.connection, connector: str, identity: Identity) -> None:
    """Write down what is captured by a snapshot that begins. One that was due stays so until `begun`."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {TABLE} (connector, source, begun_at) VALUES (%s, %s, clock_timestamp())"  # noqa: S608
            " ON CONFLICT (connector) DO UPDATE SET source = excluded.source, begun_at = excluded.begun_at",
            (connector, json.dumps(asdict(identity))),
        )


def begun(connection: psycopg2.extensions.connection, connector: str) -> None:
    """Note that no new snapshot is due any more."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {TABLE} SET due_since = NULL, due_because = NULL WHERE connector = %s",  # noqa: S608
            (connector,),
        )


def note_due(
    connection: psycopg2.extensions.connection, connector: str, because: str, begun_at: dt.datetime | None
) -> None:
    """Note that a new snapshot is due. The first reason stays.

    `begun_at` is that of the memory that was judged by: where a snapshot has begun since, nothing is noted.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {TABLE} AS s (connector, due_since, due_because) VALUES (%s, clock_timestamp(), %s)"  # noqa: S608
            " ON CONFLICT (connector) DO UPDATE SET due_since = excluded.due_since, due_because = excluded.due_because"
            " WHERE s.due_because IS NULL AND s.begun_at IS NOT DISTINCT FROM %s",
            (connector, because, begun_at),
        )


_CREATE: Final = """
CREATE SCHEMA IF NOT EXISTS capture;
CREATE TABLE IF NOT EXISTS capture.snapshots (
    connector   text PRIMARY KEY,
    source      jsonb,
    begun_at    timestamptz,
    due_since   timestamptz,
    due_because text
);
GRANT USAGE ON SCHEMA capture TO {reader};
GRANT SELECT, INSERT, UPDATE ON capture.snapshots TO {reader};
"""
"""The same as at the end of warehouse/schema.sql."""
