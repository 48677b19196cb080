"""The commands as a person or a script runs them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg2 import sql

from migration.errors import MigrationError
from migration.report import report as last_run
from tests.integration.api.servers import Postgres, free_port
from tests.integration.migration.conftest import Migrated
from tests.integration.migration.databases import KEY, Legacy, New, compared, migrate, rewards


def _failed(*arguments: str, legacy: Legacy | None = None, new: New | None = None, **environment: str) -> str:
    """What a command that fails says: one sentence, no traceback, exit code 1."""
    done = rewards(*arguments, legacy=legacy, new=new, **environment)
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("Error: ")
    return done.stderr


def test_help_names_every_command() -> None:
    helped = rewards("--help")

    assert helped.returncode == 0
    for command in ("plan", "run", "verify", "report", "demo"):
        assert re.search(rf"\b{command}\b", helped.stdout)


def test_weekend_goes_through(sample: Migrated, legacy: Legacy, new: New, tmp_path: Path) -> None:
    """Plan, run, run again, verify and report, each for a person."""
    page = tmp_path / "report.html"
    planned = rewards("plan", legacy=legacy)
    assert planned.returncode == 0, planned
    for told in (
        "rewards_groups",
        "encoded twice",
        "u_id 400: no such row in users",
        "table points",
        "Nothing was written",
    ):
        assert told in planned.stdout
    assert new.value("SELECT count(*) FROM reward_groups") == 0

    run = rewards("run", legacy=legacy, new=new)
    assert run.returncode == 0, run
    assert "55 rows" in run.stdout
    assert "3 rows refused" in run.stdout
    assert new.dump() == sample.new.dump()

    verified = rewards("verify", legacy=legacy, new=new)
    assert verified.returncode == 0, verified
    assert "Both databases hold the same" in verified.stdout

    reported = rewards("report", new=new)
    assert reported.returncode == 0, reported
    for told in ("-368,000", "prize_id 88: no such row in prizes", "table log", "kept encrypted", "encoded twice"):
        assert told in reported.stdout

    written = rewards("report", "--html", str(page), new=new)
    assert written.returncode == 0, written
    html = page.read_text(encoding="utf-8")
    assert html.startswith("<!doctype html>")
    for told in ("prizes_redemptions", "u_id 400: no such row in users", "-368,000", legacy.name):
        assert told in html

    for done in (planned, run, verified, reported, written):
        assert legacy.server.password not in done.stdout + done.stderr


def test_demonstration_goes_through_with_a_server_of_its_own(sample: Migrated, new: New) -> None:
    shown = rewards("demo", new=new)

    assert shown.returncode == 0, shown
    for step in ("plan", "run", "report", "verify"):
        assert f"$ rewards migrate {step}" in shown.stdout
    assert "Both databases hold the same" in shown.stdout
    assert new.dump() == sample.new.dump()


def test_programs_read_what_the_commands_say(legacy: Legacy, new: New) -> None:
    plan = json.loads(rewards("plan", "--json", legacy=legacy).stdout)
    run = json.loads(rewards("run", "--json", legacy=legacy, new=new).stdout)
    verified = json.loads(rewards("verify", "--json", legacy=legacy, new=new).stdout)
    report = json.loads(rewards("report", "--json", new=new).stdout)

    assert plan["tables"]["prize_redemptions"]["rejected"] == 1
    assert run["tables"]["prize_redemptions"] | {"seconds": 0} == plan["tables"]["prize_redemptions"] | {
        "entries": 3,
        "seconds": 0,
    }
    assert run["changed"] == plan["changed"]
    assert (
        run["refused"]
        == plan["refused"]
        == {
            "rewards": {
                "rows": 1,
                "examples": [{"key": "6", "reason": "rewards_id 99: no such row in rewards_groups"}],
            },
            "prizes_options": {"rows": 1, "examples": [{"key": "6", "reason": "prize_id 88: no such row in prizes"}]},
            "prizes_redemptions": {"rows": 1, "examples": [{"key": "9", "reason": "u_id 400: no such row in users"}]},
        }
    )
    assert run["points"] == report["points"]
    assert [comparison["same"] for comparison in verified] == [True] * 26
    assert report["tables"].keys() == run["tables"].keys()
    assert report["rejected"] == 3
    assert {(change["table"], change["column"], change["rule"]): change["count"] for change in report["changes"]} == {
        (change["table"], change["column"], change["rule"]): change["values"] for change in run["changed"]
    }


def test_verification_of_a_difference_names_it_and_exits_with_1(sample: Migrated, migrated: New) -> None:
    migrated.run("UPDATE customers SET name = 'Perez' WHERE id = 'BT-000105'")

    for_people = rewards("verify", legacy=sample.legacy, new=migrated)
    for_programs = rewards("verify", "--json", legacy=sample.legacy, new=migrated)

    assert (for_people.returncode, for_programs.returncode) == (1, 1)
    assert "customers BT-000105: name is 'Perez' instead of 'Peréz Concrete'" in for_people.stdout
    assert [comparison["name"] for comparison in json.loads(for_programs.stdout) if not comparison["same"]] == [
        "customers"
    ]


def test_verification_goes_by_the_options_of_the_run(legacy: Legacy, new: New) -> None:
    ran = rewards(
        "run",
        "--legacy-zone",
        "Europe/Berlin",
        "--merge-emails",
        "oldest",
        legacy=legacy,
        new=new,
        REWARDS_TIMEZONE="UTC",
    )
    assert ran.returncode == 0, ran

    verified = rewards("verify", legacy=legacy, new=new)

    assert verified.returncode == 0, verified
    assert last_run(new.url).options == {
        "legacy_zone": "Europe/Berlin",
        "business_zone": "UTC",
        "strict": False,
        "merge_emails": True,
        "catch_up": False,
        "allow_myisam": False,
    }


def test_address_may_stand_in_the_environment(legacy: Legacy) -> None:
    assert rewards("plan", "--json", REWARDS_LEGACY_URL=legacy.url).returncode == 0


def test_unknown_tables_are_shown_and_refused_if_strict(legacy: Legacy, new: New) -> None:
    legacy.run("CREATE TABLE audit (id INT PRIMARY KEY)", "ALTER TABLE users ADD nickname VARCHAR(20)")

    assert "audit, users.nickname" in _failed("plan", "--strict", legacy=legacy)
    migrate(legacy, new)
    reported = rewards("report", new=new).stdout
    assert re.search(r"table audit .*0 rows .*unknown", reported)
    assert re.search(r"column users\.nickname .*unknown", reported)


def test_value_that_no_rule_covers_is_named(legacy: Legacy, new: New) -> None:
    legacy.run("UPDATE rewards_groups SET rewards_status = 'paused' WHERE rewards_id = 3")

    said = _failed("run", legacy=legacy, new=new)

    assert said.startswith(
        "Error: table rewards_groups, key 3, column rewards_status: 'paused' is none of open, hold, closed"
    )


def test_wrong_password_is_not_told(legacy: Legacy, new: New) -> None:
    said = _failed("run", "--from", f"mysql://legacy:hunter2@127.0.0.1:{legacy.server.port}/{legacy.name}", new=new)

    assert "Access denied" in said
    assert "hunter2" not in said


def test_servers_that_are_not_there_are_told(sample: Migrated) -> None:
    port = free_port()

    said = _failed("run", "--from", f"mysql://u:hunter2@127.0.0.1:{port}/x", new=sample.new)
    assert f"127.0.0.1:{port}" in said
    assert "hunter2" not in said

    said = _failed("run", legacy=sample.legacy, REWARDS_OWNER_DATABASE_URL=f"postgresql://o:hunter2@127.0.0.1:{port}/x")
    assert "sunroc_rewards does not answer" in said
    assert "hunter2" not in said


@pytest.mark.parametrize("address", ["postgres:/o:hunter2@h/db", "postgresql://o:hunter2%zz@127.0.0.1:1/db"])
def test_address_of_the_new_database_that_is_none_is_told_without_its_password(sample: Migrated, address: str) -> None:
    for attempt in (
        lambda: migrate(sample.legacy, address),
        lambda: compared(sample.legacy, address),
        lambda: last_run(address),
    ):
        with pytest.raises(MigrationError) as refused:
            attempt()
        assert "hunter2" not in str(refused.value)


def test_address_of_the_legacy_database_that_is_none_is_told_without_its_password(sample: Migrated) -> None:
    said = _failed("run", "--from", "mysql://u:hunter2@h", new=sample.new)

    assert "mysql://user:password@server:3306/rewards_program" in said
    assert "hunter2" not in said


@pytest.fixture
def bare(postgres: Postgres) -> Iterator[New]:
    """A database without any tables."""
    name = "rewards_bare"
    with postgres.admin() as cursor:
        cursor.execute(sql.SQL("CREATE DATABASE {} OWNER rewards_owner").format(sql.Identifier(name)))
    yield New(postgres, name)
    postgres.drop_database(name)


def test_database_without_the_schema_is_told(sample: Migrated, bare: New) -> None:
    for attempt in (
        lambda: migrate(sample.legacy, bare),
        lambda: compared(sample.legacy, bare),
        lambda: last_run(bare.url),
    ):
        with pytest.raises(MigrationError, match="rewards database upgrade"):
            attempt()
    assert "rewards database upgrade" in _failed("verify", legacy=sample.legacy, new=bare)


def test_database_of_an_older_schema_is_told(sample: Migrated, new: New) -> None:
    new.run("UPDATE alembic_version SET version_num = '0002'")

    said = _failed("run", legacy=sample.legacy, new=new)

    assert "0002" in said
    assert "rewards database upgrade" in said


def test_database_that_nothing_was_migrated_into_is_told(new: New) -> None:
    with pytest.raises(MigrationError, match="nothing was migrated"):
        last_run(new.url)
    assert "nothing was migrated" in _failed("report", new=new)


def test_zones_that_are_none_are_told(sample: Migrated) -> None:
    done = rewards("plan", "--legacy-zone", "America", legacy=sample.legacy)
    assert done.returncode == 2, done
    assert "no such time zone" in done.stderr

    assert "TIMEZONE" in _failed("plan", legacy=sample.legacy, REWARDS_TIMEZONE="Nowhere/X")


def test_key_that_is_none_is_told_without_it(sample: Migrated, new: New) -> None:
    said = _failed("run", legacy=sample.legacy, new=new, REWARDS_FIELD_KEYS=KEY[:-4])

    assert "REWARDS_FIELD_KEYS" in said
    assert KEY[:20] not in said
    assert new.value("SELECT count(*) FROM migration_runs") == 0


def test_legacy_data_gives_no_orders_to_the_terminal_nor_to_the_page(legacy: Legacy, new: New, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    legacy.insert(
        "prizes",
        [{"prize_id": 9, "prize_title": "[red]\x1b]0;x\x07<script>alert(1)</script>P\u00c3\u00a9".encode("cp1252")}],
    )
    legacy.run(
        "UPDATE customers SET customer_id = '[b]\x1b[31m', division_cd = 'Q\x1b[1m' WHERE customer_id = 'BT-000105'"
    )

    planned = rewards("plan", legacy=legacy)
    migrate(legacy, new)
    reported = rewards("report", new=new)
    written = rewards("report", "--html", str(page), new=new)

    assert (planned.returncode, reported.returncode, written.returncode) == (0, 0, 0)
    for done in (planned, reported):
        assert "[red]" in done.stdout
        assert [character for character in "\x1b\x07" if character in done.stdout] == []
    html = page.read_text(encoding="utf-8")
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert" in html


def test_report_tells_what_became_of_an_encrypted_value(legacy: Legacy, new: New) -> None:
    """Decoded once more it is not gone."""
    legacy.run("UPDATE prizes_redemptions SET passport_number = 'P\u00c3\u00a91234' WHERE pr_id = 3")
    migrate(legacy, new)

    changes = json.loads(rewards("report", "--json", new=new).stdout)["changes"]

    told = {change["column"]: change["examples"] for change in changes}
    assert told["dob"] == [["2", "(kept encrypted)", "NULL"]]
    ((key, old, new_value),) = told["passport_number"]
    assert (key, old) == ("3", "(kept encrypted)")
    assert new_value != "NULL"
