"""Which rows others may refer to, and under which id. PURE but for the reader that it is given.

A row that needs one that is not there is refused, and so are those that need it in turn: tables come in the order of references.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Final, TypeAlias

from migration.errors import MigrationError, UncoveredError
from migration.map import DIVISIONS, MASTER_ACCOUNTS, TABLES
from migration.mapping import Column, Table, is_numbered
from migration.rules.characters import key_text
from migration.rules.numbers import SortOrder
from migration.rules.references import Reference, code_of
from migration.rules.rule import Cell, Context, Finding, Key, Raw, RefusedError, Zones
from migration.rules.texts import Text

Reader: TypeAlias = Callable[[str, Sequence[str]], Iterable[tuple[Raw, ...]]]
"""Legacy table and columns -> its rows, in any order."""
Encodings: TypeAlias = Mapping[tuple[str, str], str]
"""Legacy table and column -> character encoding; columns that are no text are missing."""

SHOWN: Final = 10


@dataclass(slots=True)
class Acceptance:
    """What is known before the first row moves."""

    context: Context
    encodings: Encodings
    merged: dict[Key, int] = field(default_factory=dict)
    """User -> the one that takes its place, being older and of the same e-mail."""

    def cell(self, table: Table, column: Column) -> Cell:
        """What a rule needs to know of a column."""
        return self.cell_of(table, column.olds[0])

    def cell_of(self, table: Table, old: str) -> Cell:
        """The same of a legacy column."""
        joined = bool(table.joined) and old.startswith(f"{table.joined}.")
        place = (table.joined, old.removeprefix(f"{table.joined}.")) if joined else (table.old, old)
        encoding = self.encodings.get(place, "latin1")
        return Cell(table.old, old, encoding, self.context)


def accept(
    read: Reader,
    encodings: Encodings,
    zones: Zones,
    *,
    merge_emails: bool,
    division_ids: Mapping[str, int] | None = None,
    cased: Collection[tuple[str, str]] = (),
) -> Acceptance:
    """Find out which rows others may refer to.

    Args:
        read: reads the legacy database.
        encodings: of its columns.
        zones: its own, and the program's.
        merge_emails: whether the oldest user takes the place of others with the same e-mail.
        division_ids: code -> id of divisions that stand in the new database; they keep their ids.
        cased: legacy table and column of texts that the server told apart by their case.

    Raises:
        MigrationError: e-mails that differ in case only, unless they are to be merged; or two rows that become one by the rules.
    """
    accepted: dict[str, dict[Key, int]] = {}
    ranks: dict[str, dict[float, int]] = {}
    spellings: dict[str, str] = {}
    found = Acceptance(Context(zones.legacy, zones.business, accepted, ranks, spellings), encodings)
    spellings.update(_spellings(read, found, cased))
    referred = {column.rule.to for table in TABLES for column in table.columns if isinstance(column.rule, Reference)}
    for table in TABLES:
        for column in table.columns:
            if isinstance(column.rule, SortOrder):
                ranks[table.old] = _places(raw for (raw,) in read(table.old, column.olds))
        if table is DIVISIONS:
            accepted[table.old] = _numbered(read, found.cell(table, table.columns[1]), division_ids or {})
        elif table.old in referred:
            accepted[table.old] = {key: key for key in _accepted(read, table, found)}
        for column in table.columns:
            if column.unique:
                _require_unique(read, table, column, found)
        if table.old == "users":
            found.merged = _merged(read, found, merge=merge_emails)
            accepted["users"].update(found.merged)
    return found


def _places(raws: Iterable[Raw]) -> dict[float, int]:
    return {
        number: place for place, number in enumerate(sorted({float(raw) for raw in raws if raw is not None}), start=1)
    }


def _spellings(read: Reader, found: Acceptance, cased: Collection[tuple[str, str]]) -> dict[str, str]:
    """Master accounts that are to be written in another way: those that the server held for the same customer.

    The spelling is that of `customers` (of the first by its id), else of the oldest membership.
    """
    first: dict[str, dict[str, tuple[int, bytes, int]]] = {}
    for place, (table_name, oldest) in enumerate((("customers", "customer_id"), ("rewards", "created_on"))):
        table = next(table for table in TABLES if table.old == table_name)
        cell = found.cell_of(table, MASTER_ACCOUNTS)
        for raw, age, key in read(table_name, (MASTER_ACCOUNTS, oldest, table.key[0])):
            text = None if raw is None else _account(raw, cell)
            if text is not None:
                folded = text.rstrip(" ") if (table_name, MASTER_ACCOUNTS) in cased else text.rstrip(" ").lower()
                rank = (place, age or b"", int(key or b"0") if is_numbered(table) else 0)
                spelled = first.setdefault(folded, {})
                spelled[text] = min(rank, spelled.get(text, rank))
    return {
        text: chosen
        for spelled in first.values()
        if len(spelled) > 1
        for chosen in [min(spelled, key=lambda text: spelled[text])]
        for text in spelled
        if text != chosen
    }


def _account(raw: bytes, cell: Cell) -> str | None:
    try:
        return Text().apply((raw,), cell, [])
    except UncoveredError:
        # The row's own reading stops the load, and names it.
        return None


def _numbered(read: Reader, cell: Cell, known: Mapping[str, int]) -> dict[Key, int]:
    """Divisions get new ids, in the order in which they are shown; those that stand there keep theirs."""
    taken = {code_of(code.encode(), replace(cell, encoding="utf-8")): number for code, number in known.items()}
    free = (number for number in count(1) if number not in taken.values())
    rows: dict[str, tuple[float, str]] = {}
    for raw, order in read("divisions", ("division_cd", "sort_order")):
        code = code_of(raw or b"", cell)
        key = key_text([(raw, cell)])
        if code in rows:
            raise _both(cell.table, rows[code][1], key, cell.column, code)
        rows[code] = (float(order or b"0"), key)
    ordered = sorted((order, code) for code, (order, _) in rows.items())
    return {code: taken.get(code) or next(free) for _, code in ordered}


def _accepted(read: Reader, table: Table, found: Acceptance) -> Iterable[int]:
    references = table.required_references()
    cells = [found.cell(table, column) for column in references]
    ignored: list[Finding] = []
    for key, *needed in read(table.old, (table.key[0], *(column.olds[0] for column in references))):
        try:
            for column, cell, raw in zip(references, cells, needed, strict=True):
                column.rule.apply((raw,), cell, ignored)
        except RefusedError:
            continue
        yield int(key or b"0")


def _require_unique(read: Reader, table: Table, column: Column, found: Acceptance) -> None:
    """Raise `MigrationError` where two rows that would move have the same text."""
    moving = set(_accepted(read, table, found)) if is_numbered(table) else None
    cell = found.cell(table, column)
    key_cell = found.cell_of(table, table.key[0])
    seen: dict[str, str] = {}
    for raw_key, raw in read(table.old, (table.key[0], column.olds[0])):
        if raw is None or (moving is not None and int(raw_key or b"0") not in moving):
            continue
        key = key_text([(raw_key, key_cell)])
        text = _text(column, cell, raw, key)
        if text in seen:
            raise _both(table.old, seen[text], key, column.old, text)
        seen[text] = key


def _both(table: str, one: str, other: str, column: str, text: str) -> MigrationError:
    return MigrationError(
        f"table {table}, keys {one} and {other}, column {column}: both are {text!r}, and one row may be."
        " No rule covers this; nothing was written. Remove one of them in the legacy database and start again"
    )


def _text(column: Column, cell: Cell, raw: bytes, key: str) -> str:
    try:
        return str(column.rule.apply((raw,), cell, []))
    except UncoveredError as error:
        raise MigrationError(
            f"table {cell.table}, key {key}, column {column.old}: {error.why}; nothing was written"
        ) from error


def _merged(read: Reader, found: Acceptance, *, merge: bool) -> dict[Key, int]:
    users = next(table for table in TABLES if table.old == "users")
    column = next(column for column in users.columns if column.new == "email")
    cell = found.cell(users, column)
    by_email: dict[str, list[tuple[bytes, int, str]]] = {}
    for raw_id, email, created_on in read("users", ("u_id", "email", "created_on")):
        user = int(raw_id or b"0")
        if user in found.context.accepted["users"] and email is not None:
            text = _text(column, cell, email, str(user))
            by_email.setdefault(text.lower(), []).append((created_on or b"", user, text))
    shared = {email: sorted(users) for email, users in by_email.items() if len(users) > 1}
    if shared and not merge:
        named = "; ".join(
            ", ".join(f"{text} (user {user})" for _, user, text in users) for users in list(shared.values())[:SHOWN]
        )
        raise MigrationError(
            f"{len(shared)} e-mail{'s' if len(shared) > 1 else ''} of users differ in case only: {named}"
            f"{' …' if len(shared) > SHOWN else ''}. Nothing was written. Change them in the legacy database,"
            " or let the oldest user of each take the others' place with --merge-emails oldest"
        )
    return {user: users[0][1] for users in shared.values() for _, user, _ in users[1:]}
