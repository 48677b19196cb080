"""Which rows others may refer to, and under which id. PURE but for the reader that it is given.

A row that needs one that is not there is refused, and so are those that need it in turn: tables come in the order of references.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

from migration.errors import MigrationError, UncoveredError
from migration.map import DIVISIONS, TABLES
from migration.mapping import Column, Table
from migration.rules.numbers import SortOrder
from migration.rules.references import Reference, code_of
from migration.rules.rule import Cell, Context, Finding, Key, Raw, RefusedError

Reader: TypeAlias = Callable[[str, Sequence[str]], Iterable[tuple[Raw, ...]]]
"""Legacy table and columns -> its rows, in any order."""
Encodings: TypeAlias = Mapping[tuple[str, str], str]
"""Legacy table and column -> character encoding; columns that are no text are missing."""

SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class Zones:
    """The legacy database's, and the program's."""

    legacy: ZoneInfo
    business: ZoneInfo


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
        owner, _, name = old.rpartition(".")
        encoding = self.encodings.get((owner or table.old, name), "latin1")
        return Cell(table.old, old, encoding, self.context)


def accept(
    read: Reader,
    encodings: Encodings,
    zones: Zones,
    *,
    merge_emails: bool,
    division_ids: Mapping[str, int] | None = None,
) -> Acceptance:
    """Find out which rows others may refer to.

    Args:
        read: reads the legacy database.
        encodings: of its columns.
        zones: its own, and the program's.
        merge_emails: whether the oldest user takes the place of others with the same e-mail.
        division_ids: code -> id of divisions that stand in the new database; they keep their ids.

    Raises:
        MigrationError: e-mails that differ in case only, unless they are to be merged.
    """
    accepted: dict[str, dict[Key, int]] = {}
    ranks: dict[str, dict[float, int]] = {}
    found = Acceptance(Context(zones.legacy, zones.business, accepted, ranks), encodings)
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


def _numbered(read: Reader, cell: Cell, known: Mapping[str, int]) -> dict[Key, int]:
    """Divisions get new ids, in the order in which they are shown; those that stand there keep theirs."""
    taken = {code_of(code.encode(), replace(cell, encoding="utf-8")): number for code, number in known.items()}
    free = (number for number in count(1) if number not in taken.values())
    rows = sorted(
        (float(order or b"0"), code_of(code, cell))
        for code, order in read("divisions", ("division_cd", "sort_order"))
        if code
    )
    return {code: taken.get(code) or next(free) for _, code in rows}


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
    moving = set(_accepted(read, table, found))
    cell = found.cell(table, column)
    seen: dict[str, int] = {}
    for raw_key, raw in read(table.old, (table.key[0], column.olds[0])):
        key = int(raw_key or b"0")
        if key in moving and raw is not None:
            text = _text(column, cell, raw, key)
            if text in seen:
                raise MigrationError(
                    f"table {table.old}, keys {seen[text]} and {key}, column {column.old}: both are {text!r}, and one row may be."
                    " No rule covers this; nothing was written. Remove one of them in the legacy database and start again"
                )
            seen[text] = key


def _text(column: Column, cell: Cell, raw: bytes, key: int) -> str:
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
            text = _text(column, cell, email, user)
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
