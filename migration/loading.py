"""Brings the rows of a table into Postgres: into an empty one directly, else what is missing.

Place on the data's way: within the run's transaction (target.py), fed by extract.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from migration.copytext import OPTIONS
from migration.map import PASSWORD
from migration.mapping import Column, Table

KEPT_SHOWN: Final = 5


class Readable(Protocol):
    """What COPY reads from."""

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes."""

    failure: Exception | None
    """What ended the reading, where something did."""

    def readline(self, size: int = -1, /) -> bytes:
        """Is not asked for."""


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a table's rows."""

    added: int
    kept: int
    """Rows that stood there already, and stay as they are."""
    different: tuple[str, ...]
    """Keys of those that have other values, the first ones."""
    different_count: int


class Loading:
    """Brings the rows of one table in."""

    def __init__(self, connection: Connection, table: Table, columns: Sequence[Column]) -> None:
        self._connection = connection
        self._table = table
        self._columns = [column.new for column in columns]

    def load(self, source: Readable) -> Written:
        """COPY what the source gives: directly into an empty table, else what is missing."""
        name = sql.Identifier(self._table.new)
        with self._connection.cursor() as cursor:
            if _is_empty(cursor, self._table.new):
                with put_off(self._connection, self._table.new):
                    return Written(self._copy(cursor, name, source), 0, (), 0)
            incoming = sql.Identifier(f"incoming_{self._table.new}")
            cursor.execute(sql.SQL("CREATE TEMP TABLE {} (LIKE {}) ON COMMIT DROP").format(incoming, name))
            count = self._copy(cursor, incoming, source)
            cursor.execute(sql.SQL("ANALYZE {}").format(incoming))
            return self._merge(cursor, incoming, name, count)

    def _copy(self, cursor: Cursor, into: sql.Identifier, source: Readable) -> int:
        columns = sql.SQL(", ").join(map(sql.Identifier, self._columns))
        try:
            cursor.copy_expert(sql.SQL("COPY {} ({}) FROM STDIN {}").format(into, columns, sql.SQL(OPTIONS)), source)
        except psycopg2.Error:
            if source.failure is not None:
                raise source.failure from None
            raise
        return int(cursor.rowcount)

    def _merge(self, cursor: Cursor, incoming: sql.Identifier, name: sql.Identifier, count: int) -> Written:
        """Add what is missing; what stands there belongs to the new system by now and is left alone."""
        parts = {
            "name": name,
            "incoming": incoming,
            "columns": sql.SQL(", ").join(map(sql.Identifier, self._columns)),
            "same": sql.SQL(" AND ").join(
                sql.SQL("t.{0} = n.{0}").format(sql.Identifier(key)) for key in self._table.new_key
            ),
            "key": sql.SQL(" || ',' || ").join(
                sql.SQL("n.{}::text").format(sql.Identifier(key)) for key in self._table.new_key
            ),
            "theirs": self._compared("t"),
            "ours": self._compared("n"),
        }
        cursor.execute(
            sql.SQL(
                "SELECT {key} FROM {incoming} AS n JOIN {name} AS t ON {same} WHERE ROW({theirs}) IS DISTINCT FROM ROW({ours})"
            ).format(**parts)
        )
        different = [key for (key,) in cursor.fetchall()]
        cursor.execute(
            sql.SQL(
                "INSERT INTO {name} ({columns}) SELECT {columns} FROM {incoming} AS n"
                " WHERE NOT EXISTS (SELECT FROM {name} AS t WHERE {same})"
            ).format(**parts)
        )
        added = int(cursor.rowcount)
        return Written(added, count - added, tuple(different[:KEPT_SHOWN]), len(different))

    def _compared(self, alias: str) -> sql.Composable:
        """Columns to compare; a password that was replaced since is the user's own business."""
        return sql.SQL(", ").join(
            sql.SQL("{}.{}").format(sql.Identifier(alias), sql.Identifier(name))
            for name in self._columns
            if name not in PASSWORD
        )


@contextmanager
def put_off(connection: Connection, table: str) -> Iterator[None]:
    """Leave a table without foreign keys, indexes and keys for a while: checked and built once, they cost a fraction."""
    name = sql.Identifier(table)
    later: list[sql.Composable] = []
    with connection.cursor() as cursor:
        # Foreign keys, and its own key where none of another table leads to it.
        cursor.execute(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint AS c WHERE conrelid = %s::regclass AND (contype = 'f'"
            " OR contype IN ('p', 'u') AND NOT EXISTS (SELECT FROM pg_constraint AS f WHERE f.contype = 'f' AND f.conindid = c.conindid))"
            " ORDER BY contype = 'f', conname",
            (table,),
        )
        for constraint, definition in cursor.fetchall():
            cursor.execute(sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(name, sql.Identifier(constraint)))
            parts = (name, sql.Identifier(constraint), sql.SQL(definition))
            later.append(sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(*parts))
        cursor.execute(
            "SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index AS i WHERE i.indrelid = %s::regclass"
            " AND NOT EXISTS (SELECT FROM pg_constraint AS c WHERE c.conindid = i.indexrelid)",
            (table,),
        )
        for index, definition in cursor.fetchall():
            cursor.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(index)))
            later.append(sql.SQL(definition))
        yield
        for statement in later:
            cursor.execute(statement)


def _is_empty(cursor: Cursor, table: str) -> bool:
    cursor.execute(sql.SQL("SELECT NOT EXISTS (SELECT FROM {})").format(sql.Identifier(table)))
    return cursor.fetchone() == (True,)


def continue_sequence(connection: Connection, table: Table, highest: int) -> None:
    """The next id comes after the highest one of the legacy table, of refused rows as well."""
    if len(table.new_key) == 1:
        with connection.cursor() as cursor:
            continue_ids(cursor, table.new, table.new_key[0], highest)


def continue_ids(cursor: Cursor, table: str, key: str, highest: int = 0) -> None:
    """The next id of a sequence comes after the highest one that stands there; what was given once is not given again."""
    cursor.execute("SELECT pg_get_serial_sequence(%s, %s)", (table, key))
    (sequence,) = cursor.fetchone() or (None,)
    if sequence is not None:
        cursor.execute(
            sql.SQL(
                "SELECT setval(%(sequence)s, greatest(%(highest)s, coalesce(max({}), 0),"
                " (SELECT last_value - CASE WHEN is_called THEN 0 ELSE 1 END FROM {})) + 1, false) FROM {}"
            ).format(sql.Identifier(key), sql.SQL(sequence), sql.Identifier(table)),
            {"sequence": sequence, "highest": highest},
        )
