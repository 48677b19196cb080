"""A new database that is not empty, and rows that would become one: named in the words of the legacy database, by the plan as well."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from migration.errors import MigrationError
from tests.integration.migration.databases import RUNS, Legacy, New, differences, migrate, planned


def _stopped(legacy: Legacy, new: New, pattern: str) -> str:
    """A plan and a run stop for the same reason, and leave everything as it was."""
    before, ids = new.dump(besides=()), new.next_ids()
    attempts: tuple[Callable[[], object], ...] = (lambda: planned(legacy, new), lambda: migrate(legacy, new))
    told = ""
    for attempt in attempts:
        with pytest.raises(MigrationError, match=pattern) as stopped:
            attempt()
        told = str(stopped.value)
        assert "Postgres" not in told
        assert new.dump(besides=()) == before
        assert new.next_ids() == ids
    return told


MINE = {
    "user_roles": "INSERT INTO user_roles (id, name, sort_order) VALUES (40, 'Mine', 40)",
    "reward_groups": "INSERT INTO reward_groups (id, name) VALUES (40, 'Mine')",
}

MEMBER = (
    "INSERT INTO customers_reward_groups (id, reward_group_id, customer_master_id, enrolled_at)"
    " VALUES (40, 40, 'M-1001', '2020-01-01')"
)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("INSERT INTO reward_groups (id, name) VALUES (1, 'Other company')", r"table rewards_groups, key 1, column rewards_name, "),
        ("INSERT INTO customers (id, code) VALUES ('BT-000101', 'mine')", r"table customers, key BT-000101, column customer_cd, "),
        (
            "INSERT INTO prizes (id, title, points_value_input, sort_order) VALUES (1, 'Gift card', true, 1), (3, 'Mine', false, 9)",
            r"table prizes, key 3, column prize_title, sort_order: ",
        ),
        ("INSERT INTO divisions VALUES (40, 'GRP', 'Mine', 3)", r"table divisions, key GRP, column division_name"),
        # Another row under the same unique value.
        (
            "INSERT INTO user_roles (id, name, sort_order) VALUES (40, 'Customer', 40)",
            r"table user_roles, key 4, column role_name: row 40 of user_roles",
        ),
        (
            f"{MINE['user_roles']}; INSERT INTO users (id, role_id, email, password_hash) VALUES (40, 40, 'JOE@wasatch.example', 'x')",
            r"table users, key 2, column email: row 40 of users",
        ),
        (
            f"{MINE['reward_groups']}; {MEMBER}",
            r"table rewards, key 1, column master_acct_id: row 40 of customers_reward_groups",
        ),
    ],
)  # fmt: skip
def test_row_that_no_run_has_put_there_stops_the_load_and_is_named(
    legacy: Legacy, new: New, statement: str, told: str
) -> None:
    new.run(statement)

    _stopped(legacy, new, told)


def test_user_that_stands_there_under_a_legacy_number_is_not_taken_for_the_legacy_one(legacy: Legacy, new: New) -> None:
    new.run(
        "INSERT INTO user_roles (id, name, sort_order) VALUES (4, 'Customer', 4);"
        " INSERT INTO users (id, role_id, email, password_hash, password_salt) VALUES (2, 4, 'eve@example.com', 'eve', 'salt')"
    )

    told = _stopped(legacy, new, r"table users, key 2, column rewards_id, email, name, ")

    for secret in ("eve@example.com", "'eve'", "salt'"):
        assert secret not in told


def test_all_that_stands_in_the_way_is_named_at_once(legacy: Legacy, new: New) -> None:
    new.run("INSERT INTO reward_groups (id, name) VALUES (1, 'Other'), (3, 'Other'), (7, 'Other')")
    new.run("INSERT INTO customers (id, code) SELECT 'BT-00010' || n, 'mine' FROM generate_series(1, 5) AS n")

    told = _stopped(
        legacy, new, "table rewards_groups, key 1, .*table rewards_groups, key 7, .*table customers, key BT-000101, "
    )

    assert "and 3 more" in told


def test_row_that_is_given_the_legacy_values_no_longer_stands_in_the_way(legacy: Legacy, new: New) -> None:
    new.run("INSERT INTO reward_groups (id, name, enrolled_at) VALUES (1, 'Other', '2011-01-15 15:00:00+00')")
    _stopped(legacy, new, "rewards_groups, key 1, column rewards_name: .*give it the same values")

    new.run("UPDATE reward_groups SET name = 'Wasatch Framing'")
    migrate(legacy, new)

    assert differences(legacy, new) == []


def test_row_that_is_given_another_number_no_longer_stands_in_the_way(legacy: Legacy, new: New) -> None:
    new.run("INSERT INTO reward_groups (id, name) VALUES (1, 'Other')")
    _stopped(legacy, new, "rewards_groups, key 1, .*give it another key")

    new.run("UPDATE reward_groups SET id = 40")
    planned(legacy, new)
    migrate(legacy, new)

    assert differences(legacy, new) == []
    assert new.value("SELECT name FROM reward_groups WHERE id = 40") == "Other"
    assert new.next_ids()["reward_groups_id_seq"] == 41


def test_rows_of_the_new_system_get_no_entries_of_the_legacy_program(legacy: Legacy, new: New) -> None:
    migrate(legacy, new)
    values = "(user_id, reward_group_id, prize_id, prize_option_id, points) VALUES (2, 1, 1, 1, 50)"
    redemption = new.value(f"INSERT INTO prize_redemptions {values} RETURNING id")
    before = new.rows("SELECT e::text FROM point_entries AS e ORDER BY id")

    migrate(legacy, new)
    migrate(legacy, new, catch_up=True)

    assert redemption == 10
    assert new.rows("SELECT e::text FROM point_entries AS e ORDER BY id") == before


def test_rows_of_an_older_version_that_are_the_same_are_taken_for_the_legacy_ones(
    legacy: Legacy, migrated: New
) -> None:
    """A run of before this was known left no trace of its rows."""
    before = migrated.dump(besides=(RUNS, "migration_rows"))
    migrated.run("DELETE FROM migration_row_blocks")

    migrate(legacy, migrated)

    assert migrated.dump(besides=(RUNS, "migration_rows")) == before
    assert migrated.value("SELECT count(*) FROM migration_rows WHERE NOT added") == 52


BIN = "CHARACTER SET latin1 COLLATE latin1_bin"


@pytest.mark.every_server
@pytest.mark.parametrize(
    ("statements", "told"),
    [
        (["UPDATE customers SET customer_id = 'é1' WHERE customer_id = 'BT-000101'",
          "UPDATE customers SET customer_id = 'Ã©1' WHERE customer_id = 'BT-000102'"],
         r"table customers, keys .*é1, column customer_id: both are 'é1'"),
        (["UPDATE customers SET customer_id = CONCAT('BT-000101', CHAR(0)) WHERE customer_id = 'BT-000102'"],
         "table customers, keys BT-000101 and BT-000101, column customer_id: both are 'BT-000101'"),
        (["ALTER TABLE customers DROP PRIMARY KEY", "UPDATE customers SET customer_id = 'BT-000101' WHERE customer_id = 'BT-000102'"],
         r"table customers, column customer_id: these keys stand there more than once: BT-000101 \(2 rows\)"),
        (["ALTER TABLE rewards_favorites DROP PRIMARY KEY", "INSERT INTO rewards_favorites VALUES (1, 12)"],
         r"table rewards_favorites, column u_id, rewards_id: .*: 1,12 \(2 rows\)"),
        (["ALTER TABLE prizes_redemptions MODIFY pr_id INT UNSIGNED NOT NULL", "ALTER TABLE prizes_redemptions DROP PRIMARY KEY",
          "UPDATE prizes_redemptions SET pr_id = 1 WHERE pr_id = 3"],
         r"table prizes_redemptions, column pr_id: these keys stand there more than once: 1 \(2 rows\)"),
        ([f"ALTER TABLE divisions MODIFY division_cd VARCHAR(5) {BIN} NOT NULL", "INSERT INTO divisions VALUES ('sbm', 'x', 9)"],
         r"table divisions, keys (SBM and sbm|sbm and SBM), column division_cd: both are 'sbm'"),
        (["ALTER TABLE user_roles MODIFY role_name VARCHAR(60) NOT NULL", "UPDATE user_roles SET role_name = 'Customer' WHERE role_id = 3"],
         "table user_roles, keys 3 and 4, column role_name: both are 'Customer'"),
        (["ALTER TABLE prizes MODIFY prize_id BIGINT NOT NULL", f"INSERT INTO prizes VALUES ({2**63 - 1}, 'x', 0, 1)"],
         f"table prizes, key {2**63 - 1}, column prize_id: there is no number after it"),
        (["ALTER TABLE points_adjustments MODIFY points BIGINT NOT NULL", f"UPDATE points_adjustments SET points = {2**63 - 1}"],
         "table points_adjustments, key 1, column points: .*, and the points are too many"),
        (["ALTER TABLE prizes_redemptions MODIFY points BIGINT NOT NULL",
          f"UPDATE prizes_redemptions SET points = {-(2**63)} WHERE pr_id = 3"],
         "table prizes_redemptions, key 3, column points: .*, and the points are too many"),
    ],
)  # fmt: skip
def test_what_the_new_database_cannot_hold_is_named_by_the_plan_as_well(
    legacy: Legacy, new: New, statements: list[str], told: str
) -> None:
    legacy.run(*statements)
    before = new.dump(besides=())

    attempts: tuple[Callable[[], object], ...] = (lambda: planned(legacy), lambda: migrate(legacy, new))
    for attempt in attempts:
        with pytest.raises(MigrationError, match=told):
            attempt()

    assert new.dump(besides=()) == before
