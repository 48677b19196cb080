"""A password that has expired, in real headless Chromium: the form, its errors in place, and the own page after it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.integration.api.conftest import PASSWORDS

MARIA = "maria@pena.example"
GOOD = "three peñas and a framer"


def lead_to_form(page: Page, site: str) -> None:
    page.goto(f"{site}/sign-in")
    page.fill("#email", MARIA)
    page.fill("#password", PASSWORDS[MARIA])
    page.click("main button[type=submit]")
    page.wait_for_url("**/new-password?*")


def fill_in(page: Page, password: str, repeated: str) -> None:
    page.fill("#password", password)
    page.fill("#repeated", repeated)
    page.click("main button[type=submit]")


def test_new_password_is_chosen_and_opens_the_own_page(site: str, page: Page) -> None:
    lead_to_form(page, site)
    expect(page.locator("h1")).to_have_text("Choose a new password")
    expect(page.locator("#email")).to_have_value(MARIA)
    expect(page.locator("#password")).to_be_focused()
    # The browser itself holds back what is too short.
    fill_in(page, "short", "short")
    assert page.evaluate("document.getElementById('password').validity.tooShort")
    # By keyboard alone, as a password manager leaves it.
    page.fill("#password", GOOD)
    page.keyboard.press("Tab")
    page.keyboard.type(GOOD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/customers/M-1002")
    expect(page.locator("header.site .name")).to_have_text("María Peña")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")
    page.fill("#email", MARIA)
    page.fill("#password", GOOD)
    page.click("main button[type=submit]")
    page.wait_for_url("**/customers/M-1002")


@pytest.mark.parametrize("width", [360, 1280])
def test_what_is_wrong_is_told_beside_the_field(site: str, browser: Browser, width: int) -> None:
    # A context of its own: the browser calls an answer of 422 an error on its console, which the others must not have.
    with browser.new_context(viewport={"width": width, "height": 800}) as context:
        page = context.new_page()
        lead_to_form(page, site)
        fill_in(page, GOOD, GOOD + "!")
        expect(page.locator("#repeated-error")).to_have_text("The two passwords are not the same.")
        expect(page.locator("#repeated")).to_have_attribute("aria-describedby", "repeated-error")
        # Both have to be typed again.
        expect(page.locator("#password")).to_be_focused()
        fill_in(page, MARIA, MARIA)
        expect(page.locator("#password-error")).to_have_text("Your e-mail address cannot be your password.")
        expect(page.locator("#password")).to_have_attribute("aria-describedby", "password-error")
        expect(page.locator("#repeated-error")).to_have_count(0)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        fill_in(page, GOOD, GOOD)
        page.wait_for_url("**/customers/M-1002")
