"""A second run after the legacy database changed: a rehearsal on Friday, the cut-over on Sunday."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from api.core.encryption import FieldCipher, new_key
from api.users.passwords import hash_password
from migration.errors import MigrationError
from migration.map import TABLES
from tests.integration.migration.databases import CIPHER, KEY, Legacy, New, differences, migrate, planned, rewards

REDEMPTION = (
    "INSERT INTO prizes_redemptions SELECT {key}, prb_id, u_id, {group}, prize_id, po_id, {points}, cost_sbm, cost_src, cost_grp, cost_wwc,"
    " 'Later', NULL, NULL, '1960-01-01', NULL, NULL, NULL, 'P9', NULL, NULL, NULL, NULL, NULL, NULL, 'M', 1, '2020-01-02 00:00:00'"
    " FROM prizes_redemptions WHERE pr_id = 1"
)
WEEKEND = (
    # Added.
    "INSERT INTO rewards_groups VALUES (20, 'Newcomers', 'open', '2020-01-01 00:00:00')",
    "INSERT INTO rewards VALUES (20, 20, 'M-2000', '2020-01-01 00:00:00')",
    REDEMPTION.format(key=50, group=12, points=700),
    # Changed: what a row is worth, whose it is, when it was, what it is about, and what has no entry.
    "UPDATE prizes_redemptions SET points = 41000 WHERE pr_id = 3",
    "UPDATE points_adjustments SET rewards_id = 20 WHERE pa_id = 2",
    "UPDATE points_adjustments SET division_cd = 'SBM', created_on = '2016-02-02 00:00:00' WHERE pa_id = 1",
    "UPDATE property_development_points SET lot = '15' WHERE pdp_id = 1",
    "UPDATE users SET name = 'Joseph', email = 'joseph@wasatch.example' WHERE u_id = 2",
    "UPDATE users SET password_hash = REPEAT('f', 64), password_salt = 'f0f0' WHERE u_id = 3",
    "UPDATE prizes_redemptions SET passport_number = 'P7654321' WHERE pr_id = 2",
    "UPDATE prizes_redemptions SET dob = '1980-02-02' WHERE pr_id = 1",
    # Deleted: with an entry, without one, and refused from now on, since its user is gone.
    "DELETE FROM property_development_points WHERE pdp_id = 2",
    "DELETE FROM rewards_favorites WHERE rewards_id = 12",
    "DELETE FROM rewards WHERE r_id = 5",
    "UPDATE prizes_redemptions SET u_id = 401 WHERE pr_id = 1",
)
MAPPED = tuple(table.new for table in TABLES)
BALANCES = "SELECT reward_group_id, company, kind, sum(delta) FROM point_entries GROUP BY 1, 2, 3 HAVING sum(delta) <> 0 ORDER BY 1, 2, 3"


def _refused(legacy: Legacy, new: New, pattern: str, *, catch_up: bool = False) -> str:
    """A plan and a run stop for the same reason, and leave everything as it was."""
    before = new.dump(besides=())
    attempts: tuple[Callable[[], object], ...] = (
        lambda: planned(legacy, new, catch_up=catch_up),
        lambda: migrate(legacy, new, catch_up=catch_up),
    )
    told = ""
    for attempt in attempts:
        with pytest.raises(MigrationError, match=pattern) as stopped:
            attempt()
        told = str(stopped.value)
        assert "Postgres" not in told
        assert new.dump(besides=()) == before
    return told


def test_second_run_after_changes_names_them_and_writes_nothing(legacy: Legacy, new: New) -> None:
    migrate(legacy, new)
    legacy.run(*WEEKEND)

    told = _refused(legacy, new, "the legacy database is not what it was at the last run: .*--catch-up")

    for said in (
        "table rewards_groups: 1 added (20)",
        "table rewards: 1 added (20), 1 deleted (5)",
        "table users: 2 changed (2, 3)",
        "table rewards_favorites: 1 deleted (1,12)",
        "table prizes_redemptions: 1 added (50), 2 changed (2, 3), 1 deleted (1)",
        "table property_development_points: 1 changed (1), 1 deleted (2)",
        "table points_adjustments: 2 changed (1, 2)",
    ):
        assert said in told
    assert "P7654321" not in told


@pytest.mark.every_server
def test_catching_up_gives_what_a_first_run_would_have_given(legacy: Legacy, new: New, another_new: New) -> None:
    migrate(legacy, new)
    legacy.run(*WEEKEND)
    entries = new.rows("SELECT e::text FROM point_entries AS e ORDER BY id")
    planned(legacy, new, catch_up=True)

    figures = migrate(legacy, new, catch_up=True)

    migrate(legacy, another_new)
    found, expected = new.dump(), another_new.dump()
    for table in (*MAPPED, "migration_findings", "migration_rejects", "migration_rows"):
        assert found[table] == expected[table], table
    assert new.rows(BALANCES) == another_new.rows(BALANCES)
    assert new.rows("SELECT e::text FROM point_entries AS e ORDER BY id")[: len(entries)] == entries
    assert differences(legacy, new) == []
    told = {t.old: (t.written, t.changed, t.deleted) for t in figures.tables if t.written + t.changed + t.deleted}
    assert told["prizes_redemptions"] == (1, 2, 1)
    assert told["points_adjustments"] == (0, 2, 0)
    before = new.dump()
    migrate(legacy, new)
    migrate(legacy, new, catch_up=True)
    assert new.dump() == before


def test_what_an_entry_said_is_taken_back_and_said_anew(legacy: Legacy, new: New) -> None:
    migrate(legacy, new)
    legacy.run("UPDATE prizes_redemptions SET points = 41000 WHERE pr_id = 3")

    migrate(legacy, new, catch_up=True)

    assert new.rows(
        "SELECT source_transaction, reward_group_id, kind, points_before, points_after, delta, effective_on::text, cause FROM point_entries"
        " WHERE source_transaction LIKE 'redemption 3%' ORDER BY id"
    ) == [
        ("redemption 3", 2, "redemption", 0, -42_000, -42_000, "2019-03-10", "redemption 3 of the legacy program"),
        (
            "redemption 3, correction 1", 2, "redemption", -42_000, 0, 42_000, "2019-03-10",
            "redemption 3 of the legacy program, taken back: it was changed or deleted there",
        ),
        (
            "redemption 3, correction 2", 2, "redemption", 0, -41_000, -41_000, "2019-03-10",
            "redemption 3 of the legacy program, as it was changed there",
        ),
    ]  # fmt: skip
    assert new.rows("SELECT count(*), sum(delta) FROM point_entries") == [
        (9, sum((1000, -2500, 25000, -500, -326_000, -41_000)))
    ]


def test_row_may_change_be_deleted_and_come_back(legacy: Legacy, new: New) -> None:
    migrate(legacy, new)
    row = legacy.rows("SELECT * FROM points_adjustments WHERE pa_id = 2")
    for statement, points in (
        ("UPDATE points_adjustments SET points = -2400 WHERE pa_id = 2", -2400),
        ("DELETE FROM points_adjustments WHERE pa_id = 2", 0),
        (
            "INSERT INTO points_adjustments VALUES (2, 3, NULL, 'Wrongly credited twice', -2500, 1, '2016-01-02 00:00:00')",
            -2500,
        ),
        ("UPDATE points_adjustments SET points = -1 WHERE pa_id = 2", -1),
    ):
        legacy.run(statement)

        migrate(legacy, new, catch_up=True)

        assert new.value("SELECT coalesce(sum(delta), 0) FROM point_entries WHERE reward_group_id = 3") == points
        assert differences(legacy, new) == []
    assert row


def test_what_the_new_system_changed_since_stays_and_is_named(legacy: Legacy, new: New) -> None:
    migrate(legacy, new)
    new.run(
        "UPDATE reward_groups SET name = 'Wasatch' WHERE id = 1; DELETE FROM reward_favorites WHERE reward_group_id = 12"
    )
    changes = (hash_password("hunter2"),)
    new.run("UPDATE users SET password_hash = %s, password_salt = NULL, password_expired = false WHERE id = 3", changes)
    before = new.dump()

    for catch_up in (False, True):
        figures = migrate(legacy, new, catch_up=catch_up)

        assert {t.old: t.own_keys for t in figures.tables if t.own} == {
            "rewards_groups": ("1",),
            "rewards_favorites": ("1,12",),
        }
        assert new.dump() == before
    told = rewards("report", new=new).stdout
    assert "rewards_groups: 1 rows were changed or removed in the new system since the last run, and stay so: 1" in told


def test_password_that_was_replaced_stays_though_the_user_changed_there(legacy: Legacy, new: New) -> None:
    migrate(legacy, new)
    replaced = hash_password("hunter2")
    new.run("UPDATE users SET password_hash = %s, password_salt = NULL WHERE id = 3", (replaced,))
    legacy.run("UPDATE users SET name = 'Mary', password_hash = REPEAT('f', 64) WHERE u_id = 3")

    migrate(legacy, new, catch_up=True)

    assert new.rows("SELECT name, password_hash, password_salt FROM users WHERE id = 3") == [("Mary", replaced, None)]
    assert differences(legacy, new) == []


def test_row_that_both_sides_changed_stops_everything_and_is_named(legacy: Legacy, new: New) -> None:
    migrate(legacy, new)
    new.run(
        "UPDATE reward_groups SET name = 'Wasatch' WHERE id = 1; DELETE FROM reward_favorites WHERE reward_group_id = 12"
    )
    new.run("UPDATE customers SET name = 'Mine' WHERE id = 'BT-000101'; UPDATE prizes SET title = 'Mine' WHERE id = 4")
    legacy.run(
        "UPDATE rewards_groups SET rewards_name = 'Framing', rewards_status = 'hold' WHERE rewards_id = 1",
        "DELETE FROM prizes WHERE prize_id = 4",
        "UPDATE customers SET customer_name = 'Theirs' WHERE customer_id = 'BT-000102'",
    )

    told = _refused(
        legacy, new, "table rewards_groups, key 1, column rewards_name, rewards_status: the row was changed .* and in the new one",
        catch_up=True,
    )  # fmt: skip

    assert "table prizes, key 4, column the whole row: the row was changed" in told
    assert "BT-000101" not in told

    # The remedy: the same values on both sides.
    legacy.run("UPDATE rewards_groups SET rewards_name = 'Wasatch', rewards_status = 'open' WHERE rewards_id = 1")
    new.run("DELETE FROM prizes WHERE id = 4")
    migrate(legacy, new, catch_up=True)

    assert {(table, key) for table, key, _ in differences(legacy, new)} == {
        ("customers", "BT-000101"),
        ("reward_favorites", "1,12"),
    }


def test_rows_may_take_each_others_place(legacy: Legacy, new: New) -> None:
    migrate(legacy, new)
    legacy.run(
        "DELETE FROM rewards WHERE r_id IN (1, 2)",
        "INSERT INTO rewards VALUES (30, 1, 'M-1002', '2011-01-15 08:00:00'), (31, 2, 'M-1001', '2012-06-30 23:59:59')",
        "DELETE FROM users WHERE u_id = 8",
        "INSERT INTO users VALUES (30, 12, 4, 'joe@unicode.example', 'J', 'h', 's', 0, 0, NULL, NULL, NULL, 1, '2020-01-01 00:00:00')",
    )

    migrate(legacy, new, catch_up=True)

    assert differences(legacy, new) == []


def test_row_that_the_new_system_needs_is_not_deleted_and_the_reason_is_told(legacy: Legacy, new: New) -> None:
    migrate(legacy, new)
    new.run(
        "INSERT INTO prize_redemptions (user_id, reward_group_id, prize_id, prize_option_id, points) VALUES (8, 1, 1, 1, 50)"
    )
    legacy.run("DELETE FROM users WHERE u_id = 8")
    before, schema = new.dump(besides=()), new.schema()

    with pytest.raises(
        MigrationError,
        match=r"table prize_redemptions .*\(fk_prize_redemptions_user_id_users\): .*\(8\).*Nothing of this run stays",
    ):
        migrate(legacy, new, catch_up=True)

    assert new.dump(besides=()) == before
    assert new.schema() == schema


def test_details_under_another_key_are_the_same(legacy: Legacy, new: New) -> None:
    migrate(legacy, new)
    both = FieldCipher.from_setting(f"{new_key()},{KEY}")
    before = new.dump()

    figures = migrate(legacy, new, cipher=both)

    assert sum(table.written + table.changed + table.own for table in figures.tables) == 0
    assert new.dump(besides=("migration_runs", "migration_findings")) == {
        table: rows for table, rows in before.items() if table != "migration_findings"
    }


def test_details_whose_key_is_lost_are_brought_back(legacy: Legacy, new: New) -> None:
    migrate(legacy, new)
    other = FieldCipher.from_setting(new_key())
    with pytest.raises(MigrationError, match=r"table prizes_redemptions: 2 changed \(2, 3\)"):
        migrate(legacy, new, cipher=other)

    migrate(legacy, new, cipher=other, catch_up=True)

    stored = new.value("SELECT passport_number FROM prize_redemptions WHERE id = 2")
    assert other.decrypt(stored, "prize_redemptions.passport_number 2") == "P1234567"
    migrate(legacy, new, cipher=CIPHER, catch_up=True)
    assert differences(legacy, new) == []


def test_commands_say_what_changed_and_catch_up(legacy: Legacy, new: New) -> None:
    assert rewards("run", legacy=legacy, new=new).returncode == 0
    legacy.run(*WEEKEND)

    for command in ("plan", "run"):
        refused = rewards(command, legacy=legacy, new=new)
        assert refused.returncode == 1
        assert "table users: 2 changed (2, 3)" in refused.stderr
        assert "Traceback" not in refused.stderr
    for command in ("plan", "run"):
        done = rewards(command, "--catch-up", legacy=legacy, new=new)
        assert done.returncode == 0, done
        assert "prizes_redemptions: 2 rows changed and 1 deleted as in the legacy database" in done.stdout
    assert rewards("verify", legacy=legacy, new=new).returncode == 0
