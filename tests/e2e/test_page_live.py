"""In real headless Chromium: an SQL update in the warehouse is a new balance on the page that is open."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import re
import secrets
from collections.abc import Iterator
from typing import Any

import psutil
import psycopg2
import pytest
from playwright.sync_api import Page, expect

from api.samples.rows import LOGINS

CUSTOMER = "M-1001"
INSERT = """
INSERT INTO invoice_transactions (transaction_id, transaction_date, transaction_type_rewards_invoice,
  transaction_type_rewards_payment, transaction_description, transaction_amount, transaction_due_date, customer_id,
  customer_name, customer_master_id, company_abbreviation, name, system_name, product_line_name, updated_date)
VALUES (%s, %s, %s, %s, %s, %s, %s, 'BT-000101', 'Wasatch Framing', %s, 'SBM', 'Sunroc Building Materials, Inc.',
  'BisTrack', 'Lumber', clock_timestamp())
"""
CORRECT = "UPDATE invoice_transactions SET transaction_amount = %s WHERE transaction_id = %s"
LOGIN = next(login for login in LOGINS if login.reward_group_id == 1)


@pytest.fixture
def warehouse(stack: Any) -> Iterator[psycopg2.extensions.cursor]:
    connection = psycopg2.connect(stack.status["warehouse"])
    connection.autocommit = True
    with connection.cursor() as cursor:
        yield cursor
    connection.close()


def points_of(page: Page, address: str) -> int:
    answer = page.request.get(f"{address}/api/customers/{CUSTOMER}")
    assert answer.ok, answer.text()
    balance: int = json.loads(answer.text())["balance"]
    return balance


def _enrol(stack: Any) -> None:
    """The sample's users, and the customer in the reward group of the one who signs in."""
    stack.command("api", "samples")
    with stack.cursor("rewards") as cursor:
        cursor.execute(
            "INSERT INTO customers_reward_groups (customer_master_id, reward_group_id, enrolled_at)"
            " VALUES (%s, %s, '2011-01-15') ON CONFLICT (customer_master_id) DO NOTHING",
            (CUSTOMER, LOGIN.reward_group_id),
        )
    stack.wait()


def _opened(stack: Any, page: Page) -> str:
    """Open the customer's page, signed in and live; return the site's address."""
    _enrol(stack)
    site: str = stack.status["web"]
    page.goto(f"{site}/sign-in")
    page.fill("#email", LOGIN.email)
    page.fill("#password", LOGIN.password)
    page.click("main button[type=submit]")
    page.wait_for_url(lambda address: "sign-in" not in address)
    # Other tests may have put more members into the group, whose page comes first then.
    page.goto(f"{site}/customers/{CUSTOMER}")
    expect(page.locator("#live")).to_have_attribute("data-state", "live", timeout=15_000)
    return site


def test_payment_by_sql_changes_the_balance_on_the_open_page(
    stack: Any, warehouse: psycopg2.extensions.cursor, page: Page
) -> None:
    site = _opened(stack, page)
    page.evaluate("window.sameDocument = true")

    document = f"E2E-{secrets.token_hex(4)}"
    number = 9_000_000_000 + secrets.randbelow(1_000_000_000)
    today = dt.date.fromisoformat(stack.status["business_date"])
    due_on = today + dt.timedelta(days=30)
    warehouse.execute(INSERT, (number, today, True, False, document, "1250.99", due_on, CUSTOMER))
    expect(page.locator("[data-section=pending-list]")).to_contain_text(document, timeout=15_000)

    warehouse.execute(INSERT, (number + 1, today, False, True, document, "-1000.00", None, CUSTOMER))
    expect(page.locator("[data-section=invoices]")).to_contain_text("$250.99", timeout=15_000)

    warehouse.execute(
        "UPDATE invoice_transactions SET transaction_amount = -1250.99 WHERE transaction_id = %s", (number + 1,)
    )
    entry = page.locator("#entries .entry").filter(has_text=f"Invoice {document} settled on")
    expect(entry).to_contain_text("+1,250", timeout=15_000)
    # The feed may change other invoices of the customer meanwhile: the page must show what the site itself answers.
    for _ in range(20):
        shown = page.locator("#balance").inner_text().replace(",", "").replace("\u2212", "-")
        if int(shown) == points_of(page, site):
            break
        page.wait_for_timeout(250)
    else:
        pytest.fail("the page and /api do not agree on the balance")
    assert page.evaluate("window.sameDocument") is True


def test_worker_that_stands_shows_on_the_open_page_until_it_has_caught_up(
    stack: Any, warehouse: psycopg2.extensions.cursor, page: Page
) -> None:
    _opened(stack, page)
    # Under its supervisor's eyes: it may start the worker anew before the test lets it go on.
    worker = psutil.Process(stack.process("worker")["pid"])
    document, number = f"E2E-{secrets.token_hex(4)}", 9_000_000_000 + secrets.randbelow(1_000_000_000)
    today = dt.date.fromisoformat(stack.status["business_date"])
    due_on = today + dt.timedelta(days=30)
    worker.suspend()
    try:
        warehouse.execute(INSERT, (number, today, True, False, document, "1250.99", due_on, CUSTOMER))
        expect(page.locator("#live")).to_have_text(re.compile(r"^Catching up, \d+ s behind$"), timeout=20_000)
        expect(page.locator("[data-section=pending-list]")).not_to_contain_text(document)
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            worker.resume()
    # It comes back to its partitions and their changelog first. Less than the watchdog's limit: nobody had to end it.
    stack.wait(60)
    expect(page.locator("[data-section=pending-list]")).to_contain_text(document, timeout=15_000)
    expect(page.locator("#live")).to_have_text("Live", timeout=60_000)
