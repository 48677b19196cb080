"""What tables and columns the legacy database has, and which of them this user may read.

Place on the data's way: before the first row. The survey (survey.py) holds it against the map; who reads rows asks it for encodings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import pymysql

from migration.legacy import Connection, asked, parse, quoted, words
from migration.map import TABLES
from migration.rules.characters import ENCODINGS

DENIED: Final = (1142, 1143)
"""MySQL's errors about a table and about a column that a user may not read."""


@dataclass(frozen=True, slots=True)
class LegacyColumn:
    """A column as information_schema tells of it."""

    name: str
    data_type: str
    column_type: str
    nullable: bool
    charset: str | None
    scale: int | None
    collation: str | None = None


@dataclass(frozen=True, slots=True)
class LegacyTable:
    """A table with its columns, in their order."""

    name: str
    engine: str
    columns: Mapping[str, LegacyColumn]
    """Under the map's names, where the map knows them: MySQL does not distinguish `U_ID` from `u_id`."""
    unique: frozenset[frozenset[str]] = frozenset()
    """Sets of columns in which no two rows have the same values, in lower case."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """What the legacy database holds."""

    source: str
    """Server and schema, without user and password."""
    server: str
    """Version, as the server says it."""
    tables: Mapping[str, LegacyTable]
    denied: Mapping[str, str] = field(default_factory=dict)
    """Tables of the map that this user may not read, or not all columns of -> what the server said."""

    @property
    def cased(self) -> frozenset[tuple[str, str]]:
        """Table and column of texts that the server tells apart by their case."""
        return frozenset(
            (table.name, column.name)
            for table in self.tables.values()
            for column in table.columns.values()
            if column.collation is not None and column.collation.endswith(("_bin", "_cs"))
        )

    @property
    def encodings(self) -> dict[tuple[str, str], str]:
        """Table and column -> character encoding, of columns that hold text in a character set that is known here."""
        return {
            (table.name, column.name): ENCODINGS[column.charset]
            for table in self.tables.values()
            for column in table.columns.values()
            if column.charset is not None and column.charset in ENCODINGS
        }


def catalog(connection: Connection, address: str) -> Catalog:
    """Read what tables and columns there are."""
    mapped = {table.old: table for table in TABLES}
    ((version, folds),) = asked(connection, "SELECT VERSION(), @@lower_case_table_names")
    engines = {}
    spelled = {}
    for name, engine in asked(
        connection,
        "SELECT table_name, engine FROM information_schema.tables"
        " WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'",
    ):
        # Where the server tells tables apart by their case, another case is another table.
        spelled[name] = name.lower() if folds != "0" and name.lower() in mapped else name
        engines[spelled[name]] = engine or ""
    columns: dict[str, dict[str, LegacyColumn]] = {name: {} for name in engines}
    for table, name, data_type, column_type, nullable, charset, scale, collation in asked(
        connection,
        "SELECT table_name, column_name, data_type, column_type, is_nullable, character_set_name, numeric_scale, collation_name"
        " FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position",
    ):
        if table in spelled:
            known = mapped[spelled[table]].known if spelled[table] in mapped else {}
            column = known.get(name.lower(), name)
            columns[spelled[table]][column] = LegacyColumn(
                column, data_type.lower(), column_type, nullable == "YES", charset, None if scale is None else int(scale), collation
            )  # fmt: skip
    unique = _unique(connection)
    tables = {
        name: LegacyTable(name, engine, columns[name], frozenset(unique.get(name.lower(), ())))
        for name, engine in engines.items()
    }
    return Catalog(str(parse(address)), version, tables, _denied(connection, tables))


def _unique(connection: Connection) -> dict[str, list[frozenset[str]]]:
    """Table -> columns of each unique index, in lower case."""
    indexes: dict[tuple[str, str], set[str]] = {}
    for table, index, column in asked(
        connection,
        "SELECT s.table_name, s.index_name, s.column_name FROM information_schema.statistics AS s WHERE s.table_schema = DATABASE()"
        " AND s.non_unique = 0 AND NOT EXISTS (SELECT 1 FROM information_schema.statistics AS p WHERE p.table_schema = s.table_schema"
        " AND p.table_name = s.table_name AND p.index_name = s.index_name AND p.sub_part IS NOT NULL)",
    ):
        indexes.setdefault((table.lower(), index), set()).add((column or "").lower())
    found: dict[str, list[frozenset[str]]] = {}
    for (table, _), names in indexes.items():
        found.setdefault(table, []).append(frozenset(names))
    return found


def _denied(connection: Connection, tables: Mapping[str, LegacyTable]) -> dict[str, str]:
    """Ask for each table of the map: what a user may not read, information_schema does not name."""
    denied = {}
    for table in TABLES:
        columns = ", ".join(map(quoted, table.olds)) if table.old in tables else "1"
        try:
            asked(connection, f"SELECT {columns} FROM {quoted(table.old)} LIMIT 0")  # noqa: S608 - quoted names of the map
        except pymysql.Error as error:
            if error.args[0] in DENIED:
                denied[table.old] = words(error)
    return denied
