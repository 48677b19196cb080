"""The balance over time, read off by pointer, touch and keyboard, and as a table."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest
from playwright.sync_api import Browser, FloatRect, Page, expect

from tests.e2e.page_states import JOE, wait_until_connected
from tests.e2e.test_page_statement import sign_in
from tests.integration.api.ledger import TODAY, Ledger

DAYS = [TODAY - dt.timedelta(days=100), TODAY - dt.timedelta(days=50), TODAY - dt.timedelta(days=10)]


@pytest.fixture
def balances(ledger: Ledger) -> Ledger:
    for day, delta in zip(DAYS, (100, -1_250, 300), strict=True):
        ledger.entry("M-1001", delta, effective_on=day, tell=False)
    return ledger


def open_chart(page: Page, site: str) -> None:
    """Joe's page, once the first update, which may put all of it in its place anew, has come."""
    sign_in(page, site, JOE)
    wait_until_connected(page)


def box_of(page: Page) -> FloatRect:
    """Where the drawing is."""
    slider = page.get_by_role("slider")
    expect(slider).to_be_visible()
    box = slider.bounding_box()
    assert box is not None
    return box


def test_keyboard_reads_each_value(site: str, page: Page, balances: Ledger) -> None:
    open_chart(page, site)
    chart, slider = page.locator("balance-chart"), page.get_by_role("slider")
    expect(chart.locator(".range")).to_have_text("Jan 21, 2026 \u2013 May 1, 2026")
    slider.focus()
    said = []
    for key in ("End", "ArrowLeft", "ArrowLeft", "ArrowLeft", "PageUp", "Home"):
        page.keyboard.press(key)
        said.append(str(slider.get_attribute("aria-valuetext")))
        expect(chart.locator("output")).to_have_text(said[-1])
    first, second, third = (
        "100 points from Jan 21, 2026",
        "\u22121,150 points from Mar 12, 2026",
        "\u2212850 points from Apr 21, 2026",
    )
    assert said == [third, second, first, first, third, first]
    page.keyboard.press("Tab")
    expect(chart.locator(".range")).to_be_visible()
    expect(chart.locator("output")).to_have_text("")


def test_pointer_reads_the_day_below_it(site: str, page: Page, balances: Ledger) -> None:
    open_chart(page, site)
    box = box_of(page)
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 20)
    expect(page.locator("balance-chart output")).to_have_text("\u22121,150 points from Mar 12, 2026")
    marker = page.locator("balance-chart .marker")
    assert marker.get_attribute("cx") == "50%"
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] - 80)
    expect(page.locator("balance-chart output")).to_have_text("")


def test_touch_reads_and_a_live_update_leaves_the_reading(site: str, browser: Browser, balances: Ledger) -> None:
    with browser.new_context(has_touch=True, viewport={"width": 390, "height": 844}) as context:
        page = context.new_page()
        open_chart(page, site)
        box = box_of(page)
        page.touchscreen.tap(box["x"] + box["width"] * 0.2, box["y"] + 20)
        output = page.locator("balance-chart output")
        expect(output).to_have_text("100 points from Jan 21, 2026")
        balances.entry("M-1001", 5_000, effective_on=TODAY)
        expect(page.locator("#balance")).to_have_text("4,150")
        expect(output).to_have_text("100 points from Jan 21, 2026")


def test_values_are_a_table_also_without_script(site: str, browser: Browser, page: Page, balances: Ledger) -> None:
    sign_in(page, site, JOE)
    cookies = page.context.storage_state()
    with browser.new_context(java_script_enabled=False, storage_state=cookies) as context:
        plain = context.new_page()
        plain.goto(f"{site}/customers/M-1001")
        plain.get_by_text("Balance by day, as a table").click()
        rows = plain.locator("balance-chart tbody tr").all_inner_texts()
        assert [row.split("\t") for row in rows] == [
            ["Jan 21, 2026", "100"], ["Mar 12, 2026", "\u22121,150"], ["Apr 21, 2026", "\u2212850"],
        ]  # fmt: skip
        assert "lowest \u22121,150, highest 100" in str(
            plain.get_by_role("img", name="Balance from").get_attribute("aria-label")
        )


@pytest.mark.parametrize("days", [0, 1, 2, 1500])
def test_any_number_of_days_is_drawn(site: str, page: Page, ledger: Ledger, days: int) -> None:
    for number in range(days):
        ledger.entry("M-1001", 10 if number % 2 else -10, effective_on=TODAY - dt.timedelta(days=number), tell=False)
    open_chart(page, site)
    if not days:
        expect(page.get_by_text("is drawn here from the first points on")).to_be_visible()
        return
    expect(page.get_by_role("slider")).to_be_visible()
    # No two dates below the drawing touch, on a phone or a desk.
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 844})
        shown = [one.bounding_box() for one in page.locator(".dates text:visible").all()]
        boxes = sorted((box["x"], box["x"] + box["width"]) for box in shown if box)
        assert boxes
        assert all(before[1] < after[0] for before, after in itertools.pairwise(boxes)), boxes
        assert boxes[-1][1] <= width
