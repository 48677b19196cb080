"""What tables and columns a legacy server tells of, read from the sample's CREATE TABLEs."""

from __future__ import annotations

import re
from pathlib import Path

import migration
from migration.catalog import Catalog, LegacyColumn, LegacyTable

SAMPLE = Path(migration.__file__).parent / "sample" / "rewards_program.sql"


def sample_catalog() -> Catalog:
    script = re.sub(r"--.*", "", SAMPLE.read_text(encoding="utf-8"))
    tables = {}
    for name, body, engine in re.findall(r"CREATE TABLE (\w+) \((.*?)\) ENGINE=(\w+);", script, re.DOTALL):
        # Commas inside of parentheses and of quotes part no columns.
        parts = re.split(r",(?![^(]*\))", body)
        columns = [_column(part.split()) for part in parts if part.split()[0] not in ("PRIMARY", "UNIQUE", "KEY")]
        tables[name] = LegacyTable(name, engine, {column.name: column for column in columns})
    return Catalog("server:3306/rewards_program", "10.11", tables)


def _column(words: list[str]) -> LegacyColumn:
    name, column_type = words[0], words[1].lower() + (" unsigned" if "UNSIGNED" in words else "")
    data_type = re.match(r"[a-z]+", column_type)
    assert data_type is not None
    text = data_type[0] in ("char", "varchar", "text", "enum")
    scale = re.search(r",(\d+)\)", column_type) if data_type[0] == "decimal" else None
    nullable = "NOT" not in words and "PRIMARY" not in words
    return LegacyColumn(
        name, data_type[0], column_type, nullable, "latin1" if text else None, int(scale[1]) if scale else None
    )


def column(name: str, data_type: str, *, charset: str | None = None) -> LegacyColumn:
    return LegacyColumn(name, data_type, data_type, nullable=True, charset=charset, scale=None)


def changed(catalog: Catalog, table: str, *columns: LegacyColumn, without: str = "", engine: str = "") -> Catalog:
    """The catalog with a table added or changed."""
    before = catalog.tables.get(table, LegacyTable(table, "InnoDB", {}))
    now = {name: one for name, one in before.columns.items() if name != without} | {one.name: one for one in columns}
    return Catalog(
        catalog.source, catalog.server, {**catalog.tables, table: LegacyTable(table, engine or before.engine, now)}
    )
