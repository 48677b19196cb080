"""What differs between three states of a table: the legacy rows now, the rows that stand in the new database, and what the last run left.

Place on the data's way: between COPY (loading.py) and the tables, wherever rows stand there already. A row is known by its key and a
digest of its values, which each run keeps (`migration_rows`); so it can be told which side changed a row since. Personal details and
passwords are no part of the digest: the first are compared decrypted (details.py), a password is the legacy one until its user
has replaced it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from migration.map import PASSWORD
from migration.mapping import Column, Table
from migration.rules.encrypted import Encrypted
from migration.rules.references import Reference

SHOWN: Final = 5
BLOCK_ROWS: Final = 1_000
"""So many migrated rows are remembered in one: a row for each would cost a sixth of a run."""
ADDED: Final = "added"
CHANGED: Final = "changed"
DELETED: Final = "deleted"
KEPT: Final = "changed here"
REMOVED: Final = "removed here"
BOTH: Final = "changed on both sides"
STRANGER: Final = "not of the legacy database"
LEGACY: Final = (ADDED, CHANGED, DELETED)
"""What a run with --catch-up does in the new database."""
OWN: Final = (KEPT, REMOVED)
"""What the new system did since the last run, and stays."""
CONFLICTS: Final = (STRANGER, BOTH)
"""What no run decides."""

REPLACED: Final = "({0}.password_salt IS NULL AND {0}.password_hash LIKE '$argon2%%')"
"""Whether a user has signed in since: the password is its own."""


@dataclass(slots=True)
class Changes:
    """How many rows of a table are in which state, and the first keys of each."""

    counts: dict[str, int] = field(default_factory=dict)
    keys: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def told(self, states: Sequence[str]) -> str:
        """`2 changed (7, 9), 1 deleted (3)`; `` where there is none."""
        return ", ".join(
            f"{self.counts[state]:,} {state}{self._named(state)}" for state in states if self.counts.get(state)
        )

    def _named(self, state: str) -> str:
        keys = ", ".join(self.keys.get(state, ()))
        return f" ({keys}{' …' if self.counts[state] > SHOWN else ''})" if keys else ""


def incoming(table: Table) -> sql.Identifier:
    """The temporary table that the legacy rows of this run stand in."""
    return sql.Identifier(f"incoming_{table.new}")


def changes_of(table: Table) -> sql.Identifier:
    """The temporary table with the keys of rows that differ, and how."""
    return sql.Identifier(f"changes_{table.new}")


def compare(cursor: Cursor, table: Table) -> None:
    """Find the rows that differ, into a temporary table.

    Its columns: key, told (the key for people), state, private (whether what no digest covers differs).

    Args:
        cursor: of the run's transaction; the legacy rows stand in `incoming`.
        table: which one.
    """
    cursor.execute(
        sql.SQL(_COMPARE).format(
            changes=changes_of(table),
            incoming=_side(table, incoming(table), "n"),
            standing=_side(table, sql.Identifier(table.new), "t"),
            table=sql.Literal(table.new),
        )
    )


_COMPARE: Final = f"""
CREATE TEMP TABLE {{changes}} ON COMMIT DROP AS
SELECT * FROM (
  SELECT key, coalesce(n.told, t.told, key) AS told, NOT t.settled AND n.private <> t.private AS private, CASE
    WHEN t.key IS NULL AND b.key IS NULL THEN '{ADDED}'
    WHEN n.key IS NULL AND b.key IS NULL THEN NULL
    WHEN n.key IS NULL AND t.key IS NULL THEN NULL
    WHEN n.key IS NULL THEN CASE WHEN t.digest = b.digest THEN '{DELETED}' ELSE '{BOTH}' END
    WHEN t.key IS NULL THEN CASE WHEN n.digest = b.digest THEN '{REMOVED}' ELSE '{BOTH}' END
    WHEN t.digest = n.digest THEN CASE WHEN b.key IS NULL THEN 'same' ELSE 'known' END
    WHEN b.key IS NULL THEN '{STRANGER}'
    WHEN t.digest = b.digest THEN '{CHANGED}'
    WHEN n.digest = b.digest THEN '{KEPT}'
    ELSE '{BOTH}' END AS state
  FROM {{incoming}} AS n FULL JOIN {{standing}} AS t USING (key)
    FULL JOIN (SELECT key, digest FROM migration_rows WHERE table_name = {{table}}) AS b USING (key)) AS s
WHERE state NOT IN ('same', 'known') OR private
"""  # noqa: S608 - words of this module
"""An own row of the new system (neither incoming nor known) and one that is gone on both sides have no state."""

_DECIDE: Final = f"""
UPDATE {{}} SET state = CASE state
  WHEN 'known' THEN '{CHANGED}' WHEN 'same' THEN '{STRANGER}' WHEN '{KEPT}' THEN '{BOTH}' ELSE state END
