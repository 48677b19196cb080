"""The feed on a real Postgres: what it writes is what it meant, twice, at once, and through an interrupted reload."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from connectors.feed.catalog import customers
from connectors.feed.changes import Insert, Row, Update
from connectors.feed.enrolment import enrol
from connectors.feed.generator import Generator
from connectors.feed.ledger import Ledger
from connectors.feed.settings import FeedError
from connectors.feed.warehouse import Warehouse
from tests.integration.api.servers import Postgres, running_postgres

PROJECT = Path(__file__).resolve().parents[2]
SCHEMA = PROJECT / "connectors" / "warehouse" / "schema.sql"
TODAY = dt.date(2026, 11, 22)
CONTENT = "SELECT {} FROM invoice_transactions ORDER BY transaction_id"


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture
def empty_database(server: Postgres) -> Iterator[str]:
    name = server.new_database("template0")
    with server.admin() as cursor:
        cursor.execute(f"ALTER DATABASE {name} OWNER TO postgres")
    yield server.url(name, "postgres")
    server.drop_database(name)


@pytest.fixture
def url(empty_database: str) -> str:
    with contextlib.closing(psycopg2.connect(empty_database)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(SCHEMA.read_text(encoding="utf-8"))
    return empty_database


def feed(url: str, *options: str, rewards: str | None = None) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("REWARDS_")}
    environment |= {"REWARDS_WAREHOUSE_URL": url} | ({"REWARDS_DATABASE_URL": rewards} if rewards else {})
    command = [sys.executable, "-m", "cli", "feed", "--json", "--business-date", TODAY.isoformat(), *options]
    return subprocess.Popen(
        command, env=environment, cwd=PROJECT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    figures: dict[str, Any] = json.loads(out)
    return figures


def rows(url: str, columns: str = ", ".join(Row._fields)) -> list[tuple[Any, ...]]:
    with contextlib.closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(CONTENT.format(columns))
        return cursor.fetchall()


def test_mixed_changes_leave_the_table_as_the_feed_remembers_it(url: str) -> None:
    warehouse = Warehouse(url)
    ledger = Ledger()
    generator = Generator(seed=3, customers=customers(30), take_id=warehouse.take_id, ledger=ledger, bad_share=0.01)
    for invoice in generator.history(500, TODAY):
        warehouse.write(Insert(row) for row in invoice)
    for _ in range(1_000):
        warehouse.write(generator.transaction(TODAY))
    # NaN equals nothing, not even itself: compared as text.
    assert [str(Row(*row)) for row in rows(url)] == [str(row) for row in sorted(ledger.all_rows())]
    warehouse.close()


def test_same_seed_on_an_empty_table_gives_the_same_table(server: Postgres, url: str) -> None:
    options = ("--customers", "20", "--rows", "600", "--rate", "0", "--seed", "5", "--bad-share", "0.01")
    figures = ended(feed(url, *options))
    assert (figures["loaded"], figures["changes"]) == (400, 600)
    first = [str(row) for row in rows(url)]
    with contextlib.closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("TRUNCATE invoice_transactions; DROP SCHEMA feed CASCADE")
    ended(feed(url, *options))
    assert [str(row) for row in rows(url)] == first


def test_second_run_changes_rows_that_stand_already(url: str) -> None:
    ended(feed(url, "--customers", "20", "--rows", "1", "--rate", "0"))
    before = {row[0]: row for row in rows(url)}
    figures = ended(feed(url, "--customers", "20", "--rows", "300", "--rate", "0", "--seed", "2"))
    after = {row[0]: row for row in rows(url)}
    assert figures["loaded"] == 0
    assert sum(after.get(number) != row for number, row in before.items()) > 20
    assert set(after) - set(before)


def test_two_feeds_at_once_lose_no_row(url: str) -> None:
    ended(feed(url, "--rows", "1", "--load", "0", "--rate", "0", "--seed", "1"))
    both = [feed(url, "--rows", "1500", "--rate", "0", "--seed", seed) for seed in ("2", "3")]
    figures = [ended(process) for process in both]
    inserted = 1 + sum(found["inserts"] for found in figures)
    assert inserted - sum(found["deletes"] for found in figures) <= len(rows(url)) <= inserted


def test_changes_that_a_deadlock_ended_are_written_again(url: str) -> None:
    warehouse = Warehouse(url)
    generator = Generator(seed=3, customers=customers(30), take_id=warehouse.take_id, ledger=Ledger(), bad_share=0.0)
    first, second = [row for invoice in generator.history(2, TODAY) for row in invoice][:2]
    warehouse.write([Insert(first), Insert(second)])
    changes = [Update(row.transaction_id, {"name": "written"}) for row in (first, second)]
    with contextlib.closing(psycopg2.connect(url)) as other, ThreadPoolExecutor() as pool, other.cursor() as cursor:
        touch = "UPDATE invoice_transactions SET system_name = 'touched' WHERE transaction_id = %s"
        # The feed looks for a deadlock first, so that it is the one that is ended.
        cursor.execute("SET deadlock_timeout = '1 min'")
        cursor.execute(touch, (second.transaction_id,))
        written = pool.submit(warehouse.write, changes)
        while not is_waiting(url):
            assert not written.done()
        cursor.execute(touch, (first.transaction_id,))
        other.commit()
        written.result(timeout=60)
    assert rows(url, "name, system_name") == [("written", "touched")] * 2
    warehouse.close()


def is_waiting(url: str) -> bool:
    with contextlib.closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


def test_rate_is_kept(url: str) -> None:
    figures = ended(feed(url, "--rows", "200", "--load", "100", "--rate", "100"))
    assert 1.5 < figures["seconds"] < 4
    assert figures["commits"] > 50


def test_reload_brings_the_same_rows_back(url: str) -> None:
    ended(feed(url, "--rows", "500", "--load", "1000", "--rate", "0", "--bad-share", "0.05"))
    before = rows(url, "invoice_transactions::text")
    for chunks in ("1", "7"):
        figures = ended(feed(url, "--truncate-and-reload", "--chunks", chunks))
        assert figures["rows_loaded"] == len(before)
        assert rows(url, "invoice_transactions::text") == before


def test_killed_reload_is_completed_by_the_next_call(url: str) -> None:
    ended(feed(url, "--rows", "1", "--load", "3000", "--rate", "0"))
    before = rows(url, "invoice_transactions::text")
    process = feed(url, "--truncate-and-reload", "--chunks", "3000")
    deadline = time.monotonic() + 60
    while not 0 < len(rows(url)) < len(before):
        assert time.monotonic() < deadline
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(rows(url)) < len(before)
    figures = ended(feed(url, "--truncate-and-reload"))
    assert figures["completed_interrupted"]
    assert rows(url, "invoice_transactions::text") == before


def test_interrupt_ends_cleanly_with_figures(url: str) -> None:
    process = feed(url, "--forever", "--rate", "200", "--load", "50")
    deadline = time.monotonic() + 60
    while len(rows(url)) < 80:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert ended(process)["changes"] > 0


def test_lost_connection_is_made_again_while_running_forever(server: Postgres, url: str) -> None:
    process = feed(url, "--forever", "--rate", "500", "--load", "50")
    deadline = time.monotonic() + 60
    while len(rows(url)) < 80:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with server.admin() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'rewards feed'")
    written = len(rows(url))
    while len(rows(url)) < written + 100:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert ended(process)["changes"] > 0


def test_warehouse_without_the_table_says_what_to_do(empty_database: str) -> None:
    with pytest.raises(FeedError, match="rewards up"):
        Warehouse(empty_database)


def test_absent_warehouse_is_one_sentence_without_the_password() -> None:
    process = feed("postgresql://somebody:secret@127.0.0.1:1/warehouse")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err.startswith("Error: the warehouse does not answer")
    assert "secret" not in err
    assert len(err.splitlines()) == 1


def test_enrolment_adds_what_is_missing_and_leaves_the_rest_alone(server: Postgres) -> None:
    name = server.new_database()
    url = server.url(name)
    try:
        assert enrol(url, 100, TODAY) > 60
        with contextlib.closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
            cursor.execute("DELETE FROM customers_reward_groups WHERE customer_master_id = 'M-1002'")
            assert enrol(url, 50, TODAY) == 0
        with contextlib.closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
            assert enrol(url, 200, TODAY) > 60
            cursor.execute("SELECT count(*) FROM customers_reward_groups WHERE customer_master_id = 'M-1002'")
            assert cursor.fetchone() == (0,)
            cursor.execute("INSERT INTO reward_groups (name) VALUES ('by hand') RETURNING id > 100")
            assert cursor.fetchone() == (True,)
    finally:
        server.drop_database(name)
