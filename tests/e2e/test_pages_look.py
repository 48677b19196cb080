"""Every page, in every state that a person meets it in: nothing that axe-core finds at level A or AA, and nothing cut off.

On a phone, a tablet and a desk, light and dark.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from api.app import ROUTERS
from tests.e2e.page_states import NO_PAGES, STATES, Sites, State, running_sites, wait_until_connected
from tests.integration.api.conftest import PASSWORDS
from tests.integration.api.servers import Postgres

LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
WIDTHS = (390, 768, 1440)
ONE_ROW_PX = 64
"""The height of a header whose parts stand side by side."""
CUT = """
  // What is wider than the region that scrolls it, and texts of one line that end beyond the screen.
  () => [...document.querySelectorAll(".scroll")].filter((region) => region.scrollWidth > region.clientWidth + 1).map((region) => region.id)
"""
UNREACHABLE = """
  () => [...document.querySelectorAll("*")].filter((element) => {
    const style = getComputedStyle(element);
    const scrolls = /auto|scroll/.test(style.overflowX + style.overflowY) && !element.matches(":root, [popover]");
    return scrolls && !(element.tabIndex >= 0 && element.getAttribute("aria-label"));
  }).map((element) => element.outerHTML.slice(0, 80))
"""
REPEATED = """
  () => {
    const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
    return ids.filter((id, i) => ids.indexOf(id) !== i);
  }
"""


@pytest.fixture(scope="module")
def sites(postgres: Postgres) -> Iterator[Sites]:
    with running_sites(postgres) as sites:
        yield sites


@pytest.fixture(scope="module")
def contexts(browser: Browser, sites: Sites) -> Iterator[dict[tuple[str, str | None], BrowserContext]]:
    """A browser's profile for each user of each site, signed in once."""
    made: dict[tuple[str, str | None], BrowserContext] = {}
    for state in STATES:
        if (state.on, state.email) in made:
            continue
        context = browser.new_context()
        made[state.on, state.email] = context
        if state.email is not None:
            credentials = {"email": state.email, "password": PASSWORDS[state.email]}
            answer = context.request.post(f"{sites.addresses[state.on]}/api/session", data=credentials)
            assert answer.ok, answer.text()
    yield made
    for context in made.values():
        context.close()


@pytest.fixture(scope="module", params=STATES, ids=lambda state: state.name)
def opened(
    request: pytest.FixtureRequest, sites: Sites, contexts: dict[tuple[str, str | None], BrowserContext]
) -> Iterator[Page]:
    """The page, with everything on it open that can be opened."""
    state: State = request.param
    page = contexts[state.on, state.email].new_page()
    if state.come is None:
        answer = page.goto(state.url(sites))
        assert answer is not None
        assert answer.status == state.status
    else:
        state.come(page, sites, state)
    if page.locator("#overview").count():
        wait_until_connected(page)
    page.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
    yield page
    page.close()


def test_every_page_of_the_site_is_looked_at() -> None:
    shown = {
        route.path
        for router in ROUTERS
        for route in router.routes
        if "GET" in getattr(route, "methods", ()) and not getattr(route, "include_in_schema", True)
    }
    assert shown == {state.route for state in STATES if state.route} | set(NO_PAGES)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(opened: Page, scheme: Any) -> None:
    opened.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    for width in WIDTHS:
        opened.set_viewport_size({"width": width, "height": 900})
        found = Axe().run(opened, options={"runOnly": {"type": "tag", "values": LEVELS}}).response["violations"]
        told = [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found]
        assert not told, f"{width} px"


def test_nothing_is_cut_off(opened: Page) -> None:
    for width in (320, *WIDTHS):
        opened.set_viewport_size({"width": width, "height": 900})
        assert opened.evaluate("document.documentElement.scrollWidth") <= width, f"{width} px"
        assert opened.evaluate(CUT) == [], f"{width} px"
        header = opened.locator("header.site").bounding_box()
        assert header is not None
        assert header["height"] <= ONE_ROW_PX, f"{width} px"
    assert opened.evaluate(UNREACHABLE) == []
    assert opened.evaluate(REPEATED) == []


def test_menu_opens_by_keyboard_and_marks_where_one_is(
    sites: Sites, contexts: dict[tuple[str, str | None], BrowserContext]
) -> None:
    page = contexts["full", "Admin@Example.com"].new_page()
    page.set_viewport_size({"width": 390, "height": 900})
    for address, name in (
        ("/customers/M-1001", "Customers"),
        ("/groups/1", "Customers"),
        ("/lag/reloads", "Consumer lag"),
    ):
        page.goto(sites.addresses["full"] + address)
        expect(page.get_by_role("navigation")).to_be_hidden()
        page.get_by_role("button", name="Menu").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("navigation").get_by_role("link", name=name)).to_have_attribute("aria-current", "true")
        expect(page.get_by_role("button", name="Sign out")).to_be_visible()
        assert not Axe().run(page, options={"runOnly": {"type": "tag", "values": LEVELS}}).response["violations"]
        page.keyboard.press("Escape")
        expect(page.get_by_role("navigation")).to_be_hidden()
    page.close()


def test_menu_opens_without_script(browser: Browser, sites: Sites, contexts: Any) -> None:
    state = contexts["full", "Admin@Example.com"].storage_state()
    with browser.new_context(
        java_script_enabled=False, storage_state=state, viewport={"width": 390, "height": 900}
    ) as context:
        page = context.new_page()
        page.goto(f"{sites.addresses['full']}/customers/M-1001")
        page.get_by_role("button", name="Menu").click()
        page.get_by_role("link", name="Consumer lag").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Consumer lag")


def test_log_of_a_customer_is_near_the_top_on_a_phone(
    sites: Sites, contexts: dict[tuple[str, str | None], BrowserContext]
) -> None:
    page = contexts["full", "Admin@Example.com"].new_page()
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{sites.addresses['full']}/customers/M-1001")
    box = page.locator("#log-title").bounding_box()
    assert box is not None
    # Balance and chart fill one screen, the log comes next.
    assert box["y"] <= 844
    page.close()
