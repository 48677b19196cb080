"""TRUNCATE in a real warehouse, with a pause, with half of the rows, with all of them: what the points do, and where a person sees it."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests import from_scratch
from tests.integration.invoices import enrol, execute, insert, query, row
from tests.stack import Stack, eventually

BILLED, PAID, DUE, TODAY = dt.date(2026, 1, 5), dt.date(2026, 1, 20), dt.date(2026, 2, 25), dt.date(2026, 3, 1)
UNITS = "postgres,kafka,databases,upgrade,topics,day,connect,worker,lag,connectors"
QUIET_SECONDS, MISSING_SECONDS = 3, 9
CUSTOMERS = ("R-0", "R-1", "R-2")
INVOICES = 40


@pytest.fixture(scope="module")
def reloading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that waits for seconds, with invoices of 100 points each."""
    stack = Stack(tmp_path_factory.mktemp("reloading") / "stack")
    environment = os.environ | {
        "REWARDS_RELOAD_QUIET_SECONDS": str(QUIET_SECONDS),
        "REWARDS_RELOAD_MISSING_SECONDS": str(MISSING_SECONDS),
    }
    try:
        stack.up("--no-feed", "--business-date", TODAY.isoformat(), "--only", UNITS, environment=environment)
        for customer in CUSTOMERS:
            enrol(stack, customer)
        invoices = [(CUSTOMERS[number % len(CUSTOMERS)], f"D-{number}") for number in range(INVOICES)]
        insert(stack, *(row(*invoice, BILLED, "100.00", transaction_due_date=DUE) for invoice in invoices))
        insert(stack, *(row(*invoice, PAID, "-100.00", payment=True) for invoice in invoices))
        stack.wait()
        yield stack
    finally:
        stack.discard()


@pytest.fixture(autouse=True)
def _agrees_with_a_computation_from_scratch(reloading: Stack) -> Iterator[None]:
    yield
    reloading.wait()
    assert from_scratch.differences(reloading.address("warehouse"), reloading.address("rewards")) == []


@contextmanager
def truncated(stack: Stack) -> Iterator[None]:
    """Within it the table is empty, and the rows are in `kept`."""
    execute(stack, "warehouse", "CREATE TABLE kept AS SELECT * FROM invoice_transactions")
    execute(stack, "warehouse", "TRUNCATE invoice_transactions")
    try:
        yield
    finally:
        execute(stack, "warehouse", "DROP TABLE kept")


def load(stack: Stack, condition: str = "true") -> None:
    execute(stack, "warehouse", f"INSERT INTO invoice_transactions SELECT * FROM kept WHERE {condition}")


def balances(stack: Stack) -> dict[str, int]:
    found = dict(query(stack, "SELECT customer_master_id, sum(points)::int FROM customer_points GROUP BY 1"))
    assert query(stack, "SELECT sum(delta)::int FROM point_entries") == [(sum(found.values()),)]
    return found


def entries(stack: Stack) -> list[tuple[Any, ...]]:
    return query(
        stack, "SELECT cause_data ->> 'kind', count(*)::int, sum(delta)::int FROM point_entries GROUP BY 1 ORDER BY 1"
    )


def reloads(stack: Stack) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(stack.command("reload", "status", "--json", check=False).stdout)
    return found


def waits_for(stack: Stack, what: str) -> dict[str, Any]:
    return eventually(lambda: next((one for one in reloads(stack) if one["waits_for"] == what), None), interval=0.5)


def test_truncate_and_a_long_pause_take_no_points_and_are_named_everywhere(reloading: Stack) -> None:
    before, log = balances(reloading), entries(reloading)
    assert sum(before.values()) == INVOICES * 100
    with truncated(reloading):
        found = waits_for(reloading, "word")
        assert (found["kind"], found["missing"], found["live"]) == ("truncate", INVOICES, INVOICES)
        assert (balances(reloading), entries(reloading)) == (before, log)
        written = query(reloading, "SELECT id, revision FROM invoices ORDER BY id")

        named = f"has not shown {INVOICES} of {INVOICES} invoices again; it waits for a person's word"
        for command in (("status",), ("reload", "status"), ("wait", "--timeout", "3"), ("lag", "--once")):
            said = reloading.command(*command, check=False)
            assert said.returncode == (0 if command[0] == "lag" else 1), said
            assert named in said.stdout + said.stderr, command
            assert "`rewards connectors resnapshot`" in said.stdout + said.stderr
        assert [one["waits_for"] for one in reloading.status["reloads"]] == ["word"]
        eventually(lambda: named in (reloading.folder / "logs" / "lag.log").read_text())
        assert query(reloading, "SELECT id, revision FROM invoices ORDER BY id") == written

        load(reloading)
    reloading.wait()

    assert (balances(reloading), entries(reloading)) == (before, log)
    assert reloads(reloading) == []
    assert reloading.command("status").returncode == 0


def test_a_day_that_opens_while_half_is_missing_and_a_word_that_the_rest_is_gone(reloading: Stack) -> None:
    before, log = balances(reloading), entries(reloading)
    with truncated(reloading):
        load(reloading, "substr(transaction_description, 3)::int %% 2 = 0")
        refused = reloading.command("reload", "accept", "memberships")
        assert "nothing to accept" in refused.stdout
        waits_for(reloading, "time")
        reloading.command("day", "--to", (TODAY + dt.timedelta(days=70)).isoformat())
        found = waits_for(reloading, "word")
        assert (found["missing"], found["live"]) == (INVOICES // 2, INVOICES)
        assert (balances(reloading), entries(reloading)) == (before, log)

    said = reloading.command("reload", "accept", "invoices").stdout
    assert (
        f"{INVOICES // 2} invoices that the truncate of warehouse.public.invoice_transactions did not show again"
        in said
    )
    assert f"{INVOICES // 2 * 100:,} points" in said
    reloading.wait()

    assert sum(balances(reloading).values()) == INVOICES // 2 * 100
    assert [one for one in entries(reloading) if one not in log] == [("reload", INVOICES // 2, INVOICES // 2 * -100)]
    assert query(reloading, "SELECT accepted_by IS NOT NULL FROM source_epochs WHERE accepted_at IS NOT NULL") == [
        (True,)
    ]
    for _ in range(2):
        assert "No reload is open: there is nothing to accept." in reloading.command("reload", "accept").stdout


def test_little_that_does_not_come_back_is_taken_after_the_quiet_time(reloading: Stack) -> None:
    total = sum(balances(reloading).values())
    with truncated(reloading):
        load(reloading, "transaction_description <> 'D-0'")
    reloading.wait()
    assert sum(balances(reloading).values()) == total - 100


def test_emptied_table_and_a_new_snapshot_take_no_points_before_a_persons_word(reloading: Stack) -> None:
    """A snapshot of a table that was emptied while nobody captured it says the same as a truncate."""
    before, log = balances(reloading), entries(reloading)
    execute(reloading, "warehouse", "CREATE TABLE kept AS SELECT * FROM invoice_transactions")
    execute(reloading, "warehouse", "ALTER PUBLICATION rewards_warehouse DROP TABLE invoice_transactions")
    execute(reloading, "warehouse", "TRUNCATE invoice_transactions")
    try:
        reloading.command("connectors", "repair", timeout=300)
        found = waits_for(reloading, "word")
        assert (found["kind"], found["missing"], found["live"]) == ("snapshot", found["live"], found["live"])
        assert (balances(reloading), entries(reloading)) == (before, log)
        load(reloading)
    finally:
        execute(reloading, "warehouse", "DROP TABLE kept")
    reloading.wait()
    assert (balances(reloading), entries(reloading)) == (before, log)
