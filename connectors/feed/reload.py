"""Truncate and reload: an ordinary night's work in this warehouse. The same rows leave and come back.

The rows wait in a real table, `feed.reload_rows`. In one transaction, an interruption leaves everything as it was; in
several, the copy stands until the last row is back, and the next call of the feed completes what was interrupted.
"""

# ruff: noqa: S608 - the SQL is put together from constants of this package

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import Final

from connectors.feed.settings import FeedError
from connectors.feed.warehouse import TABLE, Connection, Cursor

COPY: Final = "feed.reload_rows"


@dataclass(frozen=True, slots=True)
class Reload:
    """What a reload did."""

    completed_interrupted: bool
    """It only loaded what an earlier, interrupted reload had left aside."""
    rows_set_aside: int
    rows_loaded: int
    """Less than were set aside where it was stopped, or where a row of the same id had come meanwhile."""
    transactions: int


def truncate_and_reload(connection: Connection, chunks: int, show: Callable[[int], None], stop: Event) -> Reload:
    """Set the rows aside, truncate, load them again; `chunks` transactions for the loading, or 1 for everything in one.

    `show` is told how many rows are back. `stop` interrupts between two transactions. Where an earlier reload was
    interrupted, only that one is completed.
    """
    _lock(connection)
    try:
        left = _rows_left(connection)
        if left is None and chunks == 1:
            rows = _in_one_transaction(connection)
            return Reload(completed_interrupted=False, rows_set_aside=rows, rows_loaded=rows, transactions=1)
        aside = _set_aside_and_truncate(connection) if left is None else left
        loaded = transactions = 0
        while not stop.is_set():
            moved = _load_chunk(connection, max(1, -(-aside // chunks)))
            if moved is None:
                break
            loaded += moved
            transactions += 1
            show(loaded)
        return Reload(left is not None, aside, loaded, transactions)
    finally:
        _unlock(connection)


def is_interrupted(connection: Connection) -> bool:
    """Whether rows are still aside and nobody is loading them."""
    if _rows_left(connection) is None or not _try_lock(connection):
        return False
    _unlock(connection)
    return True


def _in_one_transaction(connection: Connection) -> int:
    with connection, connection.cursor() as cursor:
        rows = _copy(cursor)
        cursor.execute(f"INSERT INTO {TABLE} SELECT * FROM {COPY}")
        cursor.execute(f"DROP TABLE {COPY}")
        return rows


def _set_aside_and_truncate(connection: Connection) -> int:
    with connection, connection.cursor() as cursor:
        rows = _copy(cursor)
        cursor.execute(f"ALTER TABLE {COPY} ADD PRIMARY KEY (transaction_id)")
        return rows


def _copy(cursor: Cursor) -> int:
    """Copy the rows and truncate, with nobody writing in between."""
    cursor.execute(f"LOCK TABLE {TABLE} IN ACCESS EXCLUSIVE MODE")
    cursor.execute(f"CREATE TABLE {COPY} AS SELECT * FROM {TABLE}")
    rows = cursor.rowcount
    cursor.execute(f"TRUNCATE {TABLE}")
    return rows


def _load_chunk(connection: Connection, rows: int) -> int | None:
    """Move the next rows back in the order of their ids; None, and the copy is gone, where all are back.

    A row that came meanwhile with the same id stays.
    """
    with connection, connection.cursor() as cursor:
        cursor.execute(
            f"""WITH moved AS (DELETE FROM {COPY} WHERE transaction_id IN
                    (SELECT transaction_id FROM {COPY} ORDER BY transaction_id LIMIT %s) RETURNING *)
                INSERT INTO {TABLE} SELECT * FROM moved ON CONFLICT (transaction_id) DO NOTHING""",
            (rows,),
        )
        loaded = cursor.rowcount
        cursor.execute(f"SELECT NOT EXISTS (SELECT FROM {COPY})")
        if loaded == 0 and cursor.fetchone() == (True,):
            cursor.execute(f"DROP TABLE {COPY}")
            return None
        return loaded


def _rows_left(connection: Connection) -> int | None:
    """Rows that are still aside; None where no reload is under way."""
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", (COPY,))
        if cursor.fetchone() == (None,):
            return None
        cursor.execute(f"SELECT count(*) FROM {COPY}")
        (rows,) = cursor.fetchone() or (0,)
        return int(rows)


def _try_lock(connection: Connection) -> bool:
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtext('rewards feed reload'))")
        return cursor.fetchone() == (True,)


def _lock(connection: Connection) -> None:
    if not _try_lock(connection):
        raise FeedError("another call is truncating and reloading: wait for its end")


def _unlock(connection: Connection) -> None:
    # A lost connection has let go of the lock already.
    if not connection.closed:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(hashtext('rewards feed reload'))")
