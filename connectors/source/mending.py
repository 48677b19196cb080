"""Mends, as the owner, what can be mended in a captured database without loss. Each thing is done only where it was found wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from connectors import watermarks
from connectors.errors import ConnectorsError
from connectors.source.access import Access
from connectors.source.captured import MARKS, SCHEMA, WATERMARKS
from connectors.source.catalog import SourceUnreadableError, opened
from connectors.source.findings import Code, Finding

if TYPE_CHECKING:
    from psycopg2 import sql

MEND_SECONDS: Final = 60.0
"""ALTER PUBLICATION and GRANT are short; what takes so long is waiting for somebody."""
MENDED_HERE: Final = frozenset(
    {
        Code.PUBLICATION_MISSING,
        Code.PUBLICATION_OPTIONS,
        Code.TABLE_NOT_PUBLISHED,
        Code.TABLE_FILTERED,
        Code.REPLICA_IDENTITY,
        Code.WATERMARK_TABLE,
        Code.WATERMARK_ROWS,
        Code.ROLE_RIGHTS,
    }
)


class NotMendedError(ConnectorsError):
    """The role that we have may not alter what is captured, or somebody holds a lock on it."""


def mend(access: Access, findings: list[Finding], partitions: int, say: Callable[[str], None]) -> None:
    """Mend what `findings` name, and say each thing that was done.

    Raises:
        NotMendedError: a statement was refused.

    """
    codes = {one.code for one in findings} & MENDED_HERE
    if not codes:
        return
    statements = _statements(access, codes)
    try:
        with opened(access.owner, statement_seconds=MEND_SECONDS) as connection:
            for done, statement in statements:
                with connection.cursor() as cursor:
                    cursor.execute(statement)
                say(f"{access.name}: {done}")
        if Code.WATERMARK_ROWS in codes or Code.WATERMARK_TABLE in codes:
            changed = watermarks.seed(access.owner, partitions)
            say(f"{access.name}: {changed} rows of {WATERMARKS} set up")
    except SourceUnreadableError as error:
        raise NotMendedError(
            f"{access.name} could not be mended: {error}. Run it again as the role that owns the tables and the publication"
            " (REWARDS_WAREHOUSE_URL, REWARDS_OWNER_DATABASE_URL), when nobody holds a lock on them"
        ) from error


def _statements(access: Access, codes: set[Code]) -> list[tuple[str, sql.Composable]]:
    """What to run, each with the words to say of it, in the order in which the later ones need the earlier."""
    from psycopg2 import sql

    captured = access.captured
    publication, role = sql.Identifier(captured.publication), sql.Identifier(access.role)
    table, marks = sql.Identifier(SCHEMA, captured.table), sql.Identifier(SCHEMA, WATERMARKS)
    found: list[tuple[str, sql.Composable]] = []

    def add(done: str, statement: str) -> None:
        parts = {
            "publication": publication, "name": sql.Literal(captured.publication), "role": role, "table": table,
            "marks": marks, "sequence": sql.Identifier(SCHEMA, MARKS),
        }  # fmt: skip
        found.append((done, sql.SQL(statement).format(**parts)))

    if Code.WATERMARK_TABLE in codes:
        add(f"{WATERMARKS} and its sequence are there", _WATERMARKS)
        codes |= {Code.ROLE_RIGHTS}
    if Code.REPLICA_IDENTITY in codes:
        add(f"REPLICA IDENTITY of {captured.table} is FULL again", "ALTER TABLE {table} REPLICA IDENTITY FULL")
    if Code.PUBLICATION_MISSING in codes:
        add(
            f"publication {captured.publication} created", "CREATE PUBLICATION {publication} FOR TABLE {table}, {marks}"
        )
    else:
        if Code.PUBLICATION_OPTIONS in codes:
            add(
                f"publication {captured.publication} publishes every operation again",
                "ALTER PUBLICATION {publication} SET (publish = 'insert, update, delete, truncate',"
                " publish_via_partition_root = false)",
            )
        if Code.TABLE_FILTERED in codes:
            add(f"{captured.table} is in the publication with every row and column again", _PUBLISHED_WHOLE)
        if Code.TABLE_NOT_PUBLISHED in codes:
            add(f"{captured.table} added to the publication", "ALTER PUBLICATION {publication} ADD TABLE {table}")
        if Code.WATERMARK_TABLE in codes:
            add(f"{WATERMARKS} is in the publication", _MARKS_PUBLISHED)
    if Code.ROLE_RIGHTS in codes:
        add(f"the role {access.role} may read {captured.table} and mark", _RIGHTS)
    return found


_WATERMARKS: Final = """
CREATE TABLE IF NOT EXISTS {marks} (
    customer_master_id text PRIMARY KEY, mark bigint NOT NULL DEFAULT 0, marked_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 20);
CREATE SEQUENCE IF NOT EXISTS {sequence};
ALTER TABLE {marks} REPLICA IDENTITY FULL
"""
# Another table of the publication stays as it is; SET TABLE would take it out.
_PUBLISHED_WHOLE: Final = """
ALTER PUBLICATION {publication} DROP TABLE {table}; ALTER PUBLICATION {publication} ADD TABLE {table}
"""
_MARKS_PUBLISHED: Final = """
DO $$ BEGIN
    IF (SELECT puballtables FROM pg_publication WHERE pubname = {name}) THEN RETURN; END IF;
    BEGIN ALTER PUBLICATION {publication} DROP TABLE {marks}; EXCEPTION WHEN undefined_object THEN NULL; END;
    ALTER PUBLICATION {publication} ADD TABLE {marks};
END $$
"""
_RIGHTS: Final = """
GRANT SELECT ON {table} TO {role}; GRANT SELECT, UPDATE ON {marks} TO {role}; GRANT USAGE ON SEQUENCE {sequence} TO {role}
"""
