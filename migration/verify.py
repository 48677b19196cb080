"""Compares every row of every mapped table, value by value: the legacy one after the rules, and the new one.

Place on the data's way: beside it, after a run. Shares with the loader the map, the rules and the way to connect, nothing else: it
reads each legacy row as it is, applies every rule in Python with what the legacy database says of references and the like
(expectation.py), and holds the outcome against what Postgres gives back.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, Final

import psycopg2
import psycopg2.extensions
from psycopg2 import sql

from api.core.encryption import FieldCipher, place_in
from api.core.errors import DecryptionError
from migration import legacy
from migration.catalog import catalog as read_catalog
from migration.comparison import ENTRY, Comparison, Key, Values, match
from migration.connection import connect
from migration.errors import MigrationError, UncoveredError
from migration.expectation import Expectation, expect
from migration.legacy import Connection
from migration.map import TABLES
from migration.mapping import Table, is_numbered
from migration.raw_rows import rows_of
from migration.rules.characters import key_text
from migration.rules.encrypted import Encrypted
from migration.rules.references import Reference
from migration.rules.rule import Finding, RefusedError, Zones

ROWS_A_FETCH: Final = 200
UNREADABLE: Final = "cannot be decrypted"


def verify(
    address: str,
    database_url: str,
    zones: Zones,
    cipher: FieldCipher,
    *,
    merge_emails: bool,
    show: Callable[[str, int], None],
) -> list[Comparison]:
    """Compare everything.

    Args:
        address: the legacy database.
        database_url: `sunroc_rewards`, as a role that may read.
        zones: those of the run.
        cipher: with the key of the run.
        merge_emails: as in the run.
        show: is told how many more rows of a table were compared.

    Raises:
        MigrationError: one of the two does not answer, or the legacy database is not as the map says.
    """
    new = connect(database_url, "rewards migrate verify")
    with closing(new), legacy.connected(address) as old:
        new.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with new.cursor() as cursor:
            cursor.execute("SET timezone = 'UTC'")
        catalog = read_catalog(old, address)
        legacy.begin_snapshot(old)
        try:
            expectation = expect(old, new, catalog, zones, merge_emails=merge_emails)
            both = _Both(old, new, expectation, cipher, show, _highest(new))
            return [comparison for table in TABLES for comparison in both.compared(table)]
        except psycopg2.Error as error:
            said = " ".join(str(error).split())
            raise MigrationError(
                f"sunroc_rewards ended the verification: {said}. Nothing was changed: start it again"
            ) from error


def _highest(new: psycopg2.extensions.connection) -> dict[str, int]:
    """New table -> the highest legacy number at the last run; what is numbered after it, the new system has made."""
    with new.cursor() as cursor:
        cursor.execute("SELECT tables FROM migration_runs ORDER BY id DESC LIMIT 1")
        (tables,) = cursor.fetchone() or ({},)
    return {name: figures["highest"] for name, figures in tables.items()}


class _Both:
    """The two databases, side by side."""

    def __init__(
        self,
        old: Connection,
        new: psycopg2.extensions.connection,
        expectation: Expectation,
        cipher: FieldCipher,
        show: Callable[[str, int], None],
        highest: dict[str, int],
    ) -> None:
        self._highest = highest
        self._old = old
        self._new = new
        self._expectation = expectation
        self._cipher = cipher
        self._show = show
        self._titles: dict[str, dict[int, str]] = {}
        """New table -> id -> title or code, for what entries tell."""

    def compared(self, table: Table) -> Iterator[Comparison]:
        """Compare a table with the entries that its rows became, and what was refused of it."""
        rows, refused = Comparison(table.new), set[str]()
        match(rows, self._expected(table, refused), self._found(table), table, self._highest.get(table.new), self._show)
        for key in self._entries_of_nothing(table):
            rows.differ((key,), "an entry of the log without a row")
        for key in self._entries_that_do_not_add_up(table):
            rows.differ((key,), "its entries of the log do not add up to the last one")
        yield rows
        rejects = Comparison(f"{table.new}: refused rows", rows_expected=len(refused))
        found = self._rejects(table)
        rejects.rows_found = len(found)
        for key in sorted(refused ^ found):
            rejects.differ((key,), "missing" if key in refused else "not refused by the rules")
        yield rejects

    def _expected(self, table: Table, refused: set[str]) -> Iterator[tuple[Key, Values]]:
        rows = self._transformed(table, refused)
        return rows if is_numbered(table) else iter(sorted(rows, key=lambda row: row[0]))

    def _transformed(self, table: Table, refused: set[str]) -> Iterator[tuple[Key, Values]]:
        olds = tuple(dict.fromkeys((*table.key, *(old for column in table.columns for old in column.olds))))
        steps = [
            (column, self._expectation.cell(table, column.olds[0]), tuple(olds.index(old) for old in column.olds))
            for column in table.columns
        ]
        keys = [self._expectation.cell(table, name) for name in table.key]
        met: set[Key] = set()
        titles = self._titles.setdefault(table.new, {})
        told = next(
            (n for n, c in enumerate(table.columns) if c.new == ("code" if table.new == "divisions" else "title")), None
        )
        for raws in rows_of(self._old, table, olds):
            legacy_key = key_text(zip(raws, keys, strict=False))
            ignored: list[Finding] = []
            try:
                if table.old == "users" and int(raws[0] or b"0") in self._expectation.merged:
                    raise RefusedError
                values = tuple(
                    column.rule.apply(tuple([raws[i] for i in places]), cell, ignored) for column, cell, places in steps
                )
                key = values[: len(table.key)]
                if key in met:
                    raise RefusedError
            except RefusedError:
                refused.add(legacy_key)
                continue
            except UncoveredError as error:
                raise MigrationError(f"table {table.old}, key {legacy_key}: no rule covers {error}") from error
            if all(isinstance(column.rule, Reference) for column, _, _ in steps):
                met.add(key)
            if told is not None:
                titles[values[0]] = values[told]  # type: ignore[index,assignment]
            yield key, values if table.entry is None else values + self._entry(table, values)

    def _found(self, table: Table) -> Iterator[tuple[Key, Values]]:
        columns = [column.new for column in table.columns]
        encrypted = [n for n, column in enumerate(table.columns) if isinstance(column.rule, Encrypted)]
        # Text in the order of its bytes, as Python sorts it.
        order = sql.SQL(", ").join(
            sql.SQL("t.{}" if table.old != "customers" else 't.{} COLLATE "C"').format(sql.Identifier(key))
            for key in table.new_key
        )
        entries = _entry_columns(table)
        statement = sql.SQL("SELECT {} FROM {} AS t {} ORDER BY {}").format(
            sql.SQL(", ").join([*(sql.SQL("t.{}").format(sql.Identifier(name)) for name in columns), *entries]),
            sql.Identifier(table.new),
            _joined_entries(table),
            order,
        )
        for row in self._fetched(statement):
            values = list(row)
            for n in encrypted:
                values[n] = self._decrypted(row[n], place_in(table.new, columns[n], row[0]))
            yield tuple(values[: len(table.key)]), tuple(values)

    def _entry(self, table: Table, row: Values) -> Values:
        """The entry that a row becomes, in the order of ENTRY."""
        assert table.entry is not None
        values = dict(zip([column.new for column in table.columns], row, strict=True))
        title: str | None = values.get("description")
        if table.entry.kind == "redemption":
            prize, option = self._titles["prizes"], self._titles["prize_options"]
            title = f"{prize.get(values['prize_id'])}, {option.get(values['prize_option_id'])}"
        elif table.entry.kind == "property_development":
            lot = f"lot {values['lot']}" if values["lot"] else None
            title = ", ".join(part for part in (values["project_name"], lot) if part) or None
        company = self._titles["divisions"].get(values.get("division_id") or 0)
        created_at: dt.datetime = values["created_at"]
        effective_on = created_at.astimezone(self._expectation.context.business_zone).date()
        delta = table.entry.sign * values["points"]
        return (values["reward_group_id"], company, table.entry.kind, 0, delta, delta, effective_on, created_at, title)

    def _entries_of_nothing(self, table: Table) -> list[str]:
        """Sources of entries without a row, unless the entries were taken back."""
        return self._sources(
            table,
            "SELECT source FROM {entries} AS e WHERE NOT EXISTS (SELECT FROM {name} AS t WHERE e.source = {label} || t.id)"
            " GROUP BY source, reward_group_id, company HAVING sum(delta) <> 0 OR count(*) = 1",
        )

    def _entries_that_do_not_add_up(self, table: Table) -> list[str]:
        """Sources whose entries were corrected, and are worth something else than the last of them says."""
        return self._sources(
            table,
            "SELECT e.source FROM {entries} AS e JOIN (SELECT DISTINCT ON (source) * FROM {entries} AS n ORDER BY source, id DESC) AS l"
            " USING (source) WHERE l.is_correction GROUP BY e.source, e.reward_group_id, e.company"
            " HAVING sum(e.delta) <> sum(DISTINCT CASE WHEN (e.reward_group_id, e.company) IS NOT DISTINCT FROM"
            " (l.reward_group_id, l.company) AND NOT l.is_taken_back THEN l.delta ELSE 0 END)",
        )

    def _sources(self, table: Table, statement: str) -> list[str]:
        if table.entry is None:
            return []
        entries = sql.SQL(
            "(SELECT id, coalesce(cause_data ->> 'source', source_transaction) AS source, reward_group_id, company, delta,"
            " cause_data ? 'source' AS is_correction, cause_data ? 'taken_back' AS is_taken_back FROM point_entries"
            " WHERE invoice_id IS NULL AND kind = {} AND cause LIKE '% of the legacy program%')"
        ).format(sql.Literal(table.entry.kind))
        label = sql.Literal(f"{table.entry.name} ")
        with self._new.cursor() as cursor:
            cursor.execute(sql.SQL(statement).format(entries=entries, name=sql.Identifier(table.new), label=label))
            return sorted({name for (name,) in cursor.fetchall()})

    def _rejects(self, table: Table) -> set[str]:
        with self._new.cursor() as cursor:
            cursor.execute("SELECT key FROM migration_rejects WHERE table_name = %s", (table.old,))
            return {key for (key,) in cursor.fetchall()}

    def _fetched(self, statement: sql.Composable) -> Iterator[tuple[Any, ...]]:
        with self._new.cursor("verification") as cursor:
            cursor.itersize = ROWS_A_FETCH
            cursor.execute(statement)
            yield from cursor

    def _decrypted(self, stored: memoryview | None, place: str) -> str | None:
        if stored is None:
            return None
        try:
            return self._cipher.decrypt(bytes(stored), place)
        except DecryptionError:
            return UNREADABLE


def _entry_columns(table: Table) -> list[sql.Composable]:
    """Of the entry that counts: the last correction, where there is one."""
    told = "CASE WHEN c.source IS NULL THEN e.{0} ELSE c.{0} END"
    return [sql.SQL(told.format(name)) for name in ENTRY] if table.entry else []


def _joined_entries(table: Table) -> sql.Composable:
    if table.entry is None:
        return sql.SQL("")
    return sql.SQL(
        "LEFT JOIN point_entries AS e ON e.invoice_id IS NULL AND e.source_transaction = {label} || t.id"
        " LEFT JOIN (SELECT DISTINCT ON (1) cause_data ->> 'source' AS source, p.* FROM point_entries AS p"
        " WHERE invoice_id IS NULL AND cause_data ? 'source' ORDER BY 1, p.id DESC) AS c ON c.source = {label} || t.id"
    ).format(label=sql.Literal(f"{table.entry.name} "))
