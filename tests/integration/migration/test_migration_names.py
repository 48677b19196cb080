"""Names of tables and columns as ten-year-old databases have them, and what a reader may not read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from migration.errors import MigrationError
from tests.integration.migration.conftest import Migrated
from tests.integration.migration.databases import Legacy, New, differences, migrate, planned

pytestmark = pytest.mark.every_server


def test_names_with_dots_and_quotes_are_reported_and_in_nobodys_way(sample: Migrated, legacy: Legacy, new: New) -> None:
    legacy.run(
        "CREATE TABLE `users.bak` (a INT)",
        "INSERT INTO `users.bak` VALUES (1), (2)",
        "CREATE TABLE `it's ``old```` a` (a INT)",
        "ALTER TABLE users ADD `rewards_groups.created_on` VARCHAR(9) DEFAULT 'x'",
        "ALTER TABLE prizes_options ADD `a.b` TEXT CHARACTER SET utf8mb4",
        "ALTER TABLE rewards ADD `a``.b` VARCHAR(9) CHARACTER SET utf8mb4",
        "UPDATE prizes_options SET `a.b` = 'ñ€' WHERE po_id = 6",
        "UPDATE rewards SET `a``.b` = 'ñ' WHERE r_id = 6",
    )

    figures = migrate(legacy, new)

    assert figures.survey.unknown_tables == ["it's `old`` a", "users.bak"]
    assert figures.survey.unknown_columns == ["rewards.a`.b", "users.rewards_groups.created_on", "prizes_options.a.b"]
    assert figures.left_behind["users.bak"] == 2
    assert new.value("SELECT content ->> 'a.b' FROM migration_rejects WHERE table_name = 'prizes_options'") == "ñ€"
    assert new.value("SELECT content ->> 'a`.b' FROM migration_rejects WHERE table_name = 'rewards'") == "ñ"
    assert differences(legacy, new) == []
    found, expected = new.dump(), sample.new.dump()
    assert {table for table in found if found[table] != expected[table]} == {"migration_rejects"}


def test_case_of_columns_does_not_matter(sample: Migrated, legacy: Legacy, new: New) -> None:
    legacy.run(
        "ALTER TABLE users CHANGE u_id U_ID INT UNSIGNED NOT NULL AUTO_INCREMENT, CHANGE email Email VARCHAR(255) NOT NULL,"
        " CHANGE sbm_account SBM_Account VARCHAR(23)",
        "ALTER TABLE rewards_groups CHANGE created_on CREATED_ON DATETIME NOT NULL, CHANGE rewards_id Rewards_Id INT UNSIGNED NOT NULL",
        "ALTER TABLE prizes CHANGE sort_order Sort_Order FLOAT NOT NULL DEFAULT 0",
        "ALTER TABLE divisions CHANGE division_cd DIVISION_CD VARCHAR(5) NOT NULL",
        "ALTER TABLE prizes_redemptions CHANGE dob DOB DATE, CHANGE passport_number Passport_Number VARCHAR(30)",
    )

    figures = migrate(legacy, new, strict=True)

    assert figures.survey.unknown_columns == []
    assert new.dump() == sample.new.dump()
    assert differences(legacy, new) == []


def test_table_in_another_case_is_named_with_the_remedy(legacy: Legacy, new: New) -> None:
    ((folds,),) = legacy.rows("SELECT @@lower_case_table_names")
    assert folds == 0
    legacy.run("RENAME TABLE users TO Users")

    for attempt in (lambda: planned(legacy), lambda: migrate(legacy, new)):
        with pytest.raises(MigrationError, match=r"table users is missing.*RENAME TABLE `Users` TO `users`"):
            attempt()

    legacy.run("RENAME TABLE `Users` TO `users`")
    migrate(legacy, new)
    assert differences(legacy, new) == []


@pytest.fixture
def reader(legacy: Legacy) -> Iterator[str]:
    """A user who may read one table."""
    user = f"'reader_{legacy.name}'@'127.0.0.1'"
    with closing(legacy.server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE USER {user} IDENTIFIED BY 'secret'")
        cursor.execute(f"GRANT SELECT ON {legacy.name}.divisions TO {user}")
        yield user
        cursor.execute(f"DROP USER {user}")


def _grant(legacy: Legacy, user: str, *, besides: str = "") -> None:
    tables = [name for (name,) in legacy.rows("SHOW TABLES") if name != besides]
    legacy.run(*(f"GRANT SELECT ON {legacy.name}.{name} TO {user}" for name in tables))


@pytest.mark.parametrize(
    ("right", "told"),
    [
        ("", r"SELECT command denied to user .* for table .*users"),
        ("GRANT INSERT ON {0}.users TO {1}", r"SELECT command denied to user .* for (table|column)"),
        ("GRANT SELECT (u_id, email) ON {0}.users TO {1}", r"SELECT command denied to user .* for column"),
    ],
)
def test_table_that_the_reader_may_not_read_is_told_as_that(
    legacy: Legacy, new: New, reader: str, right: str, told: str
) -> None:
    _grant(legacy, reader, besides="users")
    if right:
        legacy.run(right.format(legacy.name, reader))
    address = f"mysql://reader_{legacy.name}:secret@127.0.0.1:{legacy.server.port}/{legacy.name}"

    for attempt in (lambda: planned(address), lambda: migrate(address, new)):
        with pytest.raises(
            MigrationError, match=f"this user may not read all of the legacy database: {told}.*GRANT SELECT"
        ):
            attempt()

    legacy.run(f"GRANT SELECT ON {legacy.name}.users TO {reader}")
    migrate(address, new)
    assert differences(legacy, new) == []
