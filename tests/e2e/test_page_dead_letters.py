"""The office's page of dead letters, as a person uses it: choose, decide, and see that nothing is left."""

from __future__ import annotations

import psycopg2
import pytest
from playwright.sync_api import Browser, Page, expect

from streams.topics import INVOICES
from tests.integration.api.conftest import PASSWORDS
from tests.integration.api.servers import Postgres

ADMIN = "Admin@Example.com"


@pytest.fixture
def letters(postgres: Postgres, database: str) -> list[int]:
    """Two open letters of a halted partition."""
    with psycopg2.connect(postgres.url(database)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO partition_progress (topic, partition, next_offset, halted_at, halted_reason, bad_records)"
            " VALUES (%s, 3, 13, now(), '10 rows in a row cannot be used, up to offset 12', '{\"in_a_row\": [10, 11]}')",
            (INVOICES.name,),
        )
        cursor.execute(
            'INSERT INTO dead_letters (topic, partition, "offset", reason, detail, row_id)'
            " SELECT %s, 3, n, 'bad_amount', 'transaction_amount ' || repeat('9', 280), n"
            " FROM generate_series(10, 11) AS n RETURNING id",
            (INVOICES.name,),
        )
        return [number for (number,) in cursor.fetchall()]


@pytest.mark.parametrize("width", [1280, 360])
def test_office_decides_letter_by_letter_until_nothing_is_open(
    browser: Browser, site: str, letters: list[int], width: int
) -> None:
    # A context of its own: the browser calls an answer of 422 an error on its console, which the others must not have.
    with browser.new_context(viewport={"width": width, "height": 900}) as context:
        _decide(context.new_page(), site, letters, width)


def _decide(page: Page, site: str, letters: list[int], width: int) -> None:
    page.goto(f"{site}/sign-in?next=/dead-letters")
    page.get_by_label("E-mail").fill(ADMIN)
    page.get_by_label("Password").fill(PASSWORDS[ADMIN])
    page.get_by_role("button", name="Sign in").click()

    expect(page.get_by_role("alert")).to_contain_text("is halted since")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert [one.inner_text() for one in page.locator("main button:visible").all()] == ["Accept", "Try again", "Discard"]
    expect(page.locator(".badge:visible").filter(has_text="open")).to_have_count(len(letters))
    page.get_by_label(f"Letter {letters[0]}").check()
    page.get_by_role("button", name="Discard").click()
    expect(page.get_by_role("alert").last).to_contain_text("Please say why")
    page.get_by_label(f"Letter {letters[0]}").check()
    page.get_by_label("Reason").fill("a trial of the ERP")
    # Enter presses no button, least of all the first one.
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Discard").click()
    expect(page.get_by_label(f"Letter {letters[0]}")).to_have_count(0)
    expect(page.get_by_role("alert")).to_contain_text("is halted since")

    page.get_by_label("All 1 open letter").check()
    page.get_by_role("button", name="Accept").click()
    expect(page.get_by_text("Nothing is open")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    page.get_by_role("link", name="Also those that were decided on").click()
    expect(page.get_by_text("a trial of the ERP").filter(visible=True)).to_have_count(1)
