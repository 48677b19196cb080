"""What becomes of the sample, value by value: every row of the table of dirt in migration.md."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from collections import Counter
from decimal import Decimal
from typing import Any

import httpx
import pytest

from migration.transform import finding_place, reject_place
from tests.integration.api.servers import Postgres, running_site
from tests.integration.migration.conftest import Migrated
from tests.integration.migration.databases import (
    CIPHER,
    Legacy,
    New,
    compared,
    differences,
    migrate,
    planned,
    postgres_log,
    rewards,
)


def _utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


NEVER = _utc("2011-01-01 07:00:00")
"""The first day of the program in Denver."""
VALUES: list[tuple[str, object, str, Any]] = [
    # Float sort orders become dense integers in the same order, and the divisions' ids.
    ("divisions", 1, "code", "SBM"),
    ("divisions", 2, "name", "Sunroc Corporation"),
    ("divisions", 3, "code", "GRP"),
    ("divisions", 3, "sort_order", 3),
    ("divisions", 4, "code", "WWC"),
    ("divisions", 4, "sort_order", 4),
    ("divisions", 6, "code", "DDF"),
    ("divisions", 6, "sort_order", 6),
    ("user_roles", 3, "sort_order", 3),
    ("user_roles", 4, "sort_order", 4),
    ("user_roles", 9, "sort_order", 5),
    ("user_roles", 9, "name", "No Access"),
    ("prizes", 1, "sort_order", 1),
    ("prizes", 2, "sort_order", 2),
    ("prizes", 3, "sort_order", 3),
    ("prizes", 4, "sort_order", 4),
    ("prize_options", 1, "sort_order", 1),
    ("prize_options", 4, "sort_order", 2),
    # latin1 is cp1252.
    ("reward_groups", 2, "name", "Peña & Sons"),
    ("reward_groups", 7, "name", "Old Mill \u2019€LLC"),
    ("reward_groups", 12, "name", "Ünïcode Homes"),
    ("prizes", 2, "title", "Las Vegas trip — 3 nights"),
    ("prizes", 3, "title", 'Cooler 45 qt (12" \u00d7 18")'),
    ("prizes", 4, "title", "Cash €™5"),
    ("prize_options", 4, "title", "Cancún, double room"),
    ("users", 8, "name", "Jöe"),
    ("prize_redemptions", 3, "name_first", "María"),
    ("prize_redemptions", 3, "name_last", "Peña"),
    ("prize_redemptions", 1, "name_last", "O'Neill"),
    # UTF-8 in latin1 is decoded once more. (The bytes say Peréz, whatever the sample's comment says.)
    ("customers", "BT-000105", "name", "Peréz Concrete"),
    # Moments of the legacy zone: winter, summer, left out by the clock, shown twice, zero.
    ("reward_groups", 1, "enrolled_at", _utc("2011-01-15 15:00:00")),
    ("reward_groups", 2, "enrolled_at", _utc("2012-07-01 05:59:59")),
    ("reward_groups", 3, "enrolled_at", _utc("2014-03-09 09:30:00")),
    ("reward_groups", 7, "enrolled_at", NEVER),
    ("reward_groups", 12, "enrolled_at", _utc("2019-11-03 07:30:00")),
    ("users", 1, "created_at", NEVER),
    ("users", 2, "created_at", _utc("2011-01-16 16:10:11")),
    ("users", 3, "created_at", NEVER),
    ("users", 5, "created_at", _utc("2013-03-10 09:15:00")),
    ("users", 8, "created_at", _utc("2019-11-03 07:30:00")),
    ("prize_redemption_batches", 1, "created_at", _utc("2019-01-01 00:00:00")),
    ("prize_redemptions", 1, "created_at", _utc("2018-12-01 19:00:00")),
    ("prize_redemptions", 3, "created_at", _utc("2019-03-10 09:30:00")),
    ("property_development_points", 1, "created_at", _utc("2017-06-01 16:00:00")),
    ("point_adjustments", 2, "created_at", _utc("2016-01-02 07:00:00")),
    # A membership begins on the day its group did.
    ("customers_reward_groups", 1, "enrolled_at", dt.date(2011, 1, 15)),
    ("customers_reward_groups", 2, "enrolled_at", dt.date(2012, 6, 30)),
    ("customers_reward_groups", 3, "enrolled_at", dt.date(2014, 3, 9)),
    ("customers_reward_groups", 4, "enrolled_at", dt.date(2011, 1, 1)),
    ("customers_reward_groups", 5, "enrolled_at", dt.date(2019, 11, 3)),
    ("customers_reward_groups", 4, "reward_group_id", 7),
    ("customers_reward_groups", 4, "customer_master_id", "M-1007"),
    # Zero and part-zero dates where there need be none.
    ("prize_options", 2, "expires_on", None),
    ("prize_options", 3, "expires_on", dt.date(2020, 12, 31)),
    ("prize_options", 4, "expires_on", None),
    ("prize_redemptions", 2, "birthdate", None),
    ("prize_redemptions", 2, "passport_issue_date", dt.date(2015, 5, 5)),
    ("prize_redemptions", 2, "passport_expiration_date", dt.date(2025, 5, 5)),
    ("prize_redemptions", 3, "passport_issue_date", None),
    ("prize_redemptions", 3, "passport_expiration_date", None),
    # Flags; the terms' moment only where the flag is set.
    ("users", 2, "password_expired", False),
    ("users", 3, "password_expired", True),
    ("users", 5, "password_expired", True),
    ("users", 1, "terms_conditions_accepted_at", NEVER),
    ("users", 2, "terms_conditions_accepted_at", _utc("2011-01-16 16:10:11")),
    ("users", 3, "terms_conditions_accepted_at", None),
    ("users", 5, "terms_conditions_accepted_at", _utc("2013-03-10 09:15:00")),
    ("prizes", 1, "points_value_input", True),
    ("prizes", 2, "points_value_input", False),
    ("prize_options", 4, "info_required", True),
    ("prize_options", 4, "international_info_required", True),
    ("prize_options", 3, "international_info_required", False),
    # Line ends, tabs, backslashes and \N are kept, and NUL is not.
    ("prize_redemptions", 1, "description", "First line\r\nsecond line"),
    ("prize_redemptions", 2, "description", "Tab\there, back\\slash, \\N, NUL:."),
    ("prize_redemptions", 3, "description", None),
    # ENUM ''.
    ("prize_redemptions", 1, "gender", "M"),
    ("prize_redemptions", 2, "gender", None),
    ("prize_redemptions", 3, "gender", "F"),
    # Statuses in lower case.
    ("reward_groups", 1, "status", "open"),
    ("reward_groups", 3, "status", "hold"),
    ("reward_groups", 7, "status", "closed"),
    ("reward_groups", 12, "status", "open"),
    ("customers", "BT-000102", "status", "H"),
    # References to nothing, to something, and missing ones.
    ("customers", "BT-000105", "division_id", None),
    ("customers", "BT-000104", "division_id", None),
    ("customers", "BT-000101", "division_id", 1),
    ("customers", "CM-000101", "division_id", 3),
    ("customers", "VI-000077", "division_id", 4),
    ("customers", "BT-000105", "customer_master_id", None),
    ("users", 5, "created_by_id", None),
    ("users", 2, "created_by_id", 1),
    ("users", 1, "reward_group_id", None),
    ("users", 8, "reward_group_id", 12),
    ("prize_redemptions", 1, "batch_id", 1),
    ("prize_redemptions", 3, "batch_id", None),
    ("prize_redemptions", 3, "reward_group_id", 2),
    ("prize_redemptions", 3, "prize_option_id", 5),
    ("prize_redemption_batches", 1, "created_by_id", 1),
    ("property_development_points", 2, "division_id", 2),
    ("point_adjustments", 1, "division_id", 3),
    ("point_adjustments", 2, "division_id", None),
    # Numbers.
    ("prize_options", 3, "dollar_value", Decimal("1499.99")),
    ("prize_redemptions", 1, "cost_wwc", Decimal("0.00")),
    ("prize_redemptions", 2, "cost_sbm", Decimal("749.99")),
    ("prize_redemptions", 3, "cost_grp", None),
    ("prize_redemptions", 2, "points", 320_000),
    ("prize_redemptions", 2, "qty", 2),
    ("property_development_points", 2, "points", -500),
    ("property_development_points", 2, "lot", ""),
    ("point_adjustments", 2, "points", -2500),
    # Passwords are kept until the first login.
    ("users", 1, "email", "Admin@Example.com"),
    ("users", 8, "email", "JOE@unicode.example"),
    ("users", 2, "password_hash", _sha256("b2b2pässwörd")),
    ("users", 2, "password_salt", "b2b2"),
    ("users", 5, "name", None),
    ("users", 5, "role_id", 9),
]

FINDINGS: list[tuple[str, str, str, str, bytes, str | None]] = [
    ("customers", "BT-000105", "customer_name", "double-encoding", b"Per\xc3\xa9z Concrete", "Peréz Concrete"),
    ("customers", "BT-000105", "division_cd", "dangling-reference", b"XXX", None),
    ("divisions", "DDF", "sort_order", "sort-order", b"5", "6"),
    ("divisions", "GRP", "sort_order", "sort-order", b"2.5", "3"),
    ("divisions", "SCI", "sort_order", "sort-order", b"4", "5"),
    ("divisions", "WWC", "sort_order", "sort-order", b"3", "4"),
    ("prizes", "2", "sort_order", "sort-order", b"1.5", "2"),
    ("prizes", "3", "sort_order", "sort-order", b"2", "3"),
    ("prizes", "4", "sort_order", "sort-order", b"9", "4"),
    ("prizes_options", "2", "option_expire_date", "zero-date", b"0000-00-00", None),
    ("prizes_options", "4", "option_expire_date", "zero-date", b"2020-12-00", None),
    (
        "prizes_redemptions",
        "2",
        "description",
        "nul",
        b"Tab\there, back\\slash, \\N, NUL:\0.",
        "Tab\there, back\\slash, \\N, NUL:.",
    ),
    ("prizes_redemptions", "2", "gender", "empty-enum", b"", None),
    ("prizes_redemptions", "3", "created_on", "missing-time", b"2019-03-10 02:30:00", "2019-03-10 09:30:00+00:00"),
    ("prizes_redemptions", "3", "passport_expiration_date", "zero-date", b"0000-00-00", None),
    ("prizes_redemptions", "3", "passport_issue_date", "zero-date", b"0000-00-00", None),
    ("rewards", "3", "rewards_groups.created_on", "missing-time", b"2014-03-09 02:30:00", "2014-03-09"),
    ("rewards", "4", "rewards_groups.created_on", "zero-date", b"0000-00-00 00:00:00", "2011-01-01"),
    ("rewards", "5", "rewards_groups.created_on", "ambiguous-time", b"2019-11-03 01:30:00", "2019-11-03"),
    ("rewards_groups", "12", "created_on", "ambiguous-time", b"2019-11-03 01:30:00", "2019-11-03 07:30:00+00:00"),
    ("rewards_groups", "12", "rewards_status", "lower-case", b"OPEN", "open"),
    ("rewards_groups", "3", "created_on", "missing-time", b"2014-03-09 02:30:00", "2014-03-09 09:30:00+00:00"),
    ("rewards_groups", "7", "created_on", "zero-date", b"0000-00-00 00:00:00", "2011-01-01 07:00:00+00:00"),
    ("user_roles", "3", "sort_order", "sort-order", b"2.5", "3"),
    ("user_roles", "4", "sort_order", "sort-order", b"3", "4"),
    ("user_roles", "9", "sort_order", "sort-order", b"9", "5"),
    ("users", "3", "created_on", "zero-date", b"0000-00-00 00:00:00", "2011-01-01 07:00:00+00:00"),
    ("users", "3", "password_expired", "flag", b"2", "t"),
    ("users", "5", "created_by", "dangling-reference", b"77", None),
    ("users", "5", "created_on", "missing-time", b"2013-03-10 02:15:00", "2013-03-10 09:15:00+00:00"),
    ("users", "8", "created_on", "ambiguous-time", b"2019-11-03 01:30:00", "2019-11-03 07:30:00+00:00"),
]
"""All but the one of an encrypted column: legacy table, key, column, rule, old bytes, new value."""

REJECTS = {
    ("prizes_options", "6"): (
        "prize_id 88: no such row in prizes",
        {
            "po_id": "6", "prize_id": "88", "option_title": "Orphan", "option_points_cost": "1", "option_dollar_value": "0.01",
            "option_expire_date": None, "option_sort_order": "1", "option_info_required": "0",
            "option_international_info_required": "0",
        },
    ),
    ("prizes_redemptions", "9"): (
        "u_id 400: no such row in users",
        {
            "pr_id": "9", "prb_id": None, "u_id": "400", "rewards_id": "1", "prize_id": "1", "po_id": "1", "points": "6000",
            "cost_sbm": "0.00", "cost_src": "0.00", "cost_grp": "0.00", "cost_wwc": "0.00", "description": "user 400 does not exist",
            "name_first": None, "name_last": None, "dob": None, "phone": None, "email": None, "international_name": None,
            "passport_number": None, "passport_issue_date": None, "passport_expiration_date": None, "address": None, "city": None,
            "state": None, "zip": None, "gender": None, "qty": "1", "created_on": "2019-04-01 00:00:00",
        },
    ),
    ("rewards", "6"): (
        "rewards_id 99: no such row in rewards_groups",
        {
            "r_id": "6", "rewards_id": "99", "master_acct_id": "M-1999", "created_on": "2015-01-01 00:00:00",
            "rewards_groups.created_on": None,
        },
    ),
}  # fmt: skip

ENTRIES = [
    # Group, company, kind, delta, day, moment, what for, title: in the order of time.
    (1, "GRP", "adjustment", 1_000, "2016-01-01", "2016-01-01 07:00", "adjustment 1", "Goodwill"),
    (3, None, "adjustment", -2_500, "2016-01-02", "2016-01-02 07:00", "adjustment 2", "Wrongly credited twice"),
    (1, "SBM", "property_development", 25_000, "2017-06-01", "2017-06-01 16:00", "property development 1", "Mapleton Ridge, lot 14B"),
    (2, "SRC", "property_development", -500, "2017-06-02", "2017-06-02 16:00", "property development 2", "correction"),
    (1, None, "redemption", -6_000, "2018-12-01", "2018-12-01 19:00", "redemption 1", "Gift card, $50"),
    (1, None, "redemption", -320_000, "2018-12-02", "2018-12-02 19:00", "redemption 2", "Las Vegas trip — 3 nights, Cancún, double room"),
    (2, None, "redemption", -42_000, "2019-03-10", "2019-03-10 09:30", "redemption 3", 'Cooler 45 qt (12" \u00d7 18"), Navy'),
]  # fmt: skip


@pytest.mark.every_server
@pytest.mark.parametrize(("table", "key", "column", "expected"), VALUES, ids=lambda value: str(value)[:30])
def test_value_of_the_sample_becomes_what_was_meant(
    sample: Migrated, table: str, key: object, column: str, expected: object
) -> None:
    assert sample.new.rows(f'SELECT "{column}" FROM "{table}" WHERE id = %s', (key,)) == [(expected,)]


@pytest.mark.every_server
def test_every_other_row_of_the_sample_moved(sample: Migrated) -> None:
    counts = {table.new: (table.read, table.written, table.rejected) for table in sample.figures.tables}

    assert counts == {
        "divisions": (6, 6, 0),
        "user_roles": (5, 5, 0),
        "reward_groups": (5, 5, 0),
        "customers_reward_groups": (6, 5, 1),
        "customers": (7, 7, 0),
        "users": (5, 5, 0),
        "reward_favorites": (2, 2, 0),
        "prizes": (4, 4, 0),
        "prize_options": (6, 5, 1),
        "prize_redemption_batches": (1, 1, 0),
        "prize_redemptions": (4, 3, 1),
        "property_development_points": (2, 2, 0),
        "point_adjustments": (2, 2, 0),
    }
    for table, (_, written, _) in counts.items():
        assert sample.new.value(f"SELECT count(*) FROM {table}") == written
    assert sample.new.rows("SELECT user_id, reward_group_id FROM reward_favorites ORDER BY 1, 2") == [(1, 1), (1, 12)]
    assert sample.figures.left_behind == {"log": 0, "points": 1}


@pytest.mark.every_server
def test_every_change_is_reported_with_its_old_bytes_and_its_new_value(sample: Migrated) -> None:
    found = sample.new.rows(
        "SELECT table_name, key, column_name, rule, old, new FROM migration_findings WHERE NOT encrypted"
        ' ORDER BY table_name COLLATE "C", key COLLATE "C", column_name COLLATE "C", rule'
    )

    assert found == sorted(FINDINGS)


@pytest.mark.every_server
def test_change_of_an_encrypted_column_is_reported_encrypted(sample: Migrated) -> None:
    ((table, key, column, rule, old, new),) = sample.new.rows(
        "SELECT table_name, key, column_name, rule, old, new FROM migration_findings WHERE encrypted"
    )

    assert (table, key, column, rule, new) == ("prizes_redemptions", "2", "dob", "zero-date", None)
    assert CIPHER.decrypt(old, finding_place(table, key, column)) == "1980-00-00"


@pytest.mark.every_server
def test_figures_count_what_the_report_holds(sample: Migrated) -> None:
    counted = {
        (table, column, rule): count
        for table, counts in sample.figures.notes.counts.items()
        for (column, rule), count in counts.items()
    }

    assert counted == Counter((f[0], f[2], f[3]) for f in FINDINGS) + Counter(
        [("prizes_redemptions", "dob", "zero-date")]
    )
    assert planned(sample.legacy).notes.counts == sample.figures.notes.counts


@pytest.mark.every_server
def test_refused_rows_are_kept_whole_with_their_reason(sample: Migrated) -> None:
    found = sample.new.rows("SELECT table_name, key, reason, content FROM migration_rejects")

    assert {(table, key): (reason, content) for table, key, reason, content in found} == REJECTS


def test_refused_rows_take_with_them_what_needs_them(legacy: Legacy, new: New) -> None:
    legacy.run(
        "DELETE FROM user_roles WHERE role_id = 4",
        "INSERT INTO prizes_redemptions SELECT 20, NULL, 1, 1, 1, 6, 1, 0, 0, 0, 0, NULL, NULL, NULL, '1969-07-20', NULL, NULL, NULL,"
        " 'P7654321', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1, '2019-04-01 00:00:00'",
    )

    migrate(legacy, new)

    rejects = {(t, k): reason for t, k, reason in new.rows("SELECT table_name, key, reason FROM migration_rejects")}
    assert set(rejects) == set(REJECTS) | {
        ("users", "2"), ("users", "3"), ("users", "8"), ("prizes_redemptions", "1"), ("prizes_redemptions", "2"),
        ("prizes_redemptions", "3"), ("prizes_redemptions", "20"),
    }  # fmt: skip
    assert rejects["users", "8"] == "role_id 4: no such row in user_roles"
    assert rejects["prizes_redemptions", "3"] == "u_id 3: no such row in users"
    assert rejects["prizes_redemptions", "20"] == "po_id 6: no such row in prizes_options"
    assert new.value("SELECT count(*) FROM point_entries WHERE kind = 'redemption'") == 0
    assert differences(legacy, new) == []


@pytest.mark.every_server
def test_personal_details_are_encrypted_for_their_row_alone(sample: Migrated) -> None:
    rows = sample.new.rows("SELECT id, birthdate, passport_number FROM prize_redemptions ORDER BY id")
    stored = {
        f"prize_redemptions.{column} {number}": value
        for number, *values in rows
        for column, value in zip(("birthdate", "passport_number"), values, strict=True)
        if value is not None
    }

    assert {place: CIPHER.decrypt(value, place) for place, value in stored.items()} == {
        "prize_redemptions.passport_number 2": "P1234567",
        "prize_redemptions.birthdate 3": "1975-07-04",
    }


def test_personal_details_of_refused_rows_are_encrypted_as_well(legacy: Legacy, new: New) -> None:
    legacy.run("UPDATE prizes_redemptions SET dob = '1969-07-20', passport_number = 'P\\\\\\t€' WHERE pr_id = 9")

    migrate(legacy, new)

    content = new.value("SELECT content FROM migration_rejects WHERE table_name = 'prizes_redemptions'")
    opened = {
        column: CIPHER.decrypt(
            base64.b64decode(content[column]["encrypted"]), reject_place("prizes_redemptions", "9", column)
        )
        for column in ("dob", "passport_number")
    }
    assert opened["dob"] == "1969-07-20"
    assert opened["passport_number"].encode("latin-1") == b"P\\\t\x80"


def test_personal_details_stand_nowhere_in_the_clear(legacy: Legacy, new: New) -> None:
    legacy.run("UPDATE prizes_redemptions SET dob = '1969-07-20', passport_number = 'P7654321' WHERE pr_id = 9")
    legacy.run("UPDATE prizes_redemptions SET passport_number = 'P\\0999' WHERE pr_id = 3")
    details = ["1975-07-04", "1980-00-00", "1969-07-20", "P1234567", "P7654321", "P999", "P\0999"]
    details += [detail.encode().hex() for detail in details]

    told = [rewards(command, legacy=legacy, new=new) for command in ("plan", "run", "verify")] + [
        rewards("report", new=new)
    ]
    told += [rewards("report", "--json", new=new)]
    dumped = "\n".join(row for rows in new.dump(besides=()).values() for row in rows)
    logged = postgres_log(new.postgres).read_text(encoding="utf-8", errors="replace")

    assert [one.returncode for one in told] == [0] * 5, told
    for place in (dumped, logged, *(one.stdout + one.stderr for one in told)):
        assert [detail for detail in details if detail in place] == []


def test_birth_date_that_no_calendar_has_is_named_without_its_value(legacy: Legacy, new: New) -> None:
    legacy.run("UPDATE prizes_redemptions SET dob = '1981-02-31' WHERE pr_id = 1")

    failed = rewards("run", legacy=legacy, new=new)

    assert failed.returncode == 1
    assert "table prizes_redemptions, key 1, column dob" in failed.stderr
    for place in (
        failed.stdout,
        failed.stderr,
        postgres_log(new.postgres).read_text(encoding="utf-8", errors="replace"),
    ):
        assert "1981-02-31" not in place


def test_rows_with_points_become_entries_in_the_order_of_time(sample: Migrated) -> None:
    found = sample.new.rows(
        "SELECT reward_group_id, company, kind, delta, effective_on, recorded_at, source_transaction, facts ->> 'title'"
        " FROM point_entries ORDER BY id"
    )

    assert found == [
        (group, company, kind, delta, dt.date.fromisoformat(day), _utc(moment), what, title)
        for group, company, kind, delta, day, moment, what, title in ENTRIES
    ]
    assert sample.new.rows(
        "SELECT DISTINCT points_before, points_after - delta, invoice_id, customer_master_id, stage, part, committed_at,"
        " cause = source_transaction || ' of the legacy program' FROM point_entries"
    ) == [(0, 0, None, None, 0, 0, None, True)]


def test_day_of_an_entry_is_the_business_zones(legacy: Legacy, new: New) -> None:
    legacy.run("UPDATE points_adjustments SET created_on = '2016-01-02 03:00:00' WHERE pa_id = 2")

    migrate(legacy, new, zone="Europe/Berlin")

    entry = new.rows("SELECT effective_on, recorded_at FROM point_entries WHERE source_transaction = 'adjustment 2'")
    assert entry == [(dt.date(2016, 1, 1), _utc("2016-01-02 02:00"))]
    assert differences(legacy, new, zone="Europe/Berlin") == []


def test_title_of_property_development_tells_project_and_lot(legacy: Legacy, new: New) -> None:
    titles = {
        ("Mapleton Ridge", "14B"): "Mapleton Ridge, lot 14B",
        ("Mapleton Ridge", ""): "Mapleton Ridge",
        ("Mapleton Ridge", None): "Mapleton Ridge",
        (None, "14B"): "lot 14B",
        ("", "14B"): "lot 14B",
        ("", ""): None,
        (None, None): None,
    }
    common = {"rewards_id": 1, "points": 10, "created_on": "2017-06-01 10:00:00"}
    rows = [common | {"pdp_id": n, "project_name": p, "lot": lot} for n, (p, lot) in enumerate(titles, start=10)]
    legacy.insert("property_development_points", rows)

    migrate(legacy, new)

    found = dict(new.rows("SELECT source_transaction, facts ->> 'title' FROM point_entries"))
    assert {what: title for what, title in found.items() if what.startswith("property development 1")} == {
        "property development 1": "Mapleton Ridge, lot 14B",
        **{f"property development {n}": title for n, title in enumerate(titles.values(), start=10)},
    }
    assert differences(legacy, new) == []


def test_balances_are_right_at_once(sample: Migrated) -> None:
    assert sample.new.rows("SELECT reward_group_id, balance FROM reward_group_balances ORDER BY 1") == [
        (1, 1_000 + 25_000 - 6_000 - 320_000),
        (2, -500 - 42_000),
        (3, -2_500),
        (7, 0),
        (12, 0),
    ]


@pytest.mark.every_server
def test_sums_of_points_are_set_beside_each_other(sample: Migrated) -> None:
    expected = {
        "redemption": {"legacy": -374_000, "refused": -6_000, "log": -368_000},
        "property_development": {"legacy": 24_500, "refused": 0, "log": 24_500},
        "adjustment": {"legacy": -1_500, "refused": 0, "log": -1_500},
    }

    assert sample.figures.points == expected
    assert sample.new.value("SELECT points FROM migration_runs") == expected


def test_ids_go_on_after_the_highest_one(sample: Migrated) -> None:
    following = sample.new.next_ids()

    for table in (
        "divisions", "reward_groups", "users", "prizes", "prize_redemption_batches", "property_development_points",
        "point_adjustments", "point_entries", "migration_runs",
    ):  # fmt: skip
        assert following[f"{table}_id_seq"] == sample.new.value(f"SELECT max(id) + 1 FROM {table}"), table


def test_ids_of_refused_rows_are_not_given_to_others(sample: Migrated) -> None:
    following = sample.new.next_ids()

    refused = {"customers_reward_groups": 6, "prize_options": 6, "prize_redemptions": 9}
    assert {table: following[f"{table}_id_seq"] for table in refused} == {
        table: key + 1 for table, key in refused.items()
    }


def test_new_row_gets_the_next_id(migrated: New) -> None:
    assert migrated.value("INSERT INTO reward_groups (name) VALUES ('New') RETURNING id") == 13


def test_ids_begin_with_one_where_a_table_is_empty(legacy: Legacy, new: New) -> None:
    legacy.run("DELETE FROM points_adjustments")

    migrate(legacy, new)

    assert new.next_ids()["point_adjustments_id_seq"] == 1


def test_run_is_kept_with_its_source_and_figures_and_no_password(sample: Migrated) -> None:
    ((source, server, options, tables, left_behind),) = sample.new.rows(
        "SELECT source, server, options, tables, left_behind FROM migration_runs"
    )

    assert source == f"127.0.0.1:{sample.legacy.server.port}/{sample.legacy.name}"
    assert "MariaDB" in server
    assert options == {
        "legacy_zone": "America/Denver",
        "business_zone": "America/Denver",
        "strict": False,
        "merge_emails": False,
        "catch_up": False,
        "allow_myisam": False,
    }
    assert tables["prize_redemptions"]["rejected"] == 1
    assert tables["prize_redemptions"]["entries"] == 3
    assert left_behind["tables"] == {"log": 0, "points": 1}
    assert sample.legacy.server.password not in str(sample.new.rows("SELECT t::text FROM migration_runs AS t"))


@pytest.mark.every_server
def test_verification_of_the_sample_finds_every_row_the_same(sample: Migrated) -> None:
    found = compared(sample.legacy, sample.new)

    assert [comparison.name for comparison in found if not comparison.same] == []
    assert {c.name: (c.rows_expected, c.rows_found) for c in found if "refused" not in c.name} == {
        table.new: (table.written, table.written) for table in sample.figures.tables
    }
    assert {c.name: c.rows_found for c in found if "refused" in c.name and c.rows_found} == {
        "customers_reward_groups: refused rows": 1,
        "prize_options: refused rows": 1,
        "prize_redemptions: refused rows": 1,
    }
    assert all(c.digest_expected == c.digest_found for c in found)


def test_tables_keep_their_indexes_constraints_and_rights(sample: Migrated, new: New) -> None:
    assert sample.new.schema() == new.schema()


@pytest.mark.every_server
def test_second_run_changes_nothing(sample: Migrated, migrated: New) -> None:
    before, ids, schema = migrated.dump(), migrated.next_ids(), migrated.schema()

    figures = migrate(sample.legacy, migrated)

    assert migrated.dump() == before
    assert migrated.schema() == schema
    assert {name for name, following in migrated.next_ids().items() if following != ids[name]} == {
        "migration_runs_id_seq"
    }
    assert sum(table.written + table.entries + table.changed + table.own for table in figures.tables) == 0
    assert {table.new: table.kept for table in figures.tables} == {t.new: t.written for t in sample.figures.tables}
    assert figures.points == sample.figures.points
    assert migrated.value("SELECT count(*) FROM migration_runs") == 2


@pytest.mark.every_server
def test_plan_writes_nothing_and_tells_what_a_run_does(sample: Migrated) -> None:
    before = sample.new.dump(besides=())

    figures = planned(sample.legacy)

    assert sample.new.dump(besides=()) == before
    assert [(t.old, t.read, t.written, t.rejected) for t in figures.tables] == [
        (t.old, t.read, t.written, t.rejected) for t in sample.figures.tables
    ]
    assert figures.notes.refused == sample.figures.notes.refused
    assert figures.notes.reasons == sample.figures.notes.reasons


def test_legacy_zone_moves_every_moment(legacy: Legacy, new: New) -> None:
    migrate(legacy, new, zone="UTC")

    assert new.rows("SELECT id, created_at FROM users ORDER BY id") == [
        (1, _utc("2011-01-01 00:00")),
        (2, _utc("2011-01-16 09:10:11")),
        (3, _utc("2011-01-01 00:00")),
        (5, _utc("2013-03-10 02:15")),
        (8, _utc("2019-11-03 01:30")),
    ]
    assert new.value("SELECT count(*) FROM migration_findings WHERE rule LIKE '%-time'") == 0
    assert differences(legacy, new, zone="UTC") == []


def test_sample_on_top_of_the_websites_own_differs_in_nothing(
    legacy: Legacy, database: str, postgres: Postgres
) -> None:
    new = New(postgres, database)

    figures = migrate(legacy, new)

    assert [(table.new, table.own_keys) for table in figures.tables if table.own] == []
    assert differences(legacy, new) == []


def test_user_signs_in_with_the_old_password_and_the_verification_does_not_mind(
    sample: Migrated, migrated: New, postgres: Postgres
) -> None:
    with running_site(postgres.url(migrated.name)) as site, httpx.Client(base_url=site, timeout=20) as browser:
        entered = browser.post("/api/session", json={"email": "JOE@wasatch.example", "password": "pässwörd"})

    assert entered.status_code == 200, entered.text
    ((stored, salt),) = migrated.rows("SELECT password_hash, password_salt FROM users WHERE id = 2")
    assert stored.startswith("$argon2")
    assert salt is None
    assert differences(sample.legacy, migrated) == []
    users = next(comparison for comparison in compared(sample.legacy, migrated) if comparison.name == "users")
    assert (users.replaced, users.rows_found) == (1, 5)
    figures = migrate(sample.legacy, migrated)
    assert sum(table.changed + table.own for table in figures.tables) == 0
    assert migrated.value("SELECT password_hash FROM users WHERE id = 2") == stored
