"""What the legacy database alone says of references, places, ids and rows that become one: worked out in SQL, for the verification.

Place on the data's way: beside it. The loader finds the same out in acceptance.py, in another way; neither uses the other's code, so
that a fault of one shows as a difference (an import contract holds it).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Final, TypeAlias

from psycopg2.extensions import connection as NewConnection  # noqa: N812

from migration.catalog import Catalog
from migration.errors import MigrationError, UncoveredError
from migration.legacy import Connection, quoted, raw_value
from migration.map import DIVISIONS, MASTER_ACCOUNTS, TABLES
from migration.mapping import Column, Table
from migration.rules.numbers import SortOrder
from migration.rules.references import Reference, code_of
from migration.rules.rule import Cell, Context, Key, Raw, Zones
from migration.rules.texts import Email, Text

BY_NAME: Final = {table.old: table for table in TABLES}
Row: TypeAlias = tuple[Raw, ...]


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the rules need to know besides a row."""

    context: Context
    encodings: Mapping[tuple[str, str], str]
    merged: Mapping[Key, int]
    """User -> the one that takes its place."""

    def cell(self, table: Table, old: str) -> Cell:
        """What a rule needs to know of a legacy column."""
        owner, name = table.old, old
        if table.joined and old.startswith(f"{table.joined}."):
            owner, name = table.joined, old.removeprefix(f"{table.joined}.")
        return Cell(table.old, old, self.encodings.get((owner, name), "latin1"), self.context)


def expect(old: Connection, new: NewConnection, catalog: Catalog, zones: Zones, *, merge_emails: bool) -> Expectation:
    """Ask both databases.

    Args:
        old: the legacy database, in its snapshot.
        new: the new one: which number a division has is its own business, unless the run numbered all of them.
        catalog: of the legacy database.
        zones: those of the run.
        merge_emails: as in the run.
    """
    accepted: dict[str, dict[Key, int]] = {}
    ranks: dict[str, dict[float, int]] = {}
    spellings: dict[str, str] = {}
    context = Context(zones.legacy, zones.business, accepted, ranks, spellings)
    found = Expectation(context, catalog.encodings, {})
    rules = [(table, column, column.rule) for table in TABLES for column in table.columns]
    for to in {rule.to for _, _, rule in rules if isinstance(rule, Reference) and not rule.by_code}:
        accepted[to] = {key: key for key in _moving(old, BY_NAME[to])}
    for table, column, rule in rules:
        if isinstance(rule, SortOrder):
            ranks[table.old] = _places(old, table, column)
    accepted[DIVISIONS.old] = _division_ids(old, new, found.cell(DIVISIONS, "division_cd"))
    spellings.update(_spellings(old, found, catalog))
    merged = _merged(old, found) if merge_emails else {}
    accepted["users"].update(merged)
    return Expectation(context, catalog.encodings, merged)


def _asked(old: Connection, table: str, statement: str) -> list[Row]:
    """The rows of a query, all of them: a server may limit an answer, and no subquery."""
    with old.cursor() as cursor:
        cursor.execute(statement)
        rows = list(cursor.fetchall())
        cursor.execute(f"SELECT COUNT(*) FROM ({statement}) AS counted")  # noqa: S608 - of this module
        ((count,),) = cursor.fetchall()
    if len(rows) != int(count):
        raise MigrationError(
            f"table {table}: {len(rows)} rows were read, and the legacy server counts {int(count)}, so this is no verification."
            " Name the server itself in --from, without anything between that limits answers, and start again"
        )
    return rows


def _moving(old: Connection, table: Table) -> list[int]:
    """Keys of the rows that have all that they need, which has all that it needs in turn."""
    statement = f"SELECT {quoted(table.key[0])} FROM {quoted(table.old)} AS r WHERE {_has_all(table, 'r')}"  # noqa: S608 - of the map
    return [int(key or b"0") for (key,) in _asked(old, table.old, statement)]


