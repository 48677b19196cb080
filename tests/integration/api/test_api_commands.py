from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from api.commands import app
from api.samples.rows import LOGINS
from tests.integration.api.servers import Postgres


@pytest.fixture
def bare_database(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """At the newest version, without samples."""
    name = postgres.new_database()
    with postgres.admin(name) as cursor:
        cursor.execute(
            "TRUNCATE users, user_roles, customers_reward_groups, reward_groups, customers, divisions, prizes"
            " RESTART IDENTITY CASCADE"
        )
    monkeypatch.setenv("REWARDS_DATABASE_URL", postgres.url(name))
    yield name
    postgres.drop_database(name)


def test_samples_are_written_once_as_the_applications_role(postgres: Postgres, bare_database: str) -> None:
    said = [CliRunner().invoke(app, ["samples"]).output for _ in range(2)]
    assert said == [f"{len(LOGINS)} sample users added.\n", "0 sample users added.\n"]
    with postgres.admin(bare_database) as cursor:
        cursor.execute("SELECT array_agg(id ORDER BY id) FROM reward_groups")
        assert cursor.fetchone() == ([1, 2, 3, 7, 12],)
        cursor.execute("SELECT bool_and(password_hash LIKE '$argon2id$%' AND password_salt IS NULL) FROM users")
        assert cursor.fetchone() == (True,)


def test_rows_written_after_the_samples_get_new_ids(postgres: Postgres, bare_database: str) -> None:
    CliRunner().invoke(app, ["samples"])
    with postgres.admin(bare_database) as cursor:
        cursor.execute("INSERT INTO reward_groups (name) VALUES ('New') RETURNING id")
        assert cursor.fetchone() == (13,)


def test_samples_leave_alone_what_is_there(postgres: Postgres, bare_database: str) -> None:
    with postgres.admin(bare_database) as cursor:
        cursor.execute("INSERT INTO reward_groups (id, name, status) VALUES (1, 'Mine', 'hold')")
        cursor.execute(
            "INSERT INTO customers_reward_groups (customer_master_id, reward_group_id, enrolled_at)"
            " VALUES ('M-1002', 1, '2020-01-01')"
        )
        assert CliRunner().invoke(app, ["samples"]).exit_code == 0
        cursor.execute("SELECT name, status FROM reward_groups WHERE id = 1")
        assert cursor.fetchone() == ("Mine", "hold")
        cursor.execute("SELECT reward_group_id FROM customers_reward_groups WHERE customer_master_id = 'M-1002'")
        assert cursor.fetchone() == (1,)


def test_logins_are_printed_for_people_and_programs() -> None:
    text = CliRunner().invoke(app, ["logins"]).output
    told = json.loads(CliRunner().invoke(app, ["logins", "--json"]).output)
    assert [one["email"] for one in told] == [login.email for login in LOGINS]
    for one in told:
        assert one["email"] in text
        assert one["password"] in text
