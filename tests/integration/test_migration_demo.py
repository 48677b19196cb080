"""`rewards migrate demo`, as a new user tries it: into a database that holds the sample already."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg2
import pytest

from api.core.encryption import new_key
from connectors.local.mariadb_choice import MariaDb
from tests.integration.api.servers import Postgres

PROJECT = Path(__file__).resolve().parents[2]


def demo(postgres: Postgres, database: str, keys: str, mariadb: str) -> str:
    environment = dict(os.environ) | {
        "REWARDS_OWNER_DATABASE_URL": postgres.url(database, "rewards_owner"),
        "REWARDS_FIELD_KEYS": keys,
        "REWARDS_MARIADB": mariadb,
    }
    done = subprocess.run(
        [sys.executable, "-m", "cli", "migrate", "demo"],
        capture_output=True, text=True, check=False, cwd=PROJECT, env=environment, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.every_server
def test_demo_finds_the_samples_rows_and_brings_the_rest_twice(
    postgres: Postgres, database: str, mariadb_program: MariaDb
) -> None:
    keys = new_key()

    first = demo(postgres, database, keys, mariadb_program.name.partition("-")[0])
    second = demo(postgres, database, keys, str(mariadb_program.program))

    assert f"The legacy sample is on MariaDB {mariadb_program.name}." in first
    assert f"The legacy sample is on MariaDB named-{mariadb_program.version}." in second
    for said in (first, second):
        assert [line for line in said.splitlines() if line.startswith("$ ")] == [
            "$ rewards migrate plan --from mysql://…",
            "$ rewards migrate run --from mysql://…",
            "$ rewards migrate report",
            "$ rewards migrate verify --from mysql://…",
        ]
        assert "Both databases hold the same, row by row." in said
        # The customers, prizes and logins of the sample are the legacy ones.
        assert "with other values" not in said
    connection = psycopg2.connect(postgres.url(database))
    with connection.cursor() as cursor:
        cursor.execute("SELECT kind, count(*), sum(delta)::bigint FROM point_entries GROUP BY kind ORDER BY kind")
        entries = cursor.fetchall()
        cursor.execute("SELECT reward_group_id, balance FROM reward_group_balances ORDER BY 1")
        balances = cursor.fetchall()
    connection.close()
    assert entries == [("adjustment", 2, -1_500), ("property_development", 2, 24_500), ("redemption", 3, -368_000)]
    assert balances == [(1, 1_000 + 25_000 - 326_000), (2, -500 - 42_000), (3, -2_500), (7, 0), (12, 0)]
