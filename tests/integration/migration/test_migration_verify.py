"""What a verification finds: one byte more or less, on either side."""

from __future__ import annotations

import pytest

from api.core.encryption import FieldCipher, new_key
from api.users.passwords import hash_password
from migration import verify as verification
from migration.comparison import SHOWN
from migration.errors import MigrationError
from tests.integration.migration.conftest import Migrated
from tests.integration.migration.databases import OPTIONS, Legacy, New, compared, differences, migrate

ENTRY = (
    "INSERT INTO point_entries (reward_group_id, kind, points_before, points_after, delta, effective_on, cause, source_transaction,"
    " facts) VALUES (1, '{kind}', 0, 5, 5, '2026-01-01', '{cause}', '{kind} {number}', '{{}}')"
)


@pytest.mark.parametrize(
    ("statement", "table", "key", "what"),
    [
        ("UPDATE customers SET name = name || ' ' WHERE id = 'BT-000101'", "customers", "BT-000101", "name is 'Wasatch Framing '"),
        ("UPDATE customers SET name = 'Perez Concrete' WHERE id = 'BT-000105'", "customers", "BT-000105", "'Perez Concrete'"),
        ("UPDATE customers SET division_id = 2 WHERE id = 'BT-000104'", "customers", "BT-000104", "division_id is 2"),
        ("UPDATE divisions SET sort_order = 7 WHERE code = 'GRP'", "divisions", "3", "sort_order is 7 instead of 3"),
        ("UPDATE reward_groups SET status = 'hold' WHERE id = 1", "reward_groups", "1", "status is 'hold'"),
        ("UPDATE reward_groups SET enrolled_at = enrolled_at + interval '1 second' WHERE id = 3", "reward_groups", "3", "enrolled_at"),
        ("UPDATE customers_reward_groups SET enrolled_at = '2014-03-10' WHERE id = 3", "customers_reward_groups", "3", "enrolled_at"),
        ("UPDATE users SET password_hash = 'x' || substr(password_hash, 2) WHERE id = 2", "users", "2", "password_hash"),
        ("UPDATE users SET password_salt = NULL WHERE id = 2", "users", "2", "password_salt"),
        ("UPDATE users SET password_hash = '$argon2id$' WHERE id = 2", "users", "2", "password_hash"),
        ("UPDATE users SET terms_conditions_accepted_at = now() WHERE id = 3", "users", "3", "terms_conditions_accepted_at"),
        ("UPDATE prize_options SET dollar_value = 1499.98 WHERE id = 3", "prize_options", "3", "dollar_value"),
        ("UPDATE prize_options SET expires_on = '2020-12-01' WHERE id = 4", "prize_options", "4", "expires_on"),
        ("UPDATE prize_redemptions SET description = replace(description, E'\\r', '')", "prize_redemptions", "1", "description"),
        ("UPDATE prize_redemptions SET cost_grp = 0 WHERE id = 3", "prize_redemptions", "3", "cost_grp"),
        ("UPDATE prize_redemptions SET gender = '' WHERE id = 2", "prize_redemptions", "2", "gender is '' instead of None"),
        ("UPDATE property_development_points SET lot = NULL WHERE id = 2", "property_development_points", "2", "lot is None"),
        # Ciphertext: another byte, another row's, none, and where none was.
        (
            "UPDATE prize_redemptions SET passport_number = set_byte(passport_number, 25, get_byte(passport_number, 25) # 1) WHERE id = 2",
            "prize_redemptions", "2", "passport_number differs",
        ),
        (
            "UPDATE prize_redemptions SET birthdate = set_byte(birthdate, 0, 2) WHERE id = 3",
            "prize_redemptions", "3", "birthdate differs",
        ),
        (
            "UPDATE prize_redemptions SET passport_number = (SELECT passport_number FROM prize_redemptions WHERE id = 2) WHERE id = 1",
            "prize_redemptions", "1", "passport_number differs",
        ),
        ("UPDATE prize_redemptions SET passport_number = NULL WHERE id = 2", "prize_redemptions", "2", "passport_number differs"),
        ("UPDATE prize_redemptions SET passport_number = ''::bytea WHERE id = 2", "prize_redemptions", "2", "passport_number differs"),
        # Entries.
        ("DELETE FROM point_entries WHERE source_transaction = 'redemption 3'", "prize_redemptions", "3", "entry's delta is None"),
        (
            "UPDATE point_entries SET delta = -41999, points_after = -41999 WHERE source_transaction = 'redemption 3'",
            "prize_redemptions", "3", "entry's delta is -41999 instead of -42000",
        ),
        ("UPDATE point_entries SET reward_group_id = 3 WHERE id = 1", "point_adjustments", "1", "entry's reward_group_id"),
        ("UPDATE point_entries SET company = 'SBM' WHERE id = 1", "point_adjustments", "1", "entry's company"),
        ("UPDATE point_entries SET kind = 'forfeiture' WHERE id = 1", "point_adjustments", "1", "entry's kind"),
        ("UPDATE point_entries SET effective_on = effective_on + 1 WHERE id = 5", "prize_redemptions", "1", "entry's effective_on"),
        ("UPDATE point_entries SET recorded_at = now() WHERE id = 5", "prize_redemptions", "1", "entry's recorded_at"),
        ("UPDATE point_entries SET facts = '{}' WHERE id = 5", "prize_redemptions", "1", "'title'"),
        ("UPDATE point_entries SET facts = jsonb_set(facts, '{title}', '\"\"') WHERE id = 5", "prize_redemptions", "1", "'title'"),
        (
            ENTRY.format(kind="redemption", number=77, cause="redemption 77 of the legacy program"),
            "prize_redemptions", "redemption 77", "an entry of the log without a row",
        ),
        # Rows too many, rows too few, and what was refused.
        ("INSERT INTO reward_favorites VALUES (2, 7)", "reward_favorites", "2,7", "not in the legacy database"),
        (
            "INSERT INTO prize_redemptions (id, user_id, reward_group_id, prize_id, prize_option_id, points) VALUES (9, 2, 1, 1, 1, 6000)",
            "prize_redemptions", "9", "not in the legacy database",
        ),
        ("INSERT INTO reward_groups (id, name) VALUES (8, 'x')", "reward_groups", "8", "not in the legacy database"),
        ("INSERT INTO divisions (id, code, name, sort_order) VALUES (7, 'X', 'x', 7)", "divisions", "7", "not in the legacy database"),
        ("INSERT INTO customers (id, code) VALUES ('aa', 'x')", "customers", "aa", "not in the legacy database"),
        ("INSERT INTO customers (id, code) VALUES ('BT-0001015', 'x')", "customers", "BT-0001015", "not in the legacy database"),
        ("DELETE FROM customers WHERE id = 'VI-000077'", "customers", "VI-000077", "missing"),
        ("DELETE FROM reward_favorites WHERE reward_group_id = 12", "reward_favorites", "1,12", "missing"),
        (
            "DELETE FROM migration_rejects WHERE table_name = 'prizes_redemptions'",
            "prize_redemptions: refused rows", "9", "missing",
        ),
        (
            "INSERT INTO migration_rejects VALUES ('users', '8', '{}', 'mine')", "users: refused rows", "8", "not refused by the rules",
        ),
    ],
)  # fmt: skip
def test_change_of_the_new_database_is_named(
    sample: Migrated, migrated: New, statement: str, table: str, key: str, what: str
) -> None:
    migrated.run(statement)

    ((found_table, found_key, found_what),) = differences(sample.legacy, migrated)

    assert (found_table, found_key) == (table, key)
    assert what in found_what


