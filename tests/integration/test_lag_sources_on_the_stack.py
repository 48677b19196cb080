"""What goes wrong with a captured source is named by the lag process and shown to the office, until it was mended."""

from __future__ import annotations

import datetime as dt
import json
import os
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api.samples.rows import LOGINS
from tests.integration.invoices import execute, query
from tests.stack import Stack, eventually

UNITS = "postgres,kafka,databases,upgrade,topics,day,connect,worker,lag,api,connectors"
SAID = "warehouse: public.invoice_transactions is not in the publication rewards_warehouse"
ADMIN = next(one for one in LOGINS if one.email.lower().startswith("admin"))


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose sources are checked every second."""
    stack = Stack(tmp_path_factory.mktemp("watched") / "stack")
    environment = {**os.environ, "REWARDS_SOURCE_CHECK_SECONDS": "1"}
    try:
        stack.up("--no-feed", "--business-date", "2026-06-01", "--only", UNITS, environment=environment)
        stack.command("api", "samples")
        stack.wait()
        yield stack
    finally:
        stack.discard()


@pytest.fixture
def office(watched: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=watched.address("web"), timeout=20) as client:
        answer = client.post("/api/session", json={"email": ADMIN.email, "password": ADMIN.password})
        assert answer.status_code == 200, answer.text
        yield client


def source(office: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = office.get("/api/lag").json()["source"]
    return found


def codes(office: httpx.Client) -> list[str]:
    found = source(office)
    assert found["state"] == "fresh"
    return [one["code"] for one in found["findings"]]


def log(stack: Stack) -> str:
    return (stack.folder / "logs" / "lag.log").read_text()


def test_table_out_of_the_publication_is_named_and_shown_until_it_is_repaired(
    watched: Stack, office: httpx.Client
) -> None:
    eventually(lambda: codes(office) == [])
    execute(watched, "warehouse", "ALTER PUBLICATION rewards_warehouse DROP TABLE invoice_transactions")
    began = time.monotonic()

    eventually(lambda: "table_not_published" in codes(office))
    assert time.monotonic() - began < 15
    finding = next(one for one in source(office)["findings"] if one["code"] == "table_not_published")
    assert (finding["connector"], finding["severity"]) == ("warehouse", "error")
    assert finding["remedy"] == "rewards connectors repair"
    page = office.get("/lag").text
    assert "public.invoice_transactions is not in the publication rewards_warehouse" in page
    assert "Remedy: <code>rewards connectors repair</code>" in page
    eventually(lambda: SAID in log(watched))
    # What is shown by hand is the same, and changes nothing of it.
    shown = watched.command("lag", "--once")
    assert SAID in shown.stdout
    measured = json.loads(watched.command("lag", "--once", "--json").stdout)
    found = {one["topic"]: {finding["code"] for finding in one["source_findings"]} for one in measured}
    assert "table_not_published" in found["warehouse.public.invoice_transactions"]
    assert [of for topic, of in found.items() if not topic.startswith("warehouse.") and of] == []

    watched.command("connectors", "repair", timeout=300)

    eventually(lambda: codes(office) == [], timeout=60)
    assert "data-finding" not in office.get("/lag").text
    eventually(lambda: "warehouse: over: public.invoice_transactions is not in the publication" in log(watched))
    said = [line for line in log(watched).splitlines() if SAID in line]
    assert len(said) == 1, said
    watched.wait()


def test_source_is_not_said_to_be_well_while_the_lag_process_stands(watched: Stack, office: httpx.Client) -> None:
    eventually(lambda: codes(office) == [], timeout=60)
    execute(watched, "rewards", "UPDATE source_checks SET stale_at = clock_timestamp() + interval '1 hour'")
    process = next(one for one in watched.processes() if one.pid == watched.process("lag")["pid"])
    process.suspend()
    try:
        checked = query(watched, "SELECT checked_at FROM source_checks")
        execute(watched, "rewards", "UPDATE source_checks SET stale_at = clock_timestamp()")
        assert source(office)["state"] == "stale"
        assert "The sources are not checked since " in office.get("/lag").text
        assert query(watched, "SELECT checked_at FROM source_checks") == checked
    finally:
        process.resume()
    eventually(lambda: source(office)["state"] == "fresh", timeout=60)


def test_connect_that_is_away_is_named_and_the_lag_is_measured_all_the_same(
    watched: Stack, office: httpx.Client
) -> None:
    eventually(lambda: codes(office) == [], timeout=60)
    connect = next(one for one in watched.processes() if one.pid == watched.process("connect")["pid"])
    connect.suspend()
    try:
        eventually(lambda: "connect_unreadable" in codes(office), timeout=60)
        assert "connect_unreadable" in codes(office)
        before = dt.datetime.now(dt.UTC)
        eventually(lambda: query(watched, "SELECT min(measured_at) FROM consumer_lag")[0][0] > before, timeout=10)
    finally:
        connect.resume()
    eventually(lambda: codes(office) == [], timeout=120)


def test_no_password_is_in_the_log_of_the_lag_process(watched: Stack) -> None:
    passwords = json.loads((watched.folder / "secrets.json").read_text())["passwords"]
    assert [role for role, password in passwords.items() if password in log(watched)] == []
