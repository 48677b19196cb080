"""The legacy database held against the map, before anything moves."""

from __future__ import annotations

from dataclasses import dataclass, field

from migration.errors import MigrationError
from migration.legacy import Catalog
from migration.map import LEFT_BEHIND, TABLES
from migration.mapping import Table
from migration.rules.characters import ENCODINGS


@dataclass(slots=True)
class Survey:
    """What stands in the legacy database and what the map knows of it."""

    missing: list[str] = field(default_factory=list)
    """Tables and `table.column`s that the map needs."""
    wrong: list[str] = field(default_factory=list)
    """Columns of a type that their rule cannot read."""
    mapped: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Legacy table -> how many of its columns move, and how many it has."""
    unknown_tables: list[str] = field(default_factory=list)
    unknown_columns: list[str] = field(default_factory=list)
    """`table.column`."""
    left_behind: list[str] = field(default_factory=list)
    """Tables that are known and not wanted."""
    dropped: list[str] = field(default_factory=list)
    """`table.column`s that are known and not wanted."""
    unprotected: list[str] = field(default_factory=list)
    """Tables of an engine without transactions: the snapshot does not hold for them."""

    def require(self, *, strict: bool) -> None:
        """Raise `MigrationError` where the map does not fit; with `strict`, also where it does not know something."""
        if self.missing or self.wrong:
            raise MigrationError(
                "the legacy database is not the one that the map describes: "
                + "; ".join([f"{name} is missing" for name in self.missing] + self.wrong)
            )
        unknown = [*self.unknown_tables, *self.unknown_columns]
        if strict and unknown:
            raise MigrationError(
                f"--strict: the map does not know {', '.join(unknown)}. Without --strict they are left behind and named in the report"
            )


def survey(catalog: Catalog) -> Survey:
    """Hold the catalog against the map."""
    found = Survey()
    mapped = {table.old for table in TABLES}
    for table in TABLES:
        legacy = catalog.tables.get(table.old)
        if legacy is None:
            found.missing.append(f"table {table.old}")
            continue
        needed = _needed(table)
        for name, types in needed.items():
            column = legacy.columns.get(name)
            if column is None:
                found.missing.append(f"column {table.old}.{name}")
                continue
            if column.data_type not in types:
                expected = ", ".join(sorted(types))
                found.wrong.append(
                    f"column {table.old}.{name} is {column.data_type}, and one of {expected} is expected"
                )
            if column.charset is not None and column.charset not in ENCODINGS:
                found.wrong.append(
                    f"column {table.old}.{name} is in the character set {column.charset}, which is not known here"
                )
        found.mapped[table.old] = (len(needed.keys() & legacy.columns.keys()), len(legacy.columns))
        found.dropped += [f"{table.old}.{name}" for name in legacy.columns if name in table.dropped]
        found.unknown_columns += [
            f"{table.old}.{name}" for name in legacy.columns if name not in needed and name not in table.dropped
        ]
        if legacy.engine.lower() != "innodb":
            found.unprotected.append(f"{table.old} ({legacy.engine})")
    found.left_behind = sorted(name for name in catalog.tables if name in LEFT_BEHIND)
    found.unknown_tables = sorted(name for name in catalog.tables if name not in mapped | LEFT_BEHIND)
    return found


def _needed(table: Table) -> dict[str, frozenset[str]]:
    """The table's own columns that the map reads, each with the types that all of its rules can read."""
    needed: dict[str, frozenset[str]] = {}
    for column in table.columns:
        for place, old in enumerate(column.olds):
            if "." not in old:
                types = column.rule.types(place)
                needed[old] = needed.get(old, types) & types
    return needed
