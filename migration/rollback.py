"""Takes all runs of the migration back: the rows that they put into the new database, their entries, their reports.

Place on the data's way: beside it, before the cut-over is begun anew. One transaction: killed at any moment, everything is as it was.
"""

from __future__ import annotations

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from migration import target
from migration.changes import SHOWN, digest, key_of
from migration.errors import MigrationError
from migration.foreign_keys import ForeignKeys
from migration.map import TABLES
from migration.mapping import Table

ZONE = "UTC"


def roll_back(owner_url: str, *, discard_changes: bool) -> dict[str, int]:
    """Remove what the runs have put there; return how many rows of each new table, and of `point_entries`.

    Rows that stood there before the first run stay, and so do the new system's own.

    Args:
        owner_url: `sunroc_rewards` as its owner.
        discard_changes: whether rows that the new system has changed since go as well.

    Raises:
        MigrationError: no run is known, the new system has changed rows or needs them, or Postgres does not answer.
    """
    removed: dict[str, int] = {}
    foreign_keys = ForeignKeys()
    with target.connected(owner_url, ZONE) as connection:
        target.keep_others_out(connection)
        target.begin(connection)
        with connection.cursor() as cursor:
            _require_runs(cursor)
            if not discard_changes:
                _require_unchanged(cursor)
            with foreign_keys.held(cursor):
                for table in TABLES:
                    foreign_keys.put_off(cursor, table)
                for table in TABLES:
                    removed[table.new] = _remove(cursor, table)
            cursor.execute("DELETE FROM point_entries WHERE invoice_id IS NULL AND cause_data ->> 'kind' = 'legacy'")
            removed[target.LOG] = cursor.rowcount
            cursor.execute("TRUNCATE migration_row_blocks, migration_findings, migration_rejects, migration_runs")
        target.tell_pages(connection)
        connection.commit()
    return removed


def _require_runs(cursor: Cursor) -> None:
    cursor.execute("SELECT EXISTS (SELECT FROM migration_row_blocks), EXISTS (SELECT FROM migration_runs)")
    if cursor.fetchone() == (False, True):
        raise MigrationError(
            "the last run was one of an older version, which did not keep its rows: `rewards migrate run` with the same legacy database"
            " makes them known, and they can be rolled back then"
        )
    cursor.execute("SELECT EXISTS (SELECT FROM migration_runs)")
    if cursor.fetchone() == (False,):
        raise MigrationError("nothing was migrated into this database: there is nothing to roll back")


def _require_unchanged(cursor: Cursor) -> None:
    told = []
    for table in TABLES:
        cursor.execute(
            sql.SQL(
                "SELECT b.key, count(*) OVER () FROM migration_rows AS b JOIN {} AS t ON {} = b.key WHERE b.table_name = %s AND b.added"
                " AND b.digest <> {} ORDER BY length(b.key), b.key LIMIT %s"
            ).format(sql.Identifier(table.new), key_of(table, "t"), digest(table, "t")),
            (table.new, SHOWN),
        )
        rows = cursor.fetchall()
        if rows:
            keys = ", ".join(key for key, _ in rows)
            told.append(f"{rows[0][1]:,} of {table.new} ({keys}{' …' if rows[0][1] > SHOWN else ''})")
    if told:
        raise MigrationError(
            f"the new system has changed rows since the last run: {'; '.join(told)}. Nothing was rolled back:"
            " `rewards migrate rollback --discard-changes` removes them as well, with what was changed"
        )


def _remove(cursor: Cursor, table: Table) -> int:
    cursor.execute(
        sql.SQL(
            "DELETE FROM {} AS t USING migration_rows AS b WHERE b.table_name = %s AND b.added AND b.key = {}"
        ).format(sql.Identifier(table.new), key_of(table, "t")),
        (table.new,),
    )
    return int(cursor.rowcount)
