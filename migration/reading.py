"""Reads the legacy tables for a run: values as they stand, with NULL told by the server, and rows held against COUNT(*).

Place on the data's way: between the connection (legacy.py) and whoever needs values (acceptance.py, extract.py). A NULL that comes
back may mean "was NULL" or "could not be computed": a MySQL server answers an expression whose outcome is larger than
max_allowed_packet with NULL and a warning. So columns are selected as they stand, which has no such limit, and beside the values
of a row the server says of each whether it is NULL. The verification does the same in code of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from pymysql.cursors import SSCursor

from migration import packets
from migration.errors import MigrationError
from migration.legacy import Connection, placed, quoted, raw_value
from migration.map import TABLES
from migration.mapping import Table
from migration.rules.rule import Raw

NOT_COMPUTED: Final = 1301
"""MySQL's warning that an outcome was larger than max_allowed_packet, so that NULL stands in its place."""
REMEDY: Final = "Raise its max_allowed_packet (SET GLOBAL max_allowed_packet = 1073741824) and start again"


class Reader:
    """Whole tables of the legacy database, within one snapshot."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.counts = {table.old: count(connection, table.old) for table in TABLES}
        """Legacy table -> its rows, by COUNT(*)."""

    def __call__(self, table: str, columns: Sequence[str]) -> Iterator[tuple[Raw, ...]]:
        """Yield these columns of every row of a table.

        Raises:
            MigrationError: a value could not be read, or rows are missing.
        """
        rows = 0
        for row in self.values(table, columns, quoted(table)):
            rows += 1
            yield row
        self.require_all(table, rows)

    def values(
        self, table: str, columns: Sequence[str], source: str, *, condition: str = ""
    ) -> Iterator[tuple[Raw, ...]]:
        """Yield columns as they stand, row by row.

        Args:
            table: whose key names a row that could not be read.
            columns: of it, or `table.column` of one that is joined.
            source: the table in SQL, with what is joined.
            condition: which rows; the server may warn about it. With one, rows may be of any size, and come one at a time.

        Raises:
            MigrationError: a value could not be read.
        """
        key = next(one.key for one in TABLES if one.old == table)
        names = [*key, *columns]
        # Digits, one a column: whether a column is NULL can always be computed.
        nulls = ", ".join(f"{placed(table, name)} IS NULL" for name in names)
        values = ", ".join(raw_value(table, name) for name in names)
        statement = f"SELECT {values}, CONCAT({nulls}) FROM {source}"  # noqa: S608 - quoted names of the map
        with self.connection.cursor() as cursor:
            cursor.execute(f"{statement} WHERE {condition}" if condition else statement)
            for row in iter(cursor.fetchone, None) if condition else packets.rows(cursor, len(names) + 1):
                if row.count(None) != (row[-1] or b"").count(b"1"):
                    raise _lost(table, row, names, len(key))
                yield row[len(key) : -1]
            if not condition:
                require_computed(cursor, table)

    def lines(self, table: str, statement: str) -> Iterator[list[bytes | None]]:
        """Yield the one column of a query, many rows at a time; NULL where the server left a row out for its size.

        Raises:
            MigrationError: the server left something else out.
        """
        is_whole = True
        with self.connection.cursor() as cursor:
            cursor.execute(statement)
            for rows in packets.column(cursor):
                is_whole = is_whole and None not in rows
                yield rows
            if is_whole:
                require_computed(cursor, table)

    def require_all(self, table: str, rows: int) -> None:
        """Raise `MigrationError` where another number of rows was read than the table has."""
        if rows != self.counts[table]:
            raise MigrationError(
                f"table {table}: {rows} rows were read, and the legacy server counts {self.counts[table]}. Nothing of this run"
                " stays. Either somebody writes to a table without transactions (SHOW TABLE STATUS names the engine), and has to stop"
                " meanwhile; or something between here and the server limits answers, and --from has to name the server itself"
            )


def require_computed(cursor: SSCursor, table: str) -> None:
    """Raise `MigrationError` where the server left out a value of the query whose rows have just all been read."""
    if cursor.warning_count:
        cursor.execute("SHOW WARNINGS")
        for _, code, message in cursor.fetchall():
            if int(code) == NOT_COMPUTED:
                raise MigrationError(f"table {table}: the legacy server left out a value: {message.decode()}. {REMEDY}")


def count(connection: Connection, table: str) -> int:
    """How many rows a table has."""
    return number(connection, f"SELECT COUNT(*) FROM {quoted(table)}")  # noqa: S608 - a quoted name of the catalog


def points(connection: Connection, table: Table) -> int:
    """The sum of the points in a table."""
    return number(connection, f"SELECT COALESCE(SUM(points), 0) FROM {quoted(table.old)}")  # noqa: S608 - of the map


def number(connection: Connection, statement: str) -> int:
    """The one number that a query answers."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        rows = cursor.fetchall()
    return int(rows[0][0])


def _lost(table: str, row: tuple[Raw, ...], names: Sequence[str], keys: int) -> MigrationError:
    key = ",".join((raw or b"").decode("utf-8", "backslashreplace") for raw in row[:keys])
    pairs = zip(names, row, (row[-1] or b"").decode(), strict=False)
    column = next(name for name, value, null in pairs if value is None and null == "0")
    return not_read(table, key, column)


def not_read(table: str, key: str, column: str) -> MigrationError:
    """What is told of a value that is missing though the server says that it is not NULL."""
    return MigrationError(
        f"table {table}, key {key}, column {column}: the legacy server gave no value, and says that it is not NULL."
        f" Nothing of this run stays. {REMEDY}"
    )