@pytest.mark.parametrize(
    ("statement", "table", "key", "what"),
    [
        ("UPDATE customers SET customer_name = 'Wasatch  Framing' WHERE customer_id = 'BT-000101'", "customers", "BT-000101", "name"),
        ("UPDATE rewards_groups SET created_on = '2011-01-15 08:00:01' WHERE rewards_id = 1", "reward_groups", "1", "enrolled_at"),
        ("UPDATE users SET password_expired = 1 WHERE u_id = 2", "users", "2", "password_expired is False instead of True"),
        ("UPDATE prizes_redemptions SET dob = '1975-07-05' WHERE pr_id = 3", "prize_redemptions", "3", "birthdate differs"),
        ("UPDATE prizes_redemptions SET description = 'First line\\nsecond line' WHERE pr_id = 1", "prize_redemptions", "1", "description"),
        ("UPDATE prizes_redemptions SET created_on = '2019-03-10 03:30:01' WHERE pr_id = 3", "prize_redemptions", "3", "created_at"),
        ("INSERT INTO rewards_favorites VALUES (2, 1)", "reward_favorites", "2,1", "missing"),
        ("DELETE FROM points_adjustments WHERE pa_id = 1", "point_adjustments", "1", "not in the legacy database"),
        ("DELETE FROM points_adjustments WHERE pa_id = 2", "point_adjustments", "2", "not in the legacy database"),
        ("DELETE FROM rewards WHERE r_id = 6", "customers_reward_groups: refused rows", "6", "not refused by the rules"),
    ],
)  # fmt: skip
def test_change_of_the_legacy_database_is_named(
    sample: Migrated, legacy: Legacy, statement: str, table: str, key: str, what: str
) -> None:
    legacy.run(statement)

    ((found_table, found_key, found_what),) = differences(legacy, sample.new)

    assert (found_table, found_key) == (table, key)
    assert what in found_what


def test_personal_details_are_no_part_of_what_differs(sample: Migrated, migrated: New, legacy: Legacy) -> None:
    legacy.run("UPDATE prizes_redemptions SET dob = '1969-07-20', passport_number = 'P7654321' WHERE pr_id = 2")

    told = str(differences(legacy, migrated))

    assert "birthdate differs; passport_number differs" in told
    assert [detail for detail in ("1969", "7654321", "1234567") if detail in told] == []


