"""The pages in real headless Chromium, with the tests in place of the stream (tests/integration/api)."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import Page, expect

from streams.source.rows import TEXT_BYTES_MAX
from tests.integration.api.conftest import PASSWORDS
from tests.integration.api.ledger import Ledger, tell_changed
from tests.integration.api.servers import Postgres

ADMIN, JOE = "Admin@Example.com", "joe@wasatch.example"
NOTE_CHANGES = """
  window.seen = {};
  const balance = document.getElementById("balance");
  new MutationObserver(() => { window.seen[balance.textContent] = performance.timeOrigin + performance.now(); })
    .observe(balance, {childList: true, characterData: true, subtree: true});
"""


@pytest.fixture(autouse=True)
def _stream_that_keeps_up(ledger: Ledger) -> None:
    """As far as the watermarks say, of which the pages are told."""
    ledger.watermarks(-86_400)


def sign_in(page: Page, site: str, email: str, address: str = "/") -> None:
    page.goto(f"{site}/sign-in?next={address}")
    page.fill("#email", email)
    page.fill("#password", PASSWORDS[email])
    page.click("main button[type=submit]")
    page.wait_for_url(lambda url: "/sign-in" not in url)


def expect_live(page: Page) -> None:
    expect(page.locator("#live")).to_have_attribute("data-state", "live", timeout=10_000)


def test_notify_changes_numbers_log_and_chart_without_a_reload(site: str, page: Page, ledger: Ledger) -> None:
    ledger.entry("M-1001", 100)
    sign_in(page, site, JOE)
    expect_live(page)
    page.evaluate("window.sameDocument = true")
    chart = page.locator("balance-chart path.line").get_attribute("d")
    made = ledger.entry("M-1001", 1250, document="777-1")
    expect(page.locator("#balance")).to_have_text("1,350")
    expect(page.locator("#balance")).to_have_class("changed")
    first = page.locator("#entries .entry").first
    expect(first).to_have_id(f"entry-{made}")
    expect(first).to_contain_text("Invoice 777-1 settled on Apr 10, 2026")
    assert page.locator("balance-chart path.line").get_attribute("d") != chart
    assert page.evaluate("window.sameDocument") is True


def test_number_is_on_the_page_within_milliseconds_of_the_commit(site: str, page: Page, ledger: Ledger) -> None:
    ledger.entry("M-1001", 1)
    sign_in(page, site, JOE)
    expect_live(page)
    page.evaluate(NOTE_CHANGES)
    committed = {}
    for number in range(2, 32):
        ledger.entry("M-1001", 1)
        committed[str(number)] = time.time() * 1000
        time.sleep(0.06)
    expect(page.locator("#balance")).to_have_text("31")
    seen = page.evaluate("window.seen")
    took = sorted(seen[number] - at for number, at in committed.items() if number in seen)
    assert len(took) > 20
    # Well under 50 ms on a quiet machine; the bound leaves room for one that runs other tests.
    assert took[len(took) // 2] < 200, took


def test_first_entry_takes_the_place_of_the_empty_state(site: str, page: Page, ledger: Ledger) -> None:
    sign_in(page, site, JOE)
    expect_live(page)
    expect(page.locator("#no-entries")).to_be_visible()
    ledger.entry("M-1001", 5)
    expect(page.locator("#entries .entry")).to_have_count(1)
    expect(page.locator("#no-entries")).to_have_count(0)
    expect(page.locator("balance-chart")).to_be_visible()


def test_more_entries_than_one_update_carries_leave_no_hole(site: str, page: Page, ledger: Ledger) -> None:
    ledger.entry("M-1001", 1)
    sign_in(page, site, JOE)
    expect_live(page)
    made = [ledger.entry("M-1001", 1, tell=False) for _ in range(30)]
    with ledger.writing() as session:
        tell_changed(session, "*")
    expect(page.locator("#entries .entry").first).to_have_id(f"entry-{made[-1]}")
    ids = page.eval_on_selector_all("#entries .entry", "elements => elements.map(e => Number(e.dataset.id))")
    assert ids == made[::-1][: len(ids)]


def test_lost_listen_connection_shows_as_reconnecting_and_heals(
    site: str, page: Page, ledger: Ledger, postgres: Postgres, database: str
) -> None:
    ledger.entry("M-1001", 1)
    sign_in(page, site, JOE)
    expect_live(page)
    with postgres.admin() as cursor:
        cursor.execute(f"ALTER DATABASE {database} CONNECTION LIMIT 0")
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = %s AND application_name = 'rewards-api-listen'",
            (database,),
        )
        expect(page.locator("#live")).to_have_attribute("data-state", "reconnecting", timeout=10_000)
        ledger.entry("M-1001", 41, tell=False)
        cursor.execute(f"ALTER DATABASE {database} CONNECTION LIMIT -1")
    expect_live(page)
    expect(page.locator("#balance")).to_have_text("42")


@pytest.mark.parametrize("width", [360, 390, 1280])
def test_pages_fit_the_screen_and_load_nothing_from_elsewhere(
    site: str, page: Page, ledger: Ledger, width: int
) -> None:
    for number in range(30):
        ledger.entry(
            "M-1001", 1_000_000 * (number + 1), document=f"A-very-long-document-number-{number}" * 2, tell=False
        )
    ledger.invoice("M-1001", "22-7", "123456.78", pending=123_456, at_risk=-123_456)
    ledger.lag(0, 1_234_567, lag_seconds=5000, member="faust-0.15.3-0b7ad1c2-5f0e-4c8e-9d3a-2f4b6c8d0e1f")
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.set_viewport_size({"width": width, "height": 800})
    sign_in(page, site, ADMIN, "/customers")
    for address in ("/customers", "/customers/M-1001", "/groups/1", "/lag", "/docs"):
        page.goto(site + address)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address
    assert all(url.startswith(site) for url in requested)


def test_lag_page_follows_the_measurements_and_says_when_they_stop(site: str, page: Page, ledger: Ledger) -> None:
    sign_in(page, site, ADMIN, "/lag")
    expect(page.locator("#lag")).to_contain_text("No measurement yet")
    ledger.lag(0, 17)
    expect(page.locator("#lag")).to_contain_text("17")
    expect(page.locator("#live .text")).to_have_text("Live")
    expect(page.locator("#lag .note[data-stale]")).to_contain_text("No measurement for", timeout=15_000)
    expect(page.locator("#live .text")).to_have_text("No measurement")


def test_statement_can_be_used_by_keyboard(site: str, page: Page, ledger: Ledger) -> None:
    ledger.entry("M-1001", 5)
    sign_in(page, site, JOE)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.locator("#entries summary").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#entries dl")).to_be_visible()
    expect(page.locator("#entries dl")).to_contain_text("$1,250.99")


def test_links_lead_to_customers_of_any_id_and_their_pages_are_live(site: str, page: Page, ledger: Ledger) -> None:
    odd = (".", "..", "=..", "../entries", "a/events", "/", "100%2F?x#y", "K-0 🏠", "x" * TEXT_BYTES_MAX)
    for number, customer in enumerate(odd):
        ledger.member(customer, 1000 + number)
        ledger.entry(customer, 5000 + number, group=1000 + number)
    sign_in(page, site, ADMIN)
    for number, customer in enumerate(odd):
        page.goto(f"{site}/groups/{1000 + number}")
        page.get_by_role("link", name=customer, exact=True).click()
        expect(page.locator("#balance")).to_have_text(f"{5000 + number:,}")
        expect_live(page)
        ledger.entry(customer, 1000, group=1000 + number)
        expect(page.locator("#balance")).to_have_text(f"{6000 + number:,}")
