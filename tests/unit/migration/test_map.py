from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import LargeBinary

from api.core.encrypted_columns import ENCRYPTED
from migration import rules, schema
from migration.connection import newest_version
from migration.map import LEFT_BEHIND, TABLES
from migration.mapping import Table
from migration.report import RULES
from migration.rules.encrypted import Encrypted
from migration.rules.references import Reference
from migration.transform import value_place
from tests.unit.migration.catalogs import sample_catalog

BY_NAME = {table.old: table for table in TABLES}
each_table = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.old)


def _own_olds(table: Table) -> set[str]:
    return {old for column in table.columns for old in column.olds if "." not in old} | set(table.key)


def test_every_table_of_the_sample_moves_or_is_left_behind() -> None:
    assert set(sample_catalog().tables) == set(BY_NAME) | LEFT_BEHIND


@each_table
def test_every_column_of_the_sample_moves_or_is_dropped(table: Table) -> None:
    assert set(sample_catalog().tables[table.old].columns) == _own_olds(table) | set(table.dropped)


@each_table
def test_no_column_moves_and_is_dropped(table: Table) -> None:
    assert not _own_olds(table) & set(table.dropped)


@each_table
def test_every_new_column_stands_in_the_schema_once(table: Table) -> None:
    names = [column.new for column in table.columns]

    assert len(names) == len(set(names))
    assert set(names) <= {column.name for column in schema.METADATA.tables[table.new].columns}


@each_table
def test_every_new_column_that_must_have_a_value_gets_one(table: Table) -> None:
    required = {
        column.name
        for column in schema.METADATA.tables[table.new].columns
        if not column.nullable and column.server_default is None
    }

    assert required <= {column.new for column in table.columns}


@each_table
def test_every_new_column_is_in_the_map(table: Table) -> None:
    assert {column.new for column in table.columns} == {c.name for c in schema.METADATA.tables[table.new].columns}


@each_table
def test_key_columns_come_first_and_are_the_new_primary_key(table: Table) -> None:
    assert tuple(column.olds for column in table.columns[: len(table.key)]) == tuple((key,) for key in table.key)
    assert table.new_key == tuple(column.name for column in schema.METADATA.tables[table.new].primary_key.columns)


@each_table
def test_references_are_foreign_keys_and_required_where_the_new_column_is(table: Table) -> None:
    new = schema.METADATA.tables[table.new]
    for column in table.columns:
        keys = {(key.column.table.name, key.column.name) for key in new.columns[column.new].foreign_keys}
        if isinstance(column.rule, Reference) and column.rule.to != table.old:
            assert keys == {(BY_NAME[column.rule.to].new, "id")}
            assert column.rule.required == (not new.columns[column.new].nullable)
        elif not isinstance(column.rule, Reference):
            assert not keys


@each_table
def test_table_comes_after_those_that_it_refers_to(table: Table) -> None:
    order = [one.old for one in TABLES]
    needed = {column.rule.to for column in table.columns if isinstance(column.rule, Reference)} - {table.old}
    if table.joined:
        needed.add(table.joined)

    assert all(order.index(one) < order.index(table.old) for one in needed)


@each_table
def test_rule_gives_a_value_where_the_new_column_must_have_one(table: Table) -> None:
    new = schema.METADATA.tables[table.new]
    for column in table.columns:
        # Only users of the new system have no salt.
        if hasattr(column.rule, "required") and column.new != "password_salt":
            assert column.rule.required == (not new.columns[column.new].nullable), column.new


def test_encrypted_columns_are_those_that_the_website_decrypts_at_the_same_place() -> None:
    found = {
        (table.new, column.new) for table in TABLES for column in table.columns if isinstance(column.rule, Encrypted)
    }

    assert found == {(column.class_.__tablename__, column.key) for column in ENCRYPTED}
    for table in TABLES:
        for column in table.columns:
            binary = isinstance(schema.METADATA.tables[table.new].columns[column.new].type, LargeBinary)
            assert binary == isinstance(column.rule, Encrypted)
    redemptions = BY_NAME["prizes_redemptions"]
    passport = next(column for column in redemptions.columns if column.new == "passport_number")
    assert value_place(redemptions, passport, 17) == "prize_redemptions.passport_number 17"


@pytest.mark.parametrize(
    ("table", "kind", "sign"),
    [
        ("prizes_redemptions", "redemption", -1),
        ("property_development_points", "property_development", 1),
        ("points_adjustments", "adjustment", 1),
    ],
)
def test_rows_with_points_become_entries(table: str, kind: str, sign: int) -> None:
    entry = BY_NAME[table].entry
    points = BY_NAME[table].points()

    assert entry is not None
    assert points is not None
    assert (entry.kind, entry.sign, points.new) == (kind, sign, "points")


def test_no_other_table_becomes_entries() -> None:
    assert sum(table.entry is not None for table in TABLES) == 3
    assert BY_NAME["users"].points() is None


def test_every_rule_that_reports_has_its_words_for_the_report() -> None:
    modules = sorted(Path(rules.__file__).parent.glob("*.py"))
    source = "".join(module.read_text(encoding="utf-8") for module in modules)
    named = set(re.findall(r'Finding\([^,]+, "([a-z-]+)"', source)) | set(re.findall(r'"([a-z]+-time)"', source))

    assert named == set(RULES)


def test_newest_version_by_the_names_of_files_is_that_of_alembic() -> None:
    assert newest_version() == schema.head()
