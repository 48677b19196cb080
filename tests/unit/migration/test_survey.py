from __future__ import annotations

import pytest

from migration.catalog import Catalog
from migration.errors import MigrationError
from migration.survey import survey
from tests.unit.migration.catalogs import changed, column, sample_catalog


def test_sample_fits_and_what_is_left_behind_is_known() -> None:
    found = survey(sample_catalog())

    found.require(strict=True)
    assert found.left_behind == ["log", "points"]
    assert sorted(found.dropped) == [
        "customers.account_job_flag",
        "customers.du",
        "customers.rewards_id",
        "customers.unique_num",
        "customers.updatedYN10",
        "rewards.created_on",
        "users.grp_account",
        "users.sbm_account",
        "users.src_account",
    ]
    assert (found.missing, found.wrong, found.unknown_tables, found.unknown_columns, found.unprotected) == ([],) * 5


def test_missing_tables_and_columns_are_all_named() -> None:
    catalog = changed(sample_catalog(), "customers", without="customer_name")
    catalog = Catalog("s", "v", {name: table for name, table in catalog.tables.items() if name != "points_adjustments"})

    with pytest.raises(MigrationError) as refused:
        survey(catalog).require(strict=False)

    assert "column customers.customer_name is missing" in str(refused.value)
    assert "table points_adjustments is missing" in str(refused.value)


@pytest.mark.parametrize(
    ("table", "name", "data_type"),
    [
        ("users", "created_on", "timestamp"),
        ("users", "created_on", "varchar"),
        ("users", "u_id", "varchar"),
        ("users", "password_expired", "bit"),
        ("users", "terms_conditions_accepted", "datetime"),
        ("users", "created_by", "varchar"),
        ("prizes_redemptions", "dob", "datetime"),
        ("prizes_redemptions", "passport_number", "varbinary"),
        ("prizes_redemptions", "description", "blob"),
        ("prizes_redemptions", "cost_sbm", "float"),
        ("prizes_redemptions", "points", "double"),
        ("prizes", "sort_order", "varchar"),
        ("rewards_groups", "rewards_status", "int"),
    ],
)
def test_column_of_a_type_that_its_rule_cannot_read_is_named(table: str, name: str, data_type: str) -> None:
    catalog = changed(
        sample_catalog(), table, column(name, data_type, charset="latin1" if "char" in data_type else None)
    )

    with pytest.raises(MigrationError, match=rf"column {table}\.{name} is {data_type}, and one of .* is expected"):
        survey(catalog).require(strict=False)


@pytest.mark.parametrize(
    ("table", "name", "data_type"),
    [
        ("users", "u_id", "bigint"),
        ("users", "email", "text"),
        ("users", "name", "mediumtext"),
        ("prizes", "sort_order", "double"),
        ("prizes", "sort_order", "int"),
        ("prizes_redemptions", "cost_sbm", "int"),
        ("prizes_redemptions", "gender", "char"),
        ("prizes_redemptions", "qty", "smallint"),
        ("rewards_groups", "rewards_status", "enum"),
        ("users", "password_expired", "int"),
    ],
)
def test_column_of_another_type_that_its_rule_can_read_fits(table: str, name: str, data_type: str) -> None:
    survey(changed(sample_catalog(), table, column(name, data_type))).require(strict=True)


def test_unknown_tables_and_columns_are_reported_and_refused_only_if_strict() -> None:
    catalog = changed(sample_catalog(), "audit", column("id", "int"))
    catalog = changed(catalog, "users", column("nickname", "varchar", charset="latin1"))

    found = survey(catalog)

    assert (found.unknown_tables, found.unknown_columns) == (["audit"], ["users.nickname"])
    found.require(strict=False)
    with pytest.raises(MigrationError, match=r"--strict.*audit, users\.nickname"):
        found.require(strict=True)


def test_new_column_of_a_table_that_is_left_behind_is_nobodys_business() -> None:
    survey(changed(sample_catalog(), "points", column("more", "int"))).require(strict=True)


@pytest.mark.parametrize("engine", ["MyISAM", "MEMORY", "Aria", ""])
def test_mapped_table_without_transactions_is_named(engine: str) -> None:
    catalog = changed(sample_catalog(), "customers", engine=engine or "none")

    found = survey(catalog)

    assert found.unprotected == [f"customers ({engine or 'none'})"]
    found.require(strict=True)


def _encodings(catalog: Catalog) -> dict[tuple[str, str], str]:
    survey(catalog).require(strict=False)
    return catalog.encodings


def test_character_set_of_a_table_that_is_left_behind_does_not_matter() -> None:
    catalog = changed(sample_catalog(), "elsewhere", column("word", "varchar", charset="greek"))

    assert _encodings(catalog)["customers", "customer_name"] == "latin1"


def test_character_set_of_a_column_that_is_left_behind_does_not_matter() -> None:
    catalog = changed(sample_catalog(), "users", column("sbm_account", "varchar", charset="greek"))

    assert _encodings(catalog)["users", "email"] == "latin1"


def test_unknown_character_set_of_a_mapped_column_is_named_with_its_table() -> None:
    catalog = changed(sample_catalog(), "customers", column("customer_name", "varchar", charset="greek"))

    with pytest.raises(MigrationError, match=r"customers\.customer_name.*greek"):
        _encodings(catalog)
