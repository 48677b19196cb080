"""Foreign keys of the tables that are written: left away for a while, and checked at the end for all rows at once.

Place on the data's way: within the run's transaction. So tables may be written in any order, and rows may take each other's place.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2.errors
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from migration.errors import MigrationError
from migration.mapping import Table


class ForeignKeys:
    """Those that were taken away."""

    def __init__(self) -> None:
        self._later: list[sql.Composable] = []

    def put_off(self, cursor: Cursor, table: Table) -> None:
        """Take a table's foreign keys away; the second time there are none."""
        cursor.execute(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'f'",
            (table.new,),
        )
        for constraint, definition in cursor.fetchall():
            parts = (sql.Identifier(table.new), sql.Identifier(constraint), sql.SQL(definition))
            cursor.execute(sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(*parts[:2]))
            self._later.append(sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(*parts))

    @contextmanager
    def held(self, cursor: Cursor) -> Iterator[None]:
        """Put them back at the end of the block.

        Raises:
            MigrationError: a row is needed that is not there any more.
        """
        try:
            yield
            for statement in self._later:
                cursor.execute(statement)
        except psycopg2.errors.ForeignKeyViolation as error:
            raise MigrationError(
                f"table {error.diag.table_name} of the new database ({error.diag.constraint_name}): {error.diag.message_detail}"
                " A row is needed there that would go."
                " Nothing of this run stays. Remove what needs it in the new database, or (with --catch-up) put the row back in the"
                " legacy one, and start again"
            ) from error
