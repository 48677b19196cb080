"""What stops a run, and that nothing of it stays; what does not stop it, and is kept or reported."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import quote

import pytest

from migration.errors import MigrationError
from tests.integration.api.servers import free_port
from tests.integration.migration.conftest import Migrated
from tests.integration.migration.databases import (
    At,
    Legacy,
    New,
    compared,
    differences,
    migrate,
    planned,
    postgres_log,
)

CASES_COUNT = "ALTER TABLE users MODIFY email VARCHAR(255) CHARACTER SET latin1 COLLATE latin1_bin NOT NULL"
JOE = "joe@wasatch.example"


@pytest.mark.parametrize(
    ("change", "value", "where", "why"),
    [
        (None, "'paused'", "rewards_groups rewards_id 3 rewards_status", "'paused'"),
        ("DATETIME", "NULL", "users u_id 5 created_on", "NULL"),
        ("DATETIME", "NULL", "users u_id 3 created_on", "NULL"),
        (None, "'2019-02-31 10:00:00'", "users u_id 2 created_on", "2019-02-31"),
        (None, "'9999-12-31 23:59:59'", "users u_id 2 created_on", "9999-12-31"),
        ("TINYINT(1)", "NULL", "users u_id 8 password_expired", "NULL"),
        (None, "'2020-02-30'", "prizes_options po_id 5 option_expire_date", "2020-02-30"),
        ("VARCHAR(255)", "NULL", "customers customer_id VI-000077 customer_cd", "NULL"),
        ("BIGINT UNSIGNED", f"{2**63}", "prizes_redemptions pr_id 1 points", f"{2**63}"),
        ("DECIMAL(12,4)", "0.0001", "prizes_redemptions pr_id 2 cost_src", "0.0001"),
        ("DECIMAL(10,0)", "9999999999", "prizes_redemptions pr_id 1 cost_sbm", "9999999999"),
        ("DECIMAL(60,2)", "9" * 40, "prizes_redemptions pr_id 1 cost_sbm", "9" * 40),
        (None, "'1981-02-31'", "prizes_redemptions pr_id 1 dob", ""),
    ],
)
def test_value_that_no_rule_covers_stops_everything_and_is_named(
    legacy: Legacy, new: New, change: str | None, value: str, where: str, why: str
) -> None:
    table, key_column, key, column = where.split()
    before = new.dump(besides=())
    if change:
        legacy.run(f"ALTER TABLE {table} MODIFY {column} {change}")
    legacy.run(f"UPDATE {table} SET {column} = {value} WHERE {key_column} = '{key}'")

    with pytest.raises(MigrationError) as planning:
        planned(legacy)
    with pytest.raises(MigrationError) as running:
        migrate(legacy, new)

    for stopped in (planning, running):
        assert str(stopped.value).startswith(f"table {table}, key {key}, column {column}: ")
        assert why in str(stopped.value)
    assert new.dump(besides=()) == before


def test_value_that_stops_a_run_stands_in_nobodys_log(legacy: Legacy, new: New) -> None:
    legacy.run("UPDATE rewards_groups SET rewards_status = 'sesame' WHERE rewards_id = 3")

    with pytest.raises(MigrationError, match="sesame"):
        migrate(legacy, new)

    assert "sesame" not in postgres_log(new.postgres).read_text(encoding="utf-8", errors="replace")


def test_run_that_stops_leaves_a_database_in_use_as_it_was(legacy: Legacy, migrated: New) -> None:
    before, schema = migrated.dump(besides=()), migrated.schema()
    legacy.insert(
        "points_adjustments", [{"pa_id": 3, "rewards_id": 1, "points": 1, "created_on": "2019-02-31 00:00:00"}]
    )
    legacy.insert("rewards_groups", [{"rewards_id": 20, "rewards_name": "New", "created_on": "2020-01-01 00:00:00"}])

    with pytest.raises(MigrationError, match="table points_adjustments, key 3, column created_on"):
        migrate(legacy, migrated)

    assert migrated.dump(besides=()) == before
    assert migrated.schema() == schema


def test_run_that_stopped_succeeds_once_the_value_is_changed(legacy: Legacy, new: New, sample: Migrated) -> None:
    legacy.run("UPDATE points_adjustments SET created_on = '2019-02-31 00:00:00' WHERE pa_id = 2")
    with pytest.raises(MigrationError, match="points_adjustments"):
        migrate(legacy, new)
    legacy.run("UPDATE points_adjustments SET created_on = '2016-01-02 00:00:00' WHERE pa_id = 2")

    migrate(legacy, new)

    assert new.dump() == sample.new.dump()
    assert new.next_ids() == sample.new.next_ids()


@pytest.mark.parametrize("plain", [True, False])
def test_customer_of_two_groups_stops_everything_and_is_named(legacy: Legacy, new: New, plain: bool) -> None:
    created_on = "2011-01-15 08:00:00" if plain else "0000-00-00 00:00:00"
    legacy.insert("rewards", [{"r_id": 9, "rewards_id": 1, "master_acct_id": "M-1002", "created_on": created_on}])
    before = new.dump(besides=())

    with pytest.raises(MigrationError) as stopped:
        migrate(legacy, new)

    told = str(stopped.value)
    assert "customers_reward_groups" in told or "table rewards" in told
    assert "customer_master_id" in told or "master_acct_id" in told
    assert "M-1002" in told
    assert new.dump(besides=()) == before


def test_customer_of_two_groups_is_already_named_by_the_plan(legacy: Legacy) -> None:
    legacy.insert(
        "rewards", [{"r_id": 9, "rewards_id": 1, "master_acct_id": "M-1002", "created_on": "2015-01-01 00:00:00"}]
    )

    with pytest.raises(MigrationError, match="M-1002"):
        planned(legacy)


def _double(legacy: Legacy, **changed: object) -> None:
    """Another user of an e-mail that differs in case only, who redeemed, keeps favorites and made a user."""
    legacy.run(CASES_COUNT)
    user = {
        "u_id": 20, "rewards_id": 2, "role_id": 4, "email": "Joe@WASATCH.example", "name": "Joe", "password_hash": "h",
        "password_salt": "s", "created_by": 1, "created_on": "2015-01-01 10:00:00",
    }  # fmt: skip
    legacy.insert("users", [user | changed])
    legacy.run(
        "UPDATE prizes_redemptions SET u_id = 20 WHERE pr_id = 3",
        "UPDATE users SET created_by = 20 WHERE u_id = 8",
        "INSERT INTO rewards_favorites VALUES (20, 7)",
    )


def test_emails_that_differ_in_case_only_stop_everything_and_are_named(legacy: Legacy, new: New) -> None:
    _double(legacy)
    before = new.dump(besides=())

    for stop in (lambda: planned(legacy), lambda: migrate(legacy, new)):
        with pytest.raises(MigrationError, match=r"joe@wasatch\.example \(user 2\), Joe@WASATCH\.example \(user 20\)"):
            stop()

    assert new.dump(besides=()) == before


@pytest.mark.parametrize("name", ["Joe", "Jo\u00e9", None])
def test_merging_emails_lets_the_oldest_take_the_others_place(legacy: Legacy, new: New, name: str | None) -> None:
    _double(legacy, name=name)

    figures = migrate(legacy, new, merge_emails=True)

    assert new.rows(f"SELECT id FROM users WHERE lower(email) = '{JOE}'") == [(2,)]
    assert new.value("SELECT user_id FROM prize_redemptions WHERE id = 3") == 2
    assert new.value("SELECT created_by_id FROM users WHERE id = 8") == 2
    assert new.rows("SELECT user_id, reward_group_id FROM reward_favorites ORDER BY 1, 2") == [(1, 1), (1, 12), (2, 7)]
    assert new.rows("SELECT reason, content ->> 'email' FROM migration_rejects WHERE table_name = 'users'") == [
        ("merged into user 2, which has the same e-mail", "Joe@WASATCH.example")
    ]
    assert new.rows(
        "SELECT table_name, key, column_name, old, new FROM migration_findings WHERE rule = 'merged-email' ORDER BY 1, 2"
    ) == [
        ("prizes_redemptions", "3", "u_id", b"20", "2"),
        ("rewards_favorites", "20,7", "u_id", b"20", "2"),
        ("users", "8", "created_by", b"20", "2"),
    ]
    assert next(table.rejected for table in figures.tables if table.new == "users") == 1
    assert differences(legacy, new, merge_emails=True) == []
    before = new.dump()
    migrate(legacy, new, merge_emails=True)
    assert new.dump() == before


def test_merging_emails_keeps_the_older_user_even_if_it_has_the_higher_id(legacy: Legacy, new: New) -> None:
    _double(legacy, created_on="2010-01-01 10:00:00")

    migrate(legacy, new, merge_emails=True)

    assert new.rows(f"SELECT id FROM users WHERE lower(email) = '{JOE}'") == [(20,)]
    assert new.rows("SELECT DISTINCT user_id FROM prize_redemptions") == [(20,)]
    assert differences(legacy, new, merge_emails=True) == []


@pytest.mark.parametrize("favorites", [[(1, 5), (5, 5)], [(2, 7)], [(2, 7), (2, 12), (20, 12)]])
def test_favorite_that_merged_users_share_stays_once(
    legacy: Legacy, new: New, favorites: list[tuple[int, int]]
) -> None:
    _double(legacy)
    legacy.run("DELETE FROM rewards_favorites WHERE u_id = 1")
    legacy.insert("rewards_groups", [{"rewards_id": 5, "rewards_name": "Five", "created_on": "2015-01-01 10:00:00"}])
    legacy.insert("rewards_favorites", [{"u_id": user, "rewards_id": group} for user, group in favorites])
    expected = sorted({(2 if user == 20 else user, group) for user, group in [*favorites, (20, 7)]})
    legacy.run("DELETE FROM rewards_favorites WHERE u_id = 5 AND rewards_id <> 5")

    migrate(legacy, new, merge_emails=True)

    assert new.rows("SELECT user_id, reward_group_id FROM reward_favorites ORDER BY 1, 2") == expected
    assert differences(legacy, new, merge_emails=True) == []


def test_emails_that_are_the_same_once_they_are_decoded_are_named_and_merged(legacy: Legacy, new: New) -> None:
    common = {"role_id": 4, "password_hash": "h", "password_salt": "s", "created_on": "2015-01-01 00:00:00"}
    emails = {30: "jos\u00e9@x.example", 31: "Jos\u00c3\u00a9@x.example"}
    legacy.insert("users", [common | {"u_id": number, "email": email} for number, email in emails.items()])

    for stop in (lambda: planned(legacy), lambda: migrate(legacy, new)):
        with pytest.raises(MigrationError, match=r"\(user 30\).*\(user 31\).*--merge-emails"):
            stop()
    migrate(legacy, new, merge_emails=True)

    assert new.rows("SELECT id FROM users WHERE id IN (30, 31)") == [(30,)]
    assert differences(legacy, new, merge_emails=True) == []


def test_bytes_that_are_no_text_of_a_unique_column_are_named_with_table_and_key(legacy: Legacy, new: New) -> None:
    legacy.run("ALTER TABLE rewards MODIFY master_acct_id VARCHAR(23) CHARACTER SET cp1250 NOT NULL")
    row = {"r_id": 50, "rewards_id": 1, "master_acct_id": b"\x81", "created_on": "2015-01-01 00:00:00"}
    legacy.insert("rewards", [row])

    with pytest.raises(MigrationError, match="table rewards, key 50, column master_acct_id"):
        migrate(legacy, new)


def test_divisions_keep_their_ids_where_their_order_changes_between_two_runs(legacy: Legacy, migrated: New) -> None:
    before = migrated.rows("SELECT id, code FROM divisions ORDER BY id")
    legacy.run("UPDATE divisions SET sort_order = 0.5 WHERE division_cd = 'DDF'")
    legacy.insert("customers", [{"customer_id": "NEW", "customer_cd": "X", "division_cd": "SBM", "unique_num": 1}])

    migrate(legacy, migrated, catch_up=True)

    of_new = "SELECT d.code FROM customers AS c JOIN divisions AS d ON d.id = c.division_id WHERE c.id = 'NEW'"
    assert migrated.value(of_new) == "SBM"
    assert migrated.rows("SELECT id, code FROM divisions ORDER BY id") == before


def test_division_that_stands_there_under_another_id_is_the_one_that_is_meant(legacy: Legacy, new: New) -> None:
    new.run("INSERT INTO divisions (id, code, name, sort_order) VALUES (40, 'GRP', 'Geneva Rock Products, Inc.', 3)")

    migrate(legacy, new)

    of_ready_mix = (
        "SELECT d.id, d.code FROM customers AS c JOIN divisions AS d ON d.id = c.division_id WHERE c.id = 'CM-000101'"
    )
    assert new.rows(of_ready_mix) == [(40, "GRP")]


def test_ids_that_the_new_program_gave_and_took_back_are_not_given_again(legacy: Legacy, migrated: New) -> None:
    redemption = migrated.value(
        "INSERT INTO prize_redemptions (user_id, reward_group_id, prize_id, prize_option_id, points) VALUES (2, 1, 1, 1, 1) RETURNING id"
    )
    migrated.run("DELETE FROM prize_redemptions WHERE id = %s", (redemption,))

    migrate(legacy, migrated)

    assert migrated.next_ids()["prize_redemptions_id_seq"] == redemption + 1


def test_unknown_tables_and_columns_are_reported_and_refused_only_if_strict(legacy: Legacy, new: New) -> None:
    legacy.run(
        "CREATE TABLE audit (id INT PRIMARY KEY, word VARCHAR(9) CHARACTER SET greek)",
        "INSERT INTO audit (id) VALUES (1), (2)",
        "ALTER TABLE users ADD nickname VARCHAR(20) CHARACTER SET hebrew AFTER u_id",
        "CREATE VIEW everybody AS SELECT email FROM users",
    )
    before = new.dump(besides=())

    with pytest.raises(MigrationError, match=r"--strict.*audit, users\.nickname"):
        migrate(legacy, new, strict=True)
    assert new.dump(besides=()) == before
    figures = migrate(legacy, new)

    assert figures.survey.unknown_tables == ["audit"]
    assert figures.survey.unknown_columns == ["users.nickname"]
    assert figures.left_behind == {"log": 0, "points": 1, "audit": 2}
    left = new.value("SELECT left_behind FROM migration_runs")
    assert (left["tables"]["audit"], left["unknown_tables"], left["unknown_columns"]) == (
        2,
        ["audit"],
        ["users.nickname"],
    )
    assert differences(legacy, new) == []


def test_known_database_is_not_refused_if_strict(legacy: Legacy, new: New) -> None:
    figures = migrate(legacy, new, strict=True)

    assert figures.options.strict


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("DROP TABLE rewards_favorites", "table rewards_favorites is missing"),
        ("ALTER TABLE customers DROP customer_name", r"column customers\.customer_name is missing"),
        ("ALTER TABLE users MODIFY created_on TIMESTAMP", r"column users\.created_on is timestamp"),
        ("ALTER TABLE customers MODIFY customer_name TEXT CHARACTER SET greek", r"customers\.customer_name.*greek"),
    ],
)
def test_database_that_the_map_does_not_describe_is_refused(
    legacy: Legacy, new: New, statement: str, told: str
) -> None:
    before = new.dump(besides=())
    legacy.run(statement)

    with pytest.raises(MigrationError, match=told):
        migrate(legacy, new)

    assert new.dump(besides=()) == before


def test_table_without_transactions_is_named(legacy: Legacy) -> None:
    legacy.run("ALTER TABLE customers ENGINE = MyISAM")

    assert planned(legacy).survey.unprotected == ["customers (MyISAM)"]


def test_table_without_transactions_is_refused_unless_it_is_allowed(legacy: Legacy, new: New) -> None:
    legacy.run("ALTER TABLE customers ENGINE = MyISAM")
    before = new.dump(besides=())

    with pytest.raises(MigrationError, match=r"customers \(MyISAM\): tables without transactions.*--allow-myisam"):
        migrate(legacy, new)
    assert new.dump(besides=()) == before
    migrate(legacy, new, allow_myisam=True)

    assert new.value("SELECT left_behind -> 'unprotected' ->> 0 FROM migration_runs") == "customers (MyISAM)"
    assert differences(legacy, new) == []


@pytest.fixture
def reader(legacy: Legacy) -> Iterator[str]:
    """A user who may only read the legacy database, and has a password with everything in it."""
    user, password = f"reader_{legacy.name}", "p/ä#€:@%?"
    with closing(legacy.server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE USER '{user}'@'127.0.0.1' IDENTIFIED BY %s", (password,))
        cursor.execute(f"GRANT SELECT ON {legacy.name}.* TO '{user}'@'127.0.0.1'")
        yield f"mysql://{user}:{quote(password, safe='')}@127.0.0.1:{legacy.server.port}/{legacy.name}"
        cursor.execute(f"DROP USER '{user}'@'127.0.0.1'")


def test_user_who_may_only_read_is_enough(legacy: Legacy, new: New, reader: str) -> None:
    before = legacy.rows("CHECKSUM TABLE users, customers, prizes_redemptions")

    migrate(reader, new)

    assert legacy.rows("CHECKSUM TABLE users, customers, prizes_redemptions") == before
    assert differences(legacy, new) == []


def test_wrong_password_is_told_without_it(legacy: Legacy, new: New) -> None:
    with pytest.raises(MigrationError, match=r"the legacy database does not answer at .*Access denied") as refused:
        migrate(f"mysql://legacy:hunter2@127.0.0.1:{legacy.server.port}/{legacy.name}", new)

    assert "hunter2" not in str(refused.value)


def test_database_that_is_not_there_is_told(legacy: Legacy, new: New) -> None:
    with pytest.raises(MigrationError, match=r"the legacy database does not answer at .*nowhere"):
        migrate(f"{legacy.server.url}nowhere", new)


def test_server_that_is_not_there_is_told_without_the_password(new: New) -> None:
    port = free_port()

    with pytest.raises(MigrationError, match=f"the legacy database does not answer at 127.0.0.1:{port}/x: ") as refused:
        migrate(f"mysql://u:hunter2@127.0.0.1:{port}/x", new)

    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_server_that_is_no_mysql_is_told_without_the_password(new: New, greeting: bytes) -> None:
    def answer() -> None:
        peer, _ = other.accept()
        with peer:
            peer.sendall(greeting)

    with socket.create_server(("127.0.0.1", 0)) as other:
        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(MigrationError, match="the legacy database does not answer") as refused:
            migrate(f"mysql://u:hunter2@127.0.0.1:{other.getsockname()[1]}/x", new)
        thread.join()

    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("table", ["customers", "points_adjustments"])
def test_legacy_server_that_goes_away_leaves_everything_as_it_was(legacy: Legacy, new: New, table: str) -> None:
    def cut() -> None:
        ((session,),) = legacy.rows(
            f"SELECT id FROM information_schema.processlist WHERE db = '{legacy.name}' AND id <> connection_id()"
        )
        legacy.run(f"KILL {session}")

    before = new.dump(besides=())

    # After the last table nothing is read any more, so that the run may as well succeed.
    if table == "customers":
        with pytest.raises(MigrationError, match=r"the legacy database at .* ended the work") as stopped:
            migrate(legacy, new, progress=At(table, cut))
        assert "read()" not in str(stopped.value)
        assert new.dump(besides=()) == before
    else:
        migrate(legacy, new, progress=At(table, cut))
        assert differences(legacy, new) == []


@pytest.mark.parametrize("table", ["customers", "points_adjustments"])
def test_new_server_that_goes_away_leaves_everything_as_it_was(legacy: Legacy, new: New, table: str) -> None:
    def cut() -> None:
        with new.postgres.admin() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND application_name = %s",
                (new.name, "rewards migrate"),
            )

    before = new.dump(besides=())

    with pytest.raises(MigrationError, match="Postgres: "):
        migrate(legacy, new, progress=At(table, cut))

    assert new.dump(besides=()) == before


def test_role_that_may_not_write_is_told(legacy: Legacy, new: New) -> None:
    with pytest.raises(MigrationError, match="Postgres: permission denied"):
        migrate(legacy, new.postgres.url(new.name, "rewards_app"))


def test_numbers_with_leading_zeros_bind_personal_details_to_their_row(legacy: Legacy, new: New) -> None:
    legacy.run(
        "ALTER TABLE prizes_redemptions MODIFY pr_id INT(10) UNSIGNED ZEROFILL NOT NULL AUTO_INCREMENT",
        "INSERT INTO prizes_redemptions SELECT 50, prb_id, u_id, rewards_id, prize_id, po_id, points, cost_sbm, cost_src, cost_grp,"
        " cost_wwc, 'plain', 'Joe', 'Smith', '1960-01-01', NULL, NULL, NULL, 'P9', NULL, NULL, NULL, NULL, NULL, NULL, 'M', 1,"
        " '2020-01-02 00:00:00' FROM prizes_redemptions WHERE pr_id = 1",
    )

    migrate(legacy, new)

    assert differences(legacy, new) == []


def test_letters_that_only_mysql_takes_for_others_are_no_code(legacy: Legacy, new: New) -> None:
    legacy.run("ALTER TABLE customers MODIFY division_cd VARCHAR(5) CHARACTER SET utf8mb4")
    codes = {
        "BT-000101": "SC\u0130",
        "BT-000102": "\u017fci",
        "BT-000103": "sci ",
        "BT-000104": "\u212a",
        "VI-000077": "Sci",
    }
    for customer, code in codes.items():
        legacy.run(f"UPDATE customers SET division_cd = '{code}' WHERE customer_id = '{customer}'")

    migrate(legacy, new)

    assert differences(legacy, new) == []


def test_sort_orders_of_many_digits_keep_their_order(legacy: Legacy, new: New) -> None:
    for prize, order in ((1, 1234562), (2, 1234561), (3, 1234563), (4, -1)):
        legacy.run(f"UPDATE prizes SET sort_order = {order} WHERE prize_id = {prize}")

    migrate(legacy, new)

    assert new.rows("SELECT id FROM prizes ORDER BY sort_order") == [(4,), (2,), (1,), (3,)]
    assert new.value("SELECT count(DISTINCT sort_order) FROM prizes") == 4
    assert differences(legacy, new) == []


def test_moments_with_fractions_of_a_second_keep_them(legacy: Legacy, new: New) -> None:
    legacy.run("ALTER TABLE users MODIFY created_on DATETIME(6) NOT NULL")
    legacy.run("UPDATE users SET created_on = '2019-11-03 01:30:00.250001' WHERE u_id IN (5, 8)")
    legacy.run("UPDATE users SET created_on = '2019-12-03 01:30:00.750001' WHERE u_id = 2")

    migrate(legacy, new)

    assert new.value("SELECT created_at::text FROM users WHERE id = 2") == "2019-12-03 08:30:00.750001+00"
    assert new.value("SELECT created_at::text FROM users WHERE id = 5") == "2019-11-03 07:30:00.250001+00"
    assert differences(legacy, new) == []


def test_missing_flag_of_accepted_terms_is_not_accepted(legacy: Legacy, new: New) -> None:
    legacy.run("ALTER TABLE users MODIFY terms_conditions_accepted TINYINT(1)")
    legacy.run("UPDATE users SET terms_conditions_accepted = NULL WHERE u_id IN (2, 8)")

    migrate(legacy, new)

    accepted = new.rows("SELECT id FROM users WHERE terms_conditions_accepted_at IS NOT NULL ORDER BY id")
    assert accepted == [(1,), (5,)]
    assert differences(legacy, new) == []


def test_text_of_nothing_but_nul_is_reported_as_empty(legacy: Legacy, new: New) -> None:
    legacy.run("UPDATE prizes_redemptions SET description = '\\0' WHERE pr_id = 1")

    migrate(legacy, new)

    assert new.value("SELECT description FROM prize_redemptions WHERE id = 1") == ""
    assert new.rows(
        "SELECT old, new FROM migration_findings WHERE table_name = 'prizes_redemptions' AND key = '1'"
    ) == [(b"\0", "")]


@pytest.mark.parametrize(("customer", "key"), [("Łódź", "Łódź"), ("a\0b", "ab"), ("a,b\t\\", "a,b\t\\")])
def test_customer_with_an_odd_id_is_named_by_it(legacy: Legacy, new: New, customer: str, key: str) -> None:
    legacy.run("ALTER TABLE customers CONVERT TO CHARACTER SET utf8mb4")
    legacy.insert("customers", [{"customer_id": customer, "customer_cd": "X", "division_cd": "QQQ", "unique_num": 1}])

    migrate(legacy, new)

    assert new.value("SELECT count(*) FROM customers WHERE id = %s", (key,)) == 1
    found = new.rows(
        "SELECT key FROM migration_findings WHERE table_name = 'customers' AND rule = 'dangling-reference' AND key <> 'BT-000105'"
    )
    assert found == [(key,)]
    assert differences(legacy, new) == []


def test_whole_table_may_be_empty(legacy: Legacy, new: New) -> None:
    for table in (
        "rewards_favorites",
        "points_adjustments",
        "prizes_redemptions",
        "prizes_redemptions_batch",
        "divisions",
        "users",
    ):
        legacy.run(f"DELETE FROM {table}")

    figures = migrate(legacy, new)

    assert sum(table.rejected for table in figures.tables) == 2
    assert differences(legacy, new) == []
    assert [comparison.rows_found for comparison in compared(legacy, new) if comparison.name == "users"] == [0]
