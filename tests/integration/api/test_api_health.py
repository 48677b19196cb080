from __future__ import annotations

import time

import httpx

from tests.integration.api.servers import Postgres, running_site


def becomes(client: httpx.Client, status: int) -> httpx.Response:
    for _ in range(100):
        answer = client.get("/readyz")
        if answer.status_code == status:
            return answer
        time.sleep(0.1)
    raise AssertionError(answer.text)


def test_site_with_its_database_is_ready(anybody: httpx.Client) -> None:
    assert anybody.get("/healthz").json() == {"status": "up"}
    assert becomes(anybody, 200).json() == {"status": "ready", "reasons": []}


def test_missing_table_and_column_are_named(anybody: httpx.Client, postgres: Postgres, database: str) -> None:
    with postgres.admin(database) as cursor:
        cursor.execute("ALTER TABLE dead_letters RENAME TO renamed")
        cursor.execute("ALTER TABLE users RENAME COLUMN name TO renamed")
    (reason,) = becomes(anybody, 503).json()["reasons"]
    assert reason == "the database's schema is not at head, it lacks: dead_letters, users.name"


def test_empty_database_is_not_ready(postgres: Postgres) -> None:
    name = postgres.new_database("template0")
    with running_site(postgres.url(name)) as site, httpx.Client(base_url=site) as client:
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert "not at head" in answer.json()["reasons"][0]
    postgres.drop_database(name)


def test_database_away_gives_both_reasons_and_the_process_stays_up(
    anybody: httpx.Client, postgres: Postgres, database: str
) -> None:
    becomes(anybody, 200)
    with postgres.admin() as cursor:
        cursor.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (database,))
        time.sleep(0.3)
        reasons = becomes(anybody, 503).json()["reasons"]
        assert reasons[0].startswith("the database does not answer")
        assert reasons[1].startswith("changes are not heard of: no LISTEN connection")
        assert anybody.get("/healthz").status_code == 200
        cursor.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")
    becomes(anybody, 200)