WHERE private
"""  # noqa: S608 - words of this module


def decide(cursor: Cursor, table: Table) -> Changes:
    """Say what the differences mean, once it is known which personal details differ; return how many there are of each."""
    name = changes_of(table)
    cursor.execute(sql.SQL("DELETE FROM {} WHERE state IN ('same', 'known') AND NOT private").format(name))
    cursor.execute(sql.SQL(_DECIDE).format(name))
    found = Changes()
    cursor.execute(sql.SQL("SELECT state, count(*) FROM {} GROUP BY state").format(name))
    found.counts = {state: int(count) for state, count in cursor.fetchall()}
    for state in found.counts:
        cursor.execute(
            sql.SQL("SELECT told FROM {} WHERE state = %s ORDER BY length(key), key LIMIT %s").format(name),
            (state, SHOWN),
        )
        found.keys[state] = tuple(key for (key,) in cursor.fetchall())
    return found


def _side(table: Table, source: sql.Identifier, alias: str) -> sql.Composable:
    """Key, key for people, digest, digest of what is private, and whether that does not matter."""
    by_code = isinstance(table.columns[0].rule, Reference) and table.columns[0].rule.by_code
    private = [column.new for column in table.columns if _is_private(table, column)]
    settled = sql.SQL(REPLACED.format(alias)) if table.old == "users" else sql.SQL("false")
    return sql.SQL(
        "(SELECT {key} AS key, {told} AS told, {digest} AS digest, {private} AS private, {settled} AS settled FROM {source} AS {alias})"
    ).format(
        key=key_of(table, alias),
        told=sql.SQL(f"{alias}.code") if by_code else key_of(table, alias),
        digest=digest(table, alias),
        private=_digest([sql.Identifier(alias, name) for name in private]) if private else sql.SQL("0"),
        settled=settled,
        source=source,
        alias=sql.SQL(alias),
    )


def key_of(table: Table, alias: str) -> sql.Composable:
    """A row's key as text."""
    return sql.SQL(" || ',' || ").join(sql.SQL("{}::text").format(sql.Identifier(alias, key)) for key in table.new_key)


def digest(table: Table, alias: str) -> sql.Composable:
    """64 bits of a row's values, but for the private ones; the same for the same values in whatever database."""
    return _digest([sql.Identifier(alias, column.new) for column in table.columns if not _is_private(table, column)])


def _digest(values: Sequence[sql.Composable]) -> sql.Composable:
    return sql.SQL("hash_record_extended(ROW({}), 0)").format(sql.SQL(", ").join(values))


def _is_private(table: Table, column: Column) -> bool:
    return isinstance(column.rule, Encrypted) or (table.old == "users" and column.new in PASSWORD)


def remember(cursor: Cursor, table: Table, source: sql.Identifier, *, is_new: bool) -> None:
    """Keep what the legacy rows of this run are, for the next one to tell what changed since.

    Args:
        cursor: of the run's transaction.
        table: whose rows.
        source: where they stand.
        is_new: whether this run has put all of them there, and none was known; else `changes_of` the table says which ones.
    """
    cursor.execute(
        sql.SQL(_REMEMBER_ALL if is_new else _REMEMBER_ANEW).format(
            table=sql.Literal(table.new), key=key_of(table, "n"), digest=digest(table, "n"), source=source,
            changes=changes_of(table), added=sql.Literal(ADDED),
        )
    )  # fmt: skip


_REMEMBER: Final = f"""
INSERT INTO migration_row_blocks (table_name, added, keys, digests)
SELECT {{table}}, added, array_agg(key), array_agg(digest)
FROM (SELECT *, row_number() OVER () / {BLOCK_ROWS} AS block FROM rows) AS numbered GROUP BY added, block
"""  # noqa: S608 - words of this module
_REMEMBER_ALL: Final = f"""
WITH rows AS NOT MATERIALIZED (SELECT {{key}} AS key, {{digest}} AS digest, true AS added FROM {{source}} AS n)
{_REMEMBER}"""  # noqa: S608 - words of this module
_REMEMBER_ANEW: Final = f"""
WITH before AS (DELETE FROM migration_row_blocks WHERE table_name = {{table}} RETURNING keys, added),
known AS (SELECT unnest(keys) AS key, added FROM before),
rows AS NOT MATERIALIZED (
  SELECT {{key}} AS key, {{digest}} AS digest,
    coalesce(k.added, EXISTS (SELECT FROM {{changes}} AS c WHERE c.key = {{key}} AND c.state = {{added}})) AS added
  FROM {{source}} AS n LEFT JOIN known AS k ON k.key = {{key}})
{_REMEMBER}"""  # noqa: S608 - words of this module


def differing_columns(cursor: Cursor, table: Table) -> list[tuple[str, str, str]]:
    """State, key and legacy columns of the first rows that no run decides about."""
    parts = {
        "differ": sql.SQL(", ").join(
            sql.SQL("n.{0} IS DISTINCT FROM t.{0}").format(sql.Identifier(column.new)) for column in table.columns
        ),
        "incoming": incoming(table),
        "name": sql.Identifier(table.new),
        "changes": changes_of(table),
        "n_key": key_of(table, "n"),
        "t_key": key_of(table, "t"),
    }
    cursor.execute(
        sql.SQL(
            "SELECT c.state, c.told, {n_key} IS NULL, {t_key} IS NULL, {differ} FROM {changes} AS c LEFT JOIN {incoming} AS n"
            " ON {n_key} = c.key LEFT JOIN {name} AS t ON {t_key} = c.key WHERE c.state = ANY(%s) ORDER BY length(c.key), c.key LIMIT %s"
        ).format(**parts),
        (list(CONFLICTS), SHOWN),
    )
    found = []
    for state, key, gone_there, gone_here, *differ in cursor.fetchall():
        olds = dict.fromkeys(
            old for column, flag in zip(table.columns, differ, strict=True) if flag for old in column.olds
        )
        what = "the whole row" if gone_there or gone_here else ", ".join(olds)
        found.append((state, key, what))
    return found
