"""Compares every row of every mapped table, value by value: the legacy one after the rules, and the new one.

Place on the data's way: beside it, after a run. Shares with the loader the map, the rules and the way to connect, nothing else: it
reads each legacy row as it is, applies every rule in Python, and holds the outcome against what Postgres gives back.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any, Final

import psycopg2
import psycopg2.extensions
from psycopg2 import sql

from api.core.encryption import FieldCipher, place_in
from api.core.errors import DecryptionError
from migration import legacy
from migration.acceptance import Acceptance, Zones, accept
from migration.comparison import ENTRY, Comparison, Key, Values, match
from migration.connection import connect, division_ids
from migration.errors import MigrationError, UncoveredError
from migration.legacy import Connection, quoted, raw_value
from migration.map import TABLES
from migration.mapping import Table, is_numbered
from migration.rules.characters import key_text
from migration.rules.encrypted import Encrypted
from migration.rules.references import Reference
from migration.rules.rule import Finding, Raw, RefusedError

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
        catalog = legacy.catalog(old, address)
        legacy.begin_snapshot(old)
        acceptance = accept(
            _reader(old), catalog.encodings, zones, merge_emails=merge_emails, division_ids=division_ids(new)
        )
        both = _Both(old, new, acceptance, cipher, show, _highest(new))
        try:
            return [comparison for table in TABLES for comparison in both.compared(table)]
        except psycopg2.Error as error:
            raise MigrationError(f"sunroc_rewards ended the verification: {str(error).strip()}") from error


def _reader(connection: Connection) -> Callable[[str, Sequence[str]], Iterator[tuple[Raw, ...]]]:
    by_name = {table.old: table for table in TABLES}

    def read(table: str, columns: Sequence[str]) -> Iterator[tuple[Raw, ...]]:
        keys = by_name[table].key
        return (row[len(keys) :] for row in _rows(connection, by_name[table], (*keys, *columns)))

    return read


def _rows(connection: Connection, table: Table, olds: Sequence[str]) -> Iterator[tuple[Raw, ...]]:
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
        acceptance: Acceptance,
        cipher: FieldCipher,
        show: Callable[[str, int], None],
        highest: dict[str, int],
    ) -> None:
        self._highest = highest
        self._old = old
        self._new = new
        self._acceptance = acceptance
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
            (column, self._acceptance.cell(table, column), tuple(olds.index(old) for old in column.olds))
            for column in table.columns
        ]
        keys = [self._acceptance.cell_of(table, name) for name in table.key]
        met: set[Key] = set()
        titles = self._titles.setdefault(table.new, {})
        told = next(
            (n for n, c in enumerate(table.columns) if c.new == ("code" if table.new == "divisions" else "title")), None
        )
        for raws in _rows(self._old, table, olds):
            legacy_key = key_text(zip(raws, keys, strict=False))
            ignored: list[Finding] = []
            try:
                if table.old == "users" and int(raws[0] or b"0") in self._acceptance.merged:
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
            title = f"{prize[values['prize_id']]}, {option[values['prize_option_id']]}"
        elif table.entry.kind == "property_development":
            lot = f"lot {values['lot']}" if values["lot"] else None
            title = ", ".join(part for part in (values["project_name"], lot) if part) or None
        company = self._titles["divisions"].get(values.get("division_id") or 0)
        created_at: dt.datetime = values["created_at"]
        effective_on = created_at.astimezone(self._acceptance.context.business_zone).date()
        delta = table.entry.sign * values["points"]
        return (values["reward_group_id"], company, table.entry.kind, 0, delta, delta, effective_on, created_at, title)

    def _entries_of_nothing(self, table: Table) -> list[str]:
        if table.entry is None:
            return []
        with self._new.cursor() as cursor:
            cursor.execute(
                sql.SQL(
                    "SELECT e.source_transaction FROM point_entries AS e WHERE e.invoice_id IS NULL AND e.kind = {kind}"
                    " AND e.cause LIKE '%% of the legacy program'"
                    " AND NOT EXISTS (SELECT FROM {name} AS t WHERE e.source_transaction = {label} || t.id)"
                ).format(
                    kind=sql.Literal(table.entry.kind),
                    name=sql.Identifier(table.new),
                    label=sql.Literal(f"{table.entry.name} "),
                ),
                (),
            )
            return [name for (name,) in cursor.fetchall()]

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
    return [sql.SQL("e." + name) for name in ENTRY] if table.entry else []


def _joined_entries(table: Table) -> sql.Composable:
    if table.entry is None:
        return sql.SQL("")
    return sql.SQL("LEFT JOIN point_entries AS e ON e.invoice_id IS NULL AND e.source_transaction = {} || t.id").format(
        sql.Literal(f"{table.entry.name} ")
    )


def _select(table: Table, olds: Sequence[str]) -> str:
    """The columns as they stand, and a digit for each that says whether it is NULL."""
    names = [old if "." in old else f"{table.old}.{old}" for old in olds]
    values = ", ".join(raw_value(table.old, old) for old in olds)
    nulls = ", ".join(f"ISNULL({quoted(name)})" for name in names)
    source = quoted(table.old)
    if table.joined:
        by = quoted(table.joined_by)
        source += f" LEFT JOIN {quoted(table.joined)} ON {quoted(table.joined)}.{by} = {source}.{by}"
    order = f" ORDER BY {quoted(table.old)}.{quoted(table.key[0])}" if is_numbered(table) else ""
    return f"SELECT {values}, CONCAT({nulls}) FROM {source}{order}"  # noqa: S608 - of the map
