"""The statement that reads a legacy table: a line for COPY for every plain row, a marked one for the others.

Place on the data's way: the loader's reading. Nearly all rows of a real database are plain: the legacy server builds their lines
itself, with the bytes of their texts as they stand, and Python hands them on, many at a time (extract.py). What else is not surely
plain (plain.py) comes in hexadecimal, for rules/. A row that the server builds no line for, for its size, has NULL in the line's
place and comes apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from migration import plain
from migration.acceptance import Acceptance
from migration.catalog import LegacyTable
from migration.copytext import NULL, SEPARATOR
from migration.legacy import placed, quoted, raw_value
from migration.mapping import Column, Table
from migration.plain import Form, Source
from migration.rules.encrypted import Encrypted

MARK: Final = NULL
"""The first byte of a row that is not plain. A plain line does not begin with it: no key is NULL."""
MERGED: Final = ("users", "rewards_favorites")
"""Tables in which rows may become one when users are merged."""
LONG_TYPES: Final = ("text", "mediumtext", "longtext", "blob", "mediumblob", "longblob")
LONG_BYTES: Final = 131_072
"""Rows with more text than that come apart from the others, one at a time, and nothing is computed of them."""


@dataclass(frozen=True, slots=True)
class Query:
    """How a table is read."""

    sql: str
    """A row's line is NULL where the server left it to `apart`: for its size, or because it could not compute the line."""
    apart: tuple[str, str]
    """The tables in SQL, and the condition for the rows whose line is NULL."""
    columns: tuple[Column, ...]
    """The new columns in the order of a line: encrypted ones last."""
    encrypted: int
    """How many of them a plain line has as they stand, to be encrypted."""
    olds: tuple[str, ...]
    """The legacy columns of a row that is not plain, in order."""
    encoding: str
    """Of the texts in a plain line."""
    texts: frozenset[int]
    """The columns whose texts stand in a plain line as the legacy server keeps them, whatever they hold."""


def query(table: Table, legacy: LegacyTable, acceptance: Acceptance, *, joined: LegacyTable | None = None) -> Query:
    """Build the statement that reads a table: one column, with a line or a marked row."""
    olds = tuple(dict.fromkeys(old for column in table.columns for old in column.olds))
    olds += tuple(name for name in legacy.columns if name not in olds)
    sql = {old: placed(table.old, old) for old in olds}
    secret = tuple(column for column in table.columns if isinstance(column.rule, Encrypted))
    columns = tuple(column for column in table.columns if column not in secret) + secret
    owners = {one.name: one for one in (legacy, joined) if one is not None}
    nullable = {old for old in olds if old not in legacy.columns or legacy.columns[old].nullable}
    line = _raw_line({old: raw_value(table.old, old) for old in olds}, {old: sql[old] for old in nullable})
    forms: list[Form] = []
    # Users that others take the place of are refused, and what is theirs may meet: nothing is plain.
    if not (acceptance.merged and table.old in MERGED):
        found = [_form(column, table, sql, owners, acceptance) for column in columns]
        forms = [form for form in found if form is not None] if None not in found else []
    texts = {number: acceptance.cell(table, columns[number]).encoding for number, form in enumerate(forms) if form.text}
    ((encoding, _),) = Counter(texts.values()).most_common(1) or [("latin1", 0)]
    if forms:
        line = _line(line, forms, [forms[number].copied for number, its in texts.items() if its != encoding])
    if long := [sql[name] for name, column in legacy.columns.items() if column.data_type in LONG_TYPES]:
        size = " + ".join(f"IFNULL(LENGTH({column}), 0)" for column in long)
        line = f"IF({size} > {LONG_BYTES}, NULL, {line})"
    source = quoted(table.old)
    if joined is not None:
        by = quoted(table.joined_by)
        source += f" LEFT JOIN {quoted(joined.name)} ON {quoted(joined.name)}.{by} = {quoted(table.old)}.{by}"
    statement = f"SELECT {line} FROM {source}"  # noqa: S608 - quoted names of the map and of the catalog
    return Query(statement, (source, f"{line} IS NULL"), columns, len(secret), olds, encoding, frozenset(texts))


def _raw_line(values: Mapping[str, str], nullable: Mapping[str, str]) -> str:
    """A marked row in hexadecimal. CONCAT and not CONCAT_WS, which leaves out what could not be computed."""
    parts = [f"HEX(CAST({value} AS BINARY))" for value in values.values()]
    parts = [
        f"IF({nullable[old]} IS NULL, '-', {part})" if old in nullable else part
        for old, part in zip(values, parts, strict=True)
    ]
    return "CONCAT({})".format(", ',', ".join([f"0x{MARK.hex()}", *parts]))


def _form(
    column: Column, table: Table, sql: dict[str, str], owners: dict[str, LegacyTable], acceptance: Acceptance
) -> Form | None:
    sources = []
    for old in column.olds:
        owner, _, name = old.rpartition(".")
        sources.append(Source(sql[old], owners[owner or table.old].columns[name], acceptance))
    return plain.form(column.rule, *sources)


def _line(raw: str, forms: Sequence[Form], others: Sequence[str]) -> str:
    """A row's line, or a marked row. `others` are texts in another encoding than the line's, of which only ASCII is plain."""
    conditions = [form.plain for form in forms if form.plain]
    if texts := [form.copied for form in forms if form.text]:
        # In one string, so that one search does for all. What COPY escapes is escaped later.
        conditions.append(
            f"INSTR(REPLACE(CONCAT_WS('', {', '.join(texts)}), 0x{SEPARATOR.hex()}, 0x{NULL.hex()}), 0x{NULL.hex()}) = 0"
        )
    conditions += [_is_ascii(f"IFNULL({text}, '')") for text in others]
    values = [f"IF({form.null}, 0x{NULL.hex()}, {form.copied})" if form.null else form.copied for form in forms]
    is_plain = " AND ".join(f"({condition})" for condition in conditions) or "1"
    return "IF({}, CONCAT({}), {})".format(is_plain, f", 0x{SEPARATOR.hex()}, ".join(values), raw)


def _is_ascii(value: str) -> str:
    """A condition for bytes that are ASCII: any other byte becomes longer as latin1 in UTF-8.

    By lengths, for a regular expression means something else on every server.
    """
    return f"LENGTH(CONVERT(CONVERT({value} USING latin1) USING utf8mb4)) = LENGTH({value})"
