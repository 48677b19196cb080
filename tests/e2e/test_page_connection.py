"""How an open page stays connected, in real headless Chromium: many tabs, a site that refuses, access that is taken away, a hidden tab."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from sqlalchemy import text

from tests.e2e.test_page_statement import JOE, expect_live, sign_in
from tests.integration.api.ledger import Ledger
from tests.integration.api.servers import Postgres, running_site
from tests.stack import eventually

CONNECTED = re.compile("live|polling")
STREAM_SLOTS = 4
"""Of one browser (live pages leave two of its six connections free)."""


@pytest.fixture
def ledger(ledger: Ledger) -> Ledger:
    """With a stream that keeps up, as far as the watermarks say."""
    ledger.watermarks(-86_400)
    ledger.entry("M-1001", 100)
    return ledger


@pytest.fixture
def profile(browser: Browser) -> Iterator[BrowserContext]:
    """A profile whose pages may be refused what they ask for."""
    context = browser.new_context()
    yield context
    context.close()


def state(page: Page) -> str | None:
    return page.locator("#live").get_attribute("data-state")


def test_every_tab_of_a_browser_works_and_gets_updates(site: str, profile: BrowserContext, ledger: Ledger) -> None:
    first = profile.new_page()
    sign_in(first, site, JOE)
    tabs = [first, *(profile.new_page() for _ in range(7))]
    for tab in tabs[1:]:
        tab.goto(f"{site}/customers/M-1001", timeout=10_000)
    for tab in tabs:
        expect(tab.locator("#live")).to_have_attribute("data-state", CONNECTED, timeout=15_000)
    assert sorted(map(state, tabs)) == ["live"] * STREAM_SLOTS + ["polling"] * 4
    expect(tabs[-1].locator("#live")).to_have_text("Updated every 10 s")
    ledger.entry("M-1001", 23)
    for tab in tabs:
        expect(tab.locator("#balance")).to_have_text("123", timeout=15_000)
    # A tab that is closed leaves its place to another.
    for tab in tabs[:STREAM_SLOTS]:
        tab.close()
    for tab in tabs[STREAM_SLOTS:]:
        expect_live_within(tab, 20)


def test_page_that_finds_no_place_asks_until_there_is_one(
    postgres: Postgres, database: str, browser: Browser, ledger: Ledger
) -> None:
    with (
        running_site(postgres.url(database), live_streams=1) as site,
        opened(browser, site) as first,
    ):
        expect_live(first)
        with opened(browser, site) as second:
            expect(second.locator("#live")).to_have_attribute("data-state", "polling", timeout=15_000)
            ledger.entry("M-1001", 23)
            expect(second.locator("#balance")).to_have_text("123", timeout=15_000)
            first.close()
            expect_live_within(second, 60)


def test_page_that_was_refused_comes_back_by_itself(
    postgres: Postgres, database: str, profile: BrowserContext, ledger: Ledger
) -> None:
    # Each stream ends after a second or two, so that the page has to come again while the site can only refuse.
    with running_site(postgres.url(database), live_minutes=0.03) as site:
        page = profile.new_page()
        sign_in(page, site, JOE)
        expect_live(page)
        page.evaluate("window.sameDocument = true")
        refusals: list[int] = []
        page.on("response", lambda answer: refusals.append(answer.status) if "/events" in answer.url else None)
        with postgres.admin() as cursor:
            cursor.execute(f"ALTER DATABASE {database} CONNECTION LIMIT 0")
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
                " AND application_name LIKE 'rewards-api%%'",
                (database,),
            )
            expect(page.locator("#live")).to_have_attribute("data-state", "reconnecting", timeout=20_000)
            page.wait_for_timeout(5_000)
            assert 503 in refusals
            cursor.execute(f"ALTER DATABASE {database} CONNECTION LIMIT -1")
        expect_live_within(page, 30)
        ledger.entry("M-1001", 23)
        expect(page.locator("#balance")).to_have_text("123", timeout=15_000)
        assert page.evaluate("window.sameDocument") is True


def test_stream_that_ends_in_good_order_is_no_news_on_the_page(
    postgres: Postgres, database: str, profile: BrowserContext, ledger: Ledger
) -> None:
    with running_site(postgres.url(database), live_minutes=0.03) as site:
        page = profile.new_page()
        sign_in(page, site, JOE)
        expect_live(page)
        page.evaluate(
            """() => { window.said = 0;
              new MutationObserver(() => { window.said += 1; })
                .observe(document.querySelector("#live"), {attributes: true, characterData: true, childList: true, subtree: true}); }"""
        )
        page.wait_for_timeout(6_000)
        assert page.evaluate("window.said") == 0


def deactivate(ledger: Ledger) -> None:
    with ledger.writing() as session:
        session.execute(text("UPDATE users SET role_id = 9 WHERE email = :email"), {"email": JOE})


def move_the_customer(ledger: Ledger) -> None:
    with ledger.writing() as session:
        session.execute(
            text("UPDATE customers_reward_groups SET reward_group_id = 2 WHERE customer_master_id = 'M-1001'")
        )


@pytest.mark.parametrize(
    ("lose", "says"), [(deactivate, "Sign in"), (move_the_customer, "Your account may not see this page.")]
)
def test_page_whose_viewer_lost_its_access_says_so(
    postgres: Postgres,
    database: str,
    profile: BrowserContext,
    ledger: Ledger,
    lose: Callable[[Ledger], None],
    says: str,
) -> None:
    ledger.entry("M-1002", 777_000, group=2)
    with running_site(postgres.url(database), live_authorize_seconds=0.5) as site:
        page = profile.new_page()
        sign_in(page, site, JOE)
        expect_live(page)
        lose(ledger)
        expect(page.locator("main")).to_contain_text(says, timeout=10_000)
        assert "777" not in page.content()


def test_hidden_tab_gives_its_place_back_and_shows_what_it_missed(
    site: str, profile: BrowserContext, ledger: Ledger
) -> None:
    page = profile.new_page()
    sign_in(page, site, JOE)
    expect_live(page)
    set_visibility(page, "hidden")
    expect(page.locator("#live")).to_have_attribute("data-state", "paused")
    held = "navigator.locks.query().then(found => found.held.length)"
    eventually(lambda: page.evaluate(held) == 0, timeout=5)
    ledger.entry("M-1001", 23)
    page.wait_for_timeout(500)
    expect(page.locator("#balance")).to_have_text("100")
    set_visibility(page, "visible")
    expect(page.locator("#balance")).to_have_text("123")
    expect_live(page)


def test_page_without_a_script_says_that_it_stays_as_loaded(site: str, browser: Browser, ledger: Ledger) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, site, JOE)
    expect(page.locator("#live")).to_have_text("As loaded")
    context.close()


def test_points_that_are_behind_are_said_to_be_and_for_how_long(
    site: str, profile: BrowserContext, ledger: Ledger
) -> None:
    page = profile.new_page()
    sign_in(page, site, JOE)
    expect_live(page)
    ledger.watermarks(60)
    expect(page.locator("#live")).to_have_text(re.compile(r"^Catching up, 6\d s behind$"), timeout=5_000)
    # A screen reader says that once, and not each second.
    assert page.locator("#live .detail").get_attribute("aria-live") == "off"
    shown = page.locator("#live").inner_text()
    eventually(lambda: page.locator("#live").inner_text() != shown, timeout=5)
    ledger.watermarks(300)
    expect(page.locator("#live")).to_have_text("Catching up, 5 min behind", timeout=5_000)
    with ledger.writing() as session:
        session.execute(text("UPDATE partition_progress SET marked_at = NULL"))
    expect(page.locator("#live")).to_have_text("Age of the points not known", timeout=5_000)
    ledger.watermarks(-86_400)
    expect_live(page)


def expect_live_within(page: Page, seconds: float) -> None:
    expect(page.locator("#live")).to_have_attribute("data-state", "live", timeout=1000 * seconds)


def set_visibility(page: Page, visibility: str) -> None:
    page.evaluate(
        """(value) => {
          Object.defineProperty(document, "visibilityState", {value, configurable: true});
          document.dispatchEvent(new Event("visibilitychange"));
        }""",
        visibility,
    )


@contextmanager
def opened(browser: Browser, site: str) -> Iterator[Page]:
    """A customer's page in a browser profile of its own."""
    with ExitStack() as closing:
        context = browser.new_context()
        closing.callback(context.close)
        page = context.new_page()
        sign_in(page, site, JOE)
        yield page