def test_password_hashes_are_no_part_of_what_differs(sample: Migrated, migrated: New) -> None:
    migrated.run("UPDATE users SET password_hash = 'swordfish', password_salt = 'pepper' WHERE id = 2")
    ((stored,),) = sample.new.rows("SELECT password_hash FROM users WHERE id = 2")

    ((_, _, what),) = differences(sample.legacy, migrated)

    assert "password_hash differs" in what
    assert [secret for secret in (stored, "b2b2", "swordfish", "pepper") if secret in what] == []


def test_many_differences_are_counted_and_the_first_named(legacy: Legacy, new: New) -> None:
    rows = [
        {"rewards_id": 100 + n, "rewards_name": f"Group {n}", "created_on": "2015-01-01 00:00:00"} for n in range(60)
    ]
    legacy.insert("rewards_groups", rows)
    migrate(legacy, new)
    new.run("UPDATE reward_groups SET name = 'All the same' WHERE id >= 100")

    groups = next(comparison for comparison in compared(legacy, new) if comparison.name == "reward_groups")

    assert groups.differing == 60
    assert [difference.key for difference in groups.differences] == [str(100 + n) for n in range(SHOWN)]
    assert groups.digest_expected != groups.digest_found


def test_user_who_has_signed_in_is_compared_but_for_the_password(sample: Migrated, migrated: New) -> None:
    values = (hash_password("hunter2"),)
    migrated.run(
        "UPDATE users SET password_hash = %s, password_salt = NULL, password_expired = false WHERE id = 3", values
    )

    assert differences(sample.legacy, migrated) == []
    users = next(comparison for comparison in compared(sample.legacy, migrated) if comparison.name == "users")
    assert (users.replaced, users.rows_found, users.same) == (1, 5, True)

    migrated.run("UPDATE users SET name = 'Maria' WHERE id = 3")

    ((table, key, what),) = differences(sample.legacy, migrated)
    assert (table, key) == ("users", "3")
    assert "name is 'Maria'" in what
    assert "password" not in what


def test_entries_of_the_new_program_are_nobodys_business(sample: Migrated, migrated: New) -> None:
    migrated.run(ENTRY.format(kind="adjustment", number=90, cause="adjustment 90 by Admin"))

    assert differences(sample.legacy, migrated) == []


def test_rows_of_the_new_program_are_counted_and_not_compared(sample: Migrated, migrated: New) -> None:
    migrated.run("INSERT INTO reward_groups (name) VALUES ('New'), ('Newer')")
    migrated.run("INSERT INTO point_adjustments (reward_group_id, points) VALUES (13, 5)")
    migrated.run(ENTRY.format(kind="adjustment", number=3, cause="adjustment 3 by Admin"))

    found = compared(sample.legacy, migrated)

    assert [comparison.name for comparison in found if not comparison.same] == []
    assert {comparison.name: comparison.own for comparison in found if comparison.own} == {
        "reward_groups": 2,
        "point_adjustments": 1,
    }


def test_values_under_an_older_key_are_the_same_and_under_a_lost_one_differ(sample: Migrated, migrated: New) -> None:
    newer = new_key()
    both = FieldCipher.from_setting(f"{newer},{'Q' * 86}")
    for cipher, same in ((both, True), (FieldCipher.from_setting(newer), False)):
        found = verification.verify(
            sample.legacy.url, migrated.url, OPTIONS.zones, cipher, merge_emails=False, show=lambda _table, _rows: None
        )

        told = [(c.name, d.key) for c in found for d in c.differences]
        assert told == ([] if same else [("prize_redemptions", "2"), ("prize_redemptions", "3")])


def test_verification_changes_nothing_on_either_side(sample: Migrated) -> None:
    before, ids = sample.new.dump(besides=()), sample.new.next_ids()

    compared(sample.legacy, sample.new)

    assert sample.new.dump(besides=()) == before
    assert sample.new.next_ids() == ids


def test_verification_as_a_role_that_only_reads_is_possible(sample: Migrated) -> None:
    found = compared(sample.legacy, sample.new.postgres.url(sample.new.name, "rewards_app"))

    assert all(comparison.same for comparison in found)


def test_verification_without_a_server_says_so(sample: Migrated) -> None:
    with pytest.raises(MigrationError, match=r"sunroc_rewards does not answer"):
        compared(sample.legacy, "postgresql://rewards_owner@127.0.0.1:1/x")


def test_verification_of_a_legacy_database_that_lacks_a_table_says_so(legacy: Legacy, migrated: New) -> None:
    legacy.run("DROP TABLE rewards_favorites")

    with pytest.raises(MigrationError, match="rewards_favorites"):
        compared(legacy, migrated)
