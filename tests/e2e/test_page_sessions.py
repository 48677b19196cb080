"""Where one is signed in, in real headless Chromium: from the name in the header to a session that is ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.integration.api.conftest import PASSWORDS

JOE = "joe@wasatch.example"
LONG = "A-browser-with-a-very-long-name/" + "1" * 200


def sign_in(page: Page, site: str) -> None:
    page.goto(f"{site}/sign-in")
    page.fill("#email", JOE)
    page.fill("#password", PASSWORDS[JOE])
    page.click("main button[type=submit]")
    page.wait_for_url("**/customers/M-1001")


@contextmanager
def elsewhere(site: str, user_agent: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=site, headers={"user-agent": user_agent}) as client:
        answer = client.post("/api/session", json={"email": JOE, "password": PASSWORDS[JOE]})
        assert answer.status_code == 200
        yield client


def test_session_elsewhere_is_seen_and_ended(site: str, page: Page) -> None:
    sign_in(page, site)
    with elsewhere(site, "curl/8.5.0") as program, elsewhere(site, "another/1.0") as another:
        page.click("header.site a[href='/sessions']")
        expect(page.locator("h1")).to_have_text("Where you are signed in")
        expect(page.locator("main li")).to_have_count(3)
        this_one = page.locator("main li").first
        expect(this_one).to_contain_text("on Linux")
        expect(this_one).to_contain_text("This one")
        page.get_by_role("button", name="End the session of curl/8.5.0 at 127.0.0.1").click()
        expect(page.locator("main li")).to_have_count(2)
        assert program.get("/api/session").status_code == 401
        page.get_by_role("button", name="End all others").click()
        expect(page.locator("main li")).to_have_count(1)
        expect(page.get_by_role("button", name="End all others")).to_have_count(0)
        assert another.get("/api/session").status_code == 401
        page.locator("main").get_by_role("button", name="Sign out").click()
        page.wait_for_url("**/sign-in")


@pytest.mark.parametrize("width", [360, 390, 768, 1440])
def test_page_fits_whatever_a_browser_calls_itself(site: str, browser: Browser, width: int) -> None:
    with browser.new_context(viewport={"width": width, "height": 800}) as context:
        page = context.new_page()
        sign_in(page, site)
        with elsewhere(site, LONG):
            page.goto(f"{site}/sessions")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
