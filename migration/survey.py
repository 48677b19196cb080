"""The legacy database held against the map, before anything moves."""

from __future__ import annotations

from dataclasses import dataclass, field

from migration.catalog import Catalog
from migration.errors import MigrationError
from migration.map import LEFT_BEHIND, TABLES
from migration.mapping import Table
from migration.rules.characters import ENCODINGS


@dataclass(slots=True)
class Survey:
    """What stands in the legacy database and what the map knows of it."""

    missing: list[str] = field(default_factory=list)
    """Tables and `table.column`s that the map needs, each with what is wrong with it."""
    denied: list[str] = field(default_factory=list)
    """What this user may not read, in the server's words."""
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
        if self.denied:
            raise MigrationError(
                f"this user may not read all of the legacy database: {'; '.join(self.denied)}."
                " GRANT SELECT ON its tables to the user in --from"
            )
        if self.missing or self.wrong:
            raise MigrationError(
                "the legacy database is not the one that the map describes: " + "; ".join([*self.missing, *self.wrong])
            )
        unknown = [*self.unknown_tables, *self.unknown_columns]
        if strict and unknown:
            raise MigrationError(
                f"--strict: the map does not know {', '.join(unknown)}. Without --strict they are left behind and named in the report"
            )

    def require_snapshot(self, *, allowed: bool) -> None:
        """Raise `MigrationError` where the snapshot does not hold for all tables, and nobody has allowed that."""
        if self.unprotected and not allowed:
            raise MigrationError(
                f"{', '.join(self.unprotected)}: tables without transactions. What is written to them during the run moves by halves."
                " Convert them (ALTER TABLE … ENGINE = InnoDB), or stop the old application and start again with --allow-myisam"
            )


def survey(catalog: Catalog) -> Survey:
    """Hold the catalog against the map."""
    found = Survey()
    mapped = {table.old for table in TABLES}
    for table in TABLES:
        legacy = catalog.tables.get(table.old)
        if table.old in catalog.denied:
            found.denied.append(catalog.denied[table.old])
            continue
        if legacy is None:
            found.missing.append(_missing(table.old, catalog))
            continue
        needed = _needed(table)
        for name, types in needed.items():
            column = legacy.columns.get(name)
            if column is None:
                found.missing.append(f"column {table.old}.{name} is missing")
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


def _missing(table: str, catalog: Catalog) -> str:
    """That a table is missing, or how this server tells it apart from one that is there."""
    for name in catalog.tables:
        if name.lower() == table:
            return (
                f"table {table} is missing, and this server tells {name} from it: RENAME TABLE `{name}` TO `{table}`"
                " (in a copy of the database, where the old application still runs)"
            )
    return f"table {table} is missing"


def _needed(table: Table) -> dict[str, frozenset[str]]:
    """The table's own columns that the map reads, each with the types that all of its rules can read."""
    needed: dict[str, frozenset[str]] = {}
    for column in table.columns:
        for place, old in enumerate(column.olds):
            if "." not in old:
                types = column.rule.types(place)
                needed[old] = needed.get(old, types) & types
    return needed