def _has_all(table: Table, alias: str) -> str:
    """SQL: whether a row has all that it needs."""
    conditions = ["1"]
    for column in table.columns:
        rule = column.rule
        if isinstance(rule, Reference) and rule.required and not rule.by_code:
            to, inner = BY_NAME[rule.to], f"{alias}{len(conditions)}"
            conditions.append(
                f"EXISTS (SELECT 1 FROM {quoted(to.old)} AS {inner} WHERE {inner}.{quoted(to.key[0])} = {alias}.{quoted(column.old)}"  # noqa: S608
                f" AND {_has_all(to, inner)})"
            )
    return " AND ".join(conditions)


def _places(old: Connection, table: Table, column: Column) -> dict[float, int]:
    """Sort order -> its place among all of the table's."""
    value, name = raw_value(table.old, column.old), quoted(table.old)
    rows = _asked(old, table.old, f"SELECT DISTINCT {value} FROM {name} ORDER BY 1")  # noqa: S608 - of the map
    return {float(raw): place for place, raw in enumerate((raw for (raw,) in rows if raw is not None), start=1)}


def _division_ids(old: Connection, new: NewConnection, cell: Cell) -> dict[Key, int]:
    """Code -> number: that of the new database's row; where the one run that there was numbered all of them, by their order."""
    order = quoted("sort_order")
    rows = _asked(old, DIVISIONS.old, f"SELECT {quoted('division_cd')}, {order} * 1e0 FROM {quoted('divisions')}")  # noqa: S608
    codes = sorted((float(place or b"0"), code_of(raw or b"", cell)) for raw, place in rows)
    with new.cursor() as cursor:
        cursor.execute("SELECT code, id FROM divisions")
        standing = {str(code).rstrip(" ").casefold(): int(number) for code, number in cursor.fetchall()}
        cursor.execute("SELECT count(*) = 1 AND bool_and(tables -> 'divisions' ->> 'kept' = '0') FROM migration_runs")
        if cursor.fetchone() == (True,):
            return {code: place for place, (_, code) in enumerate(codes, start=1)}
    missing = (-number for number in count(1))
    return {code: standing.get(code) or next(missing) for _, code in codes}


def _spellings(old: Connection, found: Expectation, catalog: Catalog) -> dict[str, str]:
    """Master account -> the first spelling of those that the server held for equal, customers before memberships."""
    first: dict[str, str] = {}
    spelled: dict[str, str] = {}
    for name, order in (("customers", "CAST({} AS BINARY)"), ("rewards", "{}, `r_id`")):
        table = BY_NAME[name]
        oldest = order.format(quoted("customer_id" if name == "customers" else "created_on"))
        cell = found.cell(table, MASTER_ACCOUNTS)
        is_cased = (name, MASTER_ACCOUNTS) in catalog.cased
        for (raw,) in _asked(old, name, f"SELECT {quoted(MASTER_ACCOUNTS)} FROM {quoted(name)} ORDER BY {oldest}"):  # noqa: S608
            text = _value(Text(), raw, cell)
            if text is not None:
                folded = text.rstrip(" ") if is_cased else text.rstrip(" ").lower()
                spelled[text] = first.setdefault(folded, text)
    return {text: chosen for text, chosen in spelled.items() if text != chosen}


def _merged(old: Connection, found: Expectation) -> dict[Key, int]:
    """User -> the oldest one of the same e-mail."""
    table = BY_NAME["users"]
    old_name, rule = next((column.old, column.rule) for column in table.columns if isinstance(column.rule, Email))
    cell = found.cell(table, old_name)
    oldest: dict[str, int] = {}
    merged: dict[Key, int] = {}
    statement = (
        f"SELECT `u_id`, {quoted(old_name)} FROM {quoted(table.old)} AS r WHERE {_has_all(table, 'r')}"  # noqa: S608 - of the map
        " ORDER BY `created_on`, `u_id`"
    )
    for key, raw in _asked(old, table.old, statement):
        text = _value(rule, raw, cell)
        if text is not None:
            user = int(key or b"0")
            kept = oldest.setdefault(text.lower(), user)
            if kept != user:
                merged[user] = kept
    return merged


def _value(rule: Text, raw: Raw, cell: Cell) -> str | None:
    """A text by its rule; None where no rule covers it, which the row's own comparison tells."""
    try:
        return None if raw is None else rule.apply((raw,), cell, [])
    except UncoveredError:
        return None
