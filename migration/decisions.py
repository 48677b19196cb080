"""Whether a run may write: what stands in its way, in the words of the legacy database.

Place on the data's way: once every table was read and compared with what stands there (loading.py), before anything of that is done.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from migration.changes import (
    ADDED,
    BOTH,
    CHANGED,
    CONFLICTS,
    DELETED,
    LEGACY,
    SHOWN,
    STRANGER,
    changes_of,
    differing_columns,
    incoming,
    key_of,
)
from migration.errors import MigrationError
from migration.loading import Loading
from migration.map import TABLES
from migration.mapping import Table

WHY: Final = {
    STRANGER: "stands in the new database with other values, and no run has put it there",
    BOTH: "was changed in the legacy database and in the new one since the last run",
}


def require_decided(connection: Connection, loading: Loading, *, catch_up: bool) -> None:
    """Raise `MigrationError` where somebody has to decide first.

    Raises:
        MigrationError: rows that no run has put there stand in the way, both sides changed a row, or the legacy database changed
            since the last run and `catch_up` was not asked for.
    """
    with connection.cursor() as cursor:
        conflicts = sum(loading.changes[table.new].counts.get(state, 0) for table in TABLES for state in CONFLICTS)
        told = [line for table in loading.compared for line in _conflicts(cursor, table, loading)]
    if told:
        more = max(conflicts - SHOWN, len(told) - SHOWN)
        raise MigrationError(
            f"{'; '.join(told[:SHOWN])}{f'; and {more:,} more' if more > 0 else ''}. Nothing was written. Where it is the same row, give"
            " it the same values in the new database as in the legacy one; where it is another one, give it another key in the new"
            " database, or begin with an empty one; and start again"
        )
    changed = [f"table {table.old}: {said}" for table in TABLES if (said := loading.changes[table.new].told(LEGACY))]
    if changed and not loading.is_first and not catch_up:
        raise MigrationError(
            f"the legacy database is not what it was at the last run: {'; '.join(changed)}. Nothing was written."
            " `rewards migrate run --catch-up` does the same in the new database, with entries of the log for what differs"
        )


def _conflicts(cursor: Cursor, table: Table, loading: Loading) -> Iterator[str]:
    counts = loading.changes[table.new].counts
    if any(counts.get(state) for state in CONFLICTS):
        for state, key, columns in differing_columns(cursor, table):
            yield f"table {table.old}, key {key}, column {columns}: the row {WHY[state]}"
    if counts.get(ADDED) or counts.get(CHANGED):
        yield from _taken(cursor, table)


def _taken(cursor: Cursor, table: Table) -> Iterator[str]:
    """Rows to come whose value in a unique column another row of the new database has."""
    cursor.execute(
        "SELECT pg_get_indexdef(indexrelid, 1, true) FROM pg_index WHERE indrelid = %s::regclass AND indisunique"
        " AND NOT indisprimary AND indnkeyatts = 1 AND indpred IS NULL",
        (table.new,),
    )
    for (expression,) in cursor.fetchall():
        column = next(column for column in table.columns if re.search(rf"\b{column.new}\b", expression))
        cursor.execute(
            sql.SQL(
                "SELECT c.told, t.key FROM (SELECT {key} AS key, {value} AS value FROM {incoming} AS s) AS n"
                " JOIN {changes} AS c ON c.key = n.key AND c.state = ANY(%s)"
                " JOIN (SELECT {key} AS key, {value} AS value FROM {name} AS s) AS t ON t.value = n.value AND t.key <> n.key"
                " WHERE NOT EXISTS (SELECT FROM {changes} AS d WHERE d.key = t.key AND d.state = ANY(%s)) LIMIT %s"
            ).format(
                key=key_of(table, "s"), value=sql.SQL(expression), incoming=incoming(table), changes=changes_of(table),
                name=sql.Identifier(table.new),
            ),
            ([ADDED, CHANGED], [CHANGED, DELETED], SHOWN),
        )  # fmt: skip
        for key, other in cursor.fetchall():
            yield (
                f"table {table.old}, key {key}, column {column.old}: row {other} of {table.new} stands in the new database with the same"
                " value"
            )
