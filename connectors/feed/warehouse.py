"""The feed's side of the warehouse: what stands there, the next free ids, and the writing of changes in transactions.

Its own things (the sequence of ids, a reload's copy) live in the schema `feed`, which no publication names.
"""

# ruff: noqa: S608 - the SQL is put together from constants of this package

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final

import psycopg2
import psycopg2.errors
import psycopg2.extensions

from connectors.feed.changes import Change, Delete, Insert, Row, Update
from connectors.feed.settings import FeedError

Connection = psycopg2.extensions.connection
Cursor = psycopg2.extensions.cursor

CONNECTION_LOST: Final = (psycopg2.OperationalError, psycopg2.InterfaceError)

TABLE: Final = "public.invoice_transactions"
ROWS_LEARNT: Final = 20_000
"""How much of a full warehouse is learnt: its newest rows."""
IDS_A_BLOCK: Final = 1_000
LARGEST_ID: Final = 10**15
"""Ids beyond it are somebody's experiment and do not move the feed's own."""

_COLUMNS: Final = ", ".join(Row._fields)
_INSERT: Final = f"INSERT INTO {TABLE} ({_COLUMNS}, updated_date) VALUES "
_VALUES: Final = f"({', '.join(['%s'] * len(Row._fields))}, clock_timestamp())"
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtext('rewards feed'))"
_PREPARE: Final = """
    CREATE SCHEMA IF NOT EXISTS feed;
    CREATE SEQUENCE IF NOT EXISTS feed.id_blocks MINVALUE 0 START 0;
"""
# A block lies beyond every id that stands there, also of rows that somebody else wrote.
_NEXT_BLOCK: Final = f"""
    SELECT setval('feed.id_blocks',
        greatest(nextval('feed.id_blocks'), coalesce((max(transaction_id) - 1) / {IDS_A_BLOCK} + 1, 0)))
    FROM {TABLE} WHERE transaction_id BETWEEN 1 AND {LARGEST_ID}
"""


_COMPLETE = " AND ".join(
    f"{column} IS NOT NULL"
    for column in (
        "transaction_date",
        "customer_id",
        "customer_name",
        "company_abbreviation",
        "name",
        "system_name",
        "product_line_name",
    )
)


class Warehouse:
    """One connection to the warehouse. A lost one raises CONNECTION_LOST; `reconnect` then starts afresh."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._free_ids: Iterator[int] = iter(())
        self.connection = self._connect()

    def close(self) -> None:
        """Give the connection back."""
        self.connection.close()

    def reconnect(self) -> None:
        """Replace the connection. FeedError while the warehouse does not answer."""
        self.connection.close()
        self.connection = self._connect()

    def is_empty(self) -> bool:
        """Whether the table has no row."""
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(f"SELECT NOT EXISTS (SELECT FROM {TABLE})")
            return cursor.fetchone() == (True,)

    def newest_rows(self, limit: int = ROWS_LEARNT) -> list[Row]:
        """The rows with the highest ids, in the order of their ids; rows that somebody else left incomplete are not ours to change."""
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {_COLUMNS} FROM {TABLE} WHERE {_COMPLETE} ORDER BY transaction_id DESC LIMIT %s", (limit,)
            )
            return [Row(*values) for values in reversed(cursor.fetchall())]

    def take_id(self) -> int:
        """The next free `transaction_id`. Drawn in blocks, so that two feeds at once never draw the same."""
        for transaction_id in self._free_ids:
            return transaction_id
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(_LOCK)
            cursor.execute(_NEXT_BLOCK)
            (block,) = cursor.fetchone() or (0,)
        self._free_ids = iter(range(block * IDS_A_BLOCK + 1, (block + 1) * IDS_A_BLOCK + 1))
        return next(self._free_ids)

    def write(self, changes: Iterable[Change]) -> None:
        """Commit changes together. Safe to repeat after a lost connection: what stands there already stays as it is."""
        with self.connection.cursor() as cursor:
            # One round trip for all, so that the server's work is the whole cost of a change.
            script = b";\n".join(_statements(cursor, changes))
        while True:
            # Two feeds may change the same rows in another order: the one that Postgres ends for it lets the other through.
            with suppress(psycopg2.errors.DeadlockDetected), self.connection, self.connection.cursor() as cursor:
                cursor.execute(script)
                return

    def _connect(self) -> Connection:
        try:
            connection = psycopg2.connect(self._url, connect_timeout=10, application_name="rewards feed")
        except psycopg2.OperationalError as error:
            raise FeedError(
                f"the warehouse does not answer ({first_line(error)}): start it with `rewards up`"
            ) from error
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass(%s) IS NULL", (TABLE,))
            if cursor.fetchone() == (True,):
                raise FeedError(f"the warehouse has no table {TABLE}: `rewards up` makes it")
            # Two feeds that start at once must not make the same things at once.
            cursor.execute(_LOCK)
            cursor.execute(_PREPARE)
        return connection


def first_line(error: Exception) -> str:
    """What libpq says first; the rest repeats it for every address."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _statements(cursor: Cursor, changes: Iterable[Change]) -> Iterator[bytes]:
    """SQL of the changes in their order; neighbouring inserts become one statement."""
    inserts: list[bytes] = []
    for change in changes:
        if isinstance(change, Insert):
            inserts.append(cursor.mogrify(_VALUES, change.row))
            continue
        if inserts:
            yield _insert(inserts)
            inserts = []
        yield _delete(cursor, change) if isinstance(change, Delete) else _update(cursor, change)
    if inserts:
        yield _insert(inserts)


def _insert(values: list[bytes]) -> bytes:
    return _INSERT.encode() + b",".join(values) + b" ON CONFLICT (transaction_id) DO NOTHING"


def _update(cursor: Cursor, change: Update) -> bytes:
    assignments = "".join(f"{column} = %s, " for column in change.values)
    statement = f"UPDATE {TABLE} SET {assignments}updated_date = clock_timestamp() WHERE transaction_id = %s"
    return cursor.mogrify(statement, (*change.values.values(), change.transaction_id))


def _delete(cursor: Cursor, change: Delete) -> bytes:
    return cursor.mogrify(f"DELETE FROM {TABLE} WHERE transaction_id = %s", (change.transaction_id,))
