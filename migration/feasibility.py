"""What the new database could not hold, found before the first row moves: keys that stand twice, and numbers without a next one.

Place on the data's way: after the snapshot, for a plan as well as for a run. Texts that become equal by the rules finds acceptance.py.
"""

from __future__ import annotations

from migration.catalog import Catalog, LegacyTable
from migration.errors import MigrationError
from migration.legacy import Connection, asked, quoted
from migration.map import TABLES
from migration.mapping import Table, is_numbered
from migration.rules.numbers import BIGINT_MAX

SHOWN = 5


def require_feasible(connection: Connection, catalog: Catalog) -> None:
    """Ask the legacy server; where an index says so already, nothing is asked.

    Raises:
        MigrationError: a key stands twice, a number is the largest that there is, or points are too many to be added up.
    """
    for table in TABLES:
        _require_one_row_a_key(connection, table, catalog.tables[table.old])
        if is_numbered(table):
            _require_next_number(connection, table)
    _require_sums(connection)


def _require_one_row_a_key(connection: Connection, table: Table, legacy: LegacyTable) -> None:
    if any(columns <= set(table.key) for columns in legacy.unique):
        return
    keys = ", ".join(map(quoted, table.key))
    twice = asked(
        connection,
        f"SELECT {keys}, COUNT(*) FROM {quoted(table.old)} GROUP BY {keys} HAVING COUNT(*) > 1 LIMIT {SHOWN}",  # noqa: S608 - of the map
    )
    if twice:
        told = ", ".join(f"{','.join(str(part) for part in key)} ({rows} rows)" for *key, rows in twice)
        raise MigrationError(
            f"table {table.old}, column {', '.join(table.key)}: these keys stand there more than once: {told}. One row may have a key."
            " Nothing was written. Remove the others in the legacy database and start again"
        )


def _require_next_number(connection: Connection, table: Table) -> None:
    key = table.key[0]
    ((highest,),) = asked(connection, f"SELECT COALESCE(MAX({quoted(key)}), 0) FROM {quoted(table.old)}")  # noqa: S608 - of the map
    if int(highest) >= BIGINT_MAX:
        raise MigrationError(
            f"table {table.old}, key {highest}, column {key}: there is no number after it for the next row. Nothing was written."
            " Give the row another number in the legacy database and start again"
        )


def _require_sums(connection: Connection) -> None:
    """All sums of points fit if the sum of their amounts does."""
    total = 0
    for table in TABLES:
        points = table.points()
        if points is None:
            continue
        # As decimals: the largest negative number has no positive one of its size.
        amount = f"ABS(CAST({quoted(points.old)} AS DECIMAL(30,0)))"
        name = quoted(table.old)
        ((amounts,),) = asked(connection, f"SELECT COALESCE(SUM({amount}), 0) FROM {name}")  # noqa: S608 - of the map
        total += int(amounts)
        if total > BIGINT_MAX:
            ((key, most),) = asked(
                connection,
                f"SELECT {quoted(table.key[0])}, {quoted(points.old)} FROM {name} ORDER BY {amount} DESC LIMIT 1",  # noqa: S608 - of the map
            )
            raise MigrationError(
                f"table {table.old}, key {key}, column {points.old}: {most}, and the points are too many to be added up."
                " Nothing was written. Change this row, which has the most, in the legacy database and start again"
            )
