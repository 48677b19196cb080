"""Every row of a legacy table as it stands, for the verification: NULL told by the server, and rows held against COUNT(*).

Place on the data's way: beside it. The loader's reading.py promises the same; neither uses the other's code.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from migration.errors import MigrationError
from migration.legacy import Connection, placed, quoted, raw_value
from migration.mapping import Table, is_numbered
from migration.rules.rule import Raw


def rows_of(connection: Connection, table: Table, olds: Sequence[str]) -> Iterator[tuple[Raw, ...]]:
    """Every row of a legacy table, its key first, in the order of its number.

    Raises:
        MigrationError: a value is missing that the server calls not NULL, or rows are missing.
    """
    rows = 0
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM {quoted(table.old)}")  # noqa: S608 - of the map
        ((count,),) = cursor.fetchall()
        cursor.execute(_select(table, olds))
        while row := cursor.fetchone():
            *values, nulls = row
            told = [null == ord("1") for null in nulls]
            if [value is None for value in values] != told:
                key = ",".join((raw or b"").decode(errors="backslashreplace") for raw in row[: len(table.key)])
                lost = next(old for old, value, null in zip(olds, values, told, strict=True) if (value is None) != null)
                raise MigrationError(
                    f"table {table.old}, key {key}, column {lost}: the legacy server gave no value and says that it is not NULL."
                    " Raise its max_allowed_packet (SET GLOBAL max_allowed_packet = 1073741824) and start again"
                )
            rows += 1
            yield tuple(values)
    if rows != int(count):
        raise MigrationError(
            f"table {table.old}: {rows} rows were read, and the legacy server counts {int(count)}, so this is no verification."
            " Let nobody write to tables without transactions meanwhile, name the server itself in --from, and start again"
        )


def _select(table: Table, olds: Sequence[str]) -> str:
    """The columns as they stand, and a digit for each that says whether it is NULL."""
    values = ", ".join(raw_value(table.old, old) for old in olds)
    nulls = ", ".join(f"ISNULL({placed(table.old, old)})" for old in olds)
    source = quoted(table.old)
    if table.joined:
        by = quoted(table.joined_by)
        source += f" LEFT JOIN {quoted(table.joined)} ON {quoted(table.joined)}.{by} = {source}.{by}"
    order = f" ORDER BY {quoted(table.old)}.{quoted(table.key[0])}" if is_numbered(table) else ""
    return f"SELECT {values}, CONCAT({nulls}) FROM {source}{order}"  # noqa: S608 - of the map
