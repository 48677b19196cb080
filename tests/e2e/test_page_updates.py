"""An update of an open page leaves the reader where it is: focus, selection, scroll positions and opened details."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import text

from tests.e2e.test_page_statement import ADMIN, JOE, expect_live, sign_in
from tests.integration.api.ledger import Ledger

MARK = "element => { window.marked = element; }"
IS_IN_PLACE = "() => window.marked.isConnected"


@pytest.fixture
def page(page: Page, site: str, ledger: Ledger) -> Page:
    """A customer's page with more of everything than is shown at first."""
    ledger.watermarks(-86_400)
    for number in range(30):
        ledger.entry("M-1001", 10, document=f"L-{number}", tell=False)
    for number in range(12):
        ledger.invoice("M-1001", f"P-{number}", "900.00", pending=900, at_risk=-900)
    sign_in(page, site, JOE)
    expect_live(page)
    return page


def change(ledger: Ledger) -> None:
    """Something that each part of the page shows."""
    ledger.invoice("M-1001", "A-new-one", "77.00", pending=77, at_risk=-77)
    ledger.entry("M-1001", 1000, document="The-newest")


def expect_changed(page: Page) -> None:
    expect(page.locator("#balance")).to_have_text("1,300")
    expect(page.locator("[data-section=invoices]")).to_contain_text("A-new-one")
    expect(page.locator("#entries .entry").first).to_contain_text("The-newest")


@pytest.mark.parametrize("section", ["pending-list", "at-risk-list", "invoices"])
def test_focus_and_opened_details_stay(page: Page, ledger: Ledger, section: str) -> None:
    summary = page.locator(f"[data-section={section}] summary")
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.locator(f"[data-section={section}] details")).to_have_attribute("open", "")
    summary.evaluate(MARK)
    change(ledger)
    expect_changed(page)
    expect(summary).to_be_focused()
    assert page.evaluate(IS_IN_PLACE)
    expect(page.locator(f"[data-section={section}] details")).to_have_attribute("open", "")


def test_opened_entry_of_the_log_stays_open_with_its_focus(page: Page, ledger: Ledger) -> None:
    summary = page.locator("#entries .entry").nth(3).locator("summary")
    summary.focus()
    page.keyboard.press("Enter")
    summary.evaluate(MARK)
    change(ledger)
    expect_changed(page)
    assert page.evaluate("() => document.activeElement === window.marked && window.marked.parentElement.open")


def test_selection_stays_also_around_a_number_that_changes(page: Page, ledger: Ledger) -> None:
    select = """([from, to]) => {
      const range = document.createRange();
      range.setStartBefore(document.querySelector(from)); range.setEndAfter(document.querySelector(to));
      getSelection().removeAllRanges(); getSelection().addRange(range);
    }"""
    # What `toString()` says depends on how it is laid out.
    selected = "() => getSelection().getRangeAt(0).cloneContents().textContent"
    page.evaluate(select, ["#entries .entry:nth-child(2) .headline", "#entries .entry:nth-child(4) .headline"])
    before = page.evaluate(selected)
    change(ledger)
    expect_changed(page)
    assert page.evaluate(selected) == before != ""

    page.evaluate(select, [".hero .label", "#balance"])
    ledger.entry("M-1001", 1000)
    expect(page.locator("#balance")).to_have_text("2,300")
    shown = page.evaluate(selected)
    assert shown.startswith("Balance")
    assert shown.endswith("2,300")


def scroll_the_page(page: Page) -> Callable[[], Any]:
    entry = page.locator("#entries .entry").nth(20)
    entry.evaluate("element => { window.marked = element; element.scrollIntoView({block: 'center'}); }")
    return lambda: round(page.evaluate("() => window.marked.getBoundingClientRect().top"))


def scroll_a_table(page: Page) -> Callable[[], Any]:
    table = page.locator("#balances")
    page.locator("details:has(#balances) > summary").click()
    # The page's policy takes no style of ours: a rule of its own sheet is changed.
    page.evaluate(
        "document.styleSheets[0].insertRule('#balances { max-height: 2rem }', document.styleSheets[0].cssRules.length)"
    )
    table.evaluate("element => { element.scrollTop = 20; }")
    assert table.evaluate("element => element.scrollTop") == 20
    return lambda: table.evaluate("element => element.scrollTop")


@pytest.mark.parametrize("scroll", [scroll_the_page, scroll_a_table])
def test_scroll_position_stays(page: Page, ledger: Ledger, scroll: Callable[[Page], Callable[[], Any]]) -> None:
    position = scroll(page)
    before = position()
    change(ledger)
    expect_changed(page)
    page.wait_for_timeout(300)
    assert abs(position() - before) <= 2


def test_focus_stays_on_its_customer_when_another_comes_above_it(page: Page, site: str, ledger: Ledger) -> None:
    ledger.member("M-3000", 1)
    sign_out_and_in(page, site)
    page.goto(f"{site}/groups/1")
    expect_live(page)
    link = page.get_by_role("link", name="M-3000", exact=True)
    link.focus()
    ledger.member("A-1000", 1)
    ledger.entry("A-1000", 3)
    ledger.entry("M-3000", 4)
    expect(page.get_by_role("link", name="A-1000", exact=True)).to_be_visible()
    expect(page.locator("[data-section=members] tr", has_text="M-3000")).to_contain_text("4")
    expect(link).to_be_focused()


def test_focus_stays_near_what_is_gone(page: Page, ledger: Ledger) -> None:
    page.locator("[data-section=pending-list] summary").focus()
    with ledger.writing() as session:
        session.execute(text("UPDATE invoices SET pending = 0"))
    ledger.entry("M-1001", 1000)
    expect(page.locator("[data-section=pending-list]")).to_contain_text("Nothing is pending")
    expect(page.locator("[data-section=pending-list]")).to_be_focused()


def test_chart_is_read_at_its_newest_state(page: Page, ledger: Ledger) -> None:
    change(ledger)
    expect_changed(page)
    box = page.locator(".hero svg").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] - 1, box["y"] + 5)
    expect(page.locator(".hero output")).to_contain_text("1,300 points")


def sign_out_and_in(page: Page, site: str) -> None:
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, site, ADMIN)


def test_reader_of_the_lag_page_stays_where_it_is(page: Page, site: str, ledger: Ledger) -> None:
    for partition in range(3):
        ledger.lag(partition, 5, age_seconds=-60)
    sign_out_and_in(page, site)
    page.goto(f"{site}/lag")
    expect(page.locator("#live .text")).to_have_text("Live")
    table = page.locator("#lag .scroll")
    page.evaluate("getSelection().selectAllChildren(document.querySelector('#lag h2'))")
    before = page.evaluate("getSelection().toString()")
    with ledger.writing() as session:
        session.execute(text("UPDATE consumer_lag SET lag_records = 777"))
    expect(table).to_contain_text("777")
    assert page.evaluate("getSelection().toString()") == before != ""


@pytest.mark.parametrize(("role", "shows"), [(4, "Your account may not see this page."), (9, "Sign in")])
def test_lag_page_of_a_viewer_who_may_not_see_it_any_more_says_so(
    browser: Browser, site: str, ledger: Ledger, role: int, shows: str
) -> None:
    context = browser.new_context()
    page = context.new_page()
    sign_in(page, site, ADMIN, "/lag")
    expect(page.locator("#lag")).to_be_visible()
    with ledger.writing() as session:
        session.execute(
            text("UPDATE users SET role_id = :role WHERE lower(email) = lower(:email)"), {"role": role, "email": ADMIN}
        )
    expect(page.locator("main")).to_contain_text(shows, timeout=10_000)
    context.close()
