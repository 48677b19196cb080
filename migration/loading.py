"""Brings the rows of the tables into Postgres: into empty ones directly, else what changed since the last run (changes.py).

Place on the data's way: within the run's transaction (target.py), fed by extract.py. What is to be done is decided in between
(decisions.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from api.core.encryption import FieldCipher
from migration.changes import (
    ADDED,
    CHANGED,
    DELETED,
    LEGACY,
    REPLACED,
    Changes,
    changes_of,
    compare,
    decide,
    incoming,
    key_of,
    remember,
)
from migration.copytext import OPTIONS
from migration.details import settle
from migration.foreign_keys import ForeignKeys
from migration.map import PASSWORD, TABLES
from migration.mapping import Column, Table


class Readable(Protocol):
    """What COPY reads from."""

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes."""

    failure: Exception | None
    """What ended the reading, where something did."""

    def readline(self, size: int = -1, /) -> bytes:
        """Is not asked for."""


class Loading:
    """Brings the rows of the tables in: into empty ones directly, else beside those that stand there, to be compared with them.

    Foreign keys are checked at the end, so that tables may be written in any order.
    """

    def __init__(self, connection: Connection, cipher: FieldCipher) -> None:
        self._connection = connection
        self._cipher = cipher
        self._foreign_keys = ForeignKeys()
        self.compared: list[Table] = []
        """Tables whose legacy rows stand in a temporary table."""
        self.changes: dict[str, Changes] = {}
        """New table -> what differs."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT NOT EXISTS (SELECT FROM migration_row_blocks)")
            self.is_first = cursor.fetchone() == (True,)

    def has_rows(self, table: Table) -> bool:
        """Whether rows stand there, or those of an earlier run did."""
        with self._connection.cursor() as cursor:
            cursor.execute(
                sql.SQL(
                    "SELECT EXISTS (SELECT FROM {}) OR EXISTS (SELECT FROM migration_row_blocks WHERE table_name = %s)"
                ).format(sql.Identifier(table.new)),
                (table.new,),
            )
            return cursor.fetchone() == (True,)

    def fill(self, table: Table, columns: Sequence[Column], source: Readable) -> None:
        """COPY what the source gives into an empty table."""
        with self._connection.cursor() as cursor:
            self._foreign_keys.put_off(cursor, table)
            with put_off(self._connection, table.new):
                self.skip(table, self._copy(cursor, sql.Identifier(table.new), columns, source))

    def skip(self, table: Table, rows: int) -> None:
        """Note that a table which had none has, or would have, so many rows."""
        self.changes[table.new] = Changes({ADDED: rows}) if rows else Changes()

    def compare(self, table: Table, columns: Sequence[Column], source: Readable) -> None:
        """COPY what the source gives beside the table, and find what differs."""
        with self._connection.cursor() as cursor:
            create = "CREATE TEMP TABLE {} (LIKE {}) ON COMMIT DROP"
            cursor.execute(sql.SQL(create).format(incoming(table), sql.Identifier(table.new)))
            self._copy(cursor, incoming(table), columns, source)
            cursor.execute(sql.SQL("ANALYZE {}").format(incoming(table)))
            compare(cursor, table)
            settle(cursor, table, self._cipher)
            self.changes[table.new] = decide(cursor, table)
            self.compared.append(table)

    def standing(self, table: Table) -> sql.Identifier:
        """Where the legacy rows of this run stand, and no others."""
        return incoming(table) if table in self.compared else sql.Identifier(table.new)

    def apply(self) -> None:
        """Do in the new database what the legacy one did since the last run, and keep what it holds now.

        Raises:
            MigrationError: the new system needs a row that is to go.
        """
        with self._connection.cursor() as cursor, self._foreign_keys.held(cursor):
            changed = [table for table in self.compared if self._is_changed(table)]
            for table in changed:
                self._foreign_keys.put_off(cursor, table)
            for table in changed:
                self._delete(cursor, table)
            for table in changed:
                self._update(cursor, table)
                self._insert(cursor, table)
        with self._connection.cursor() as cursor:
            for table in TABLES:
                remember(cursor, table, self.standing(table), is_new=table not in self.compared)

    def _is_changed(self, table: Table) -> bool:
        return any(self.changes[table.new].counts.get(state) for state in LEGACY)

    def _copy(self, cursor: Cursor, into: sql.Identifier, columns: Sequence[Column], source: Readable) -> int:
        names = sql.SQL(", ").join(sql.Identifier(column.new) for column in columns)
        try:
            cursor.copy_expert(sql.SQL("COPY {} ({}) FROM STDIN {}").format(into, names, sql.SQL(OPTIONS)), source)
        except psycopg2.Error:
            if source.failure is not None:
                raise source.failure from None
            raise
        return int(cursor.rowcount)

    def _delete(self, cursor: Cursor, table: Table) -> None:
        cursor.execute(
            sql.SQL("DELETE FROM {} AS t USING {} AS c WHERE c.key = {} AND c.state = %s").format(
                sql.Identifier(table.new), changes_of(table), key_of(table, "t")
            ),
            (DELETED,),
        )

    def _update(self, cursor: Cursor, table: Table) -> None:
        def value(column: Column) -> sql.Composable:
            name = sql.Identifier(column.new)
            if table.old == "users" and column.new in PASSWORD:
                replaced = sql.SQL(REPLACED.format("t"))
                return sql.SQL("{0} = CASE WHEN {1} THEN t.{0} ELSE n.{0} END").format(name, replaced)
            return sql.SQL("{0} = n.{0}").format(name)

        cursor.execute(
            sql.SQL(
                "UPDATE {name} AS t SET {values} FROM {incoming} AS n JOIN {changes} AS c ON c.key = {n_key} AND c.state = %s"
                " WHERE {same}"
            ).format(
                name=sql.Identifier(table.new),
                values=sql.SQL(", ").join(map(value, table.columns)),
                incoming=incoming(table),
                changes=changes_of(table),
                n_key=key_of(table, "n"),
                same=sql.SQL(" AND ").join(
                    sql.SQL("t.{0} = n.{0}").format(sql.Identifier(key)) for key in table.new_key
                ),
            ),
            (CHANGED,),
        )

    def _insert(self, cursor: Cursor, table: Table) -> None:
        cursor.execute(
            sql.SQL(
                "INSERT INTO {name} ({columns}) SELECT {values} FROM {incoming} AS n JOIN {changes} AS c"
                " ON c.key = {n_key} AND c.state = %s"
            ).format(
                name=sql.Identifier(table.new),
                columns=sql.SQL(", ").join(sql.Identifier(column.new) for column in table.columns),
                values=sql.SQL(", ").join(sql.Identifier("n", column.new) for column in table.columns),
                incoming=incoming(table),
                changes=changes_of(table),
                n_key=key_of(table, "n"),
            ),
            (ADDED,),
        )


@contextmanager
def put_off(connection: Connection, table: str) -> Iterator[None]:
    """Leave a table for a while without its indexes, and without its keys where no other table leads to them.

    Built once, they cost a fraction.
    """
    name = sql.Identifier(table)
    later: list[sql.Composable] = []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint AS c WHERE conrelid = %s::regclass AND contype IN ('p', 'u')"
            " AND NOT EXISTS (SELECT FROM pg_constraint AS f WHERE f.contype = 'f' AND f.conindid = c.conindid)"
            " ORDER BY conname",
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
