"""A customer's id may be any text that the stream takes: each address that it stands in leads to that customer."""

from __future__ import annotations

import html
import re

import httpx
import pytest

from api.core.addresses import segment_of
from streams.source.rows import TEXT_BYTES_MAX
from tests.integration.api.conftest import PASSWORDS, SignIn
from tests.integration.api.ledger import Ledger
from tests.integration.api.test_api_live import watching

ADMIN = "Admin@Example.com"
ODD = (
    "M-1/entries", "M-1/events", "../entries", "M-1/../M-2", "/", "//", "a//b", ".", "..", "=..", "M-1?before=1#x", "100%2Fentries", "%00",
    " spaces ", "events", "entries", "K-\x0b\t\x1f", "K-0 🏠", "Ünïcode & Söhne", "数", "a\\b", "a;b=c", "<b>\"'",
    "x" * TEXT_BYTES_MAX, "🏠" * (TEXT_BYTES_MAX // 4),
)  # fmt: skip


@pytest.fixture
def admin(sign_in: SignIn, ledger: Ledger) -> httpx.Client:
    for number, customer in enumerate(ODD):
        ledger.member(customer, 1000 + number)
        ledger.entry(customer, 1000 + number, group=1000 + number)
    return sign_in(ADMIN)


def test_every_address_of_a_customer_leads_to_it(admin: httpx.Client) -> None:
    for number, customer in enumerate(ODD):
        segment = segment_of(customer)
        told = admin.get(f"/api/customers/{segment}")
        assert (told.status_code, told.json().get("customer_master_id")) == (200, customer), customer
        assert told.json()["balance"] == 1000 + number
        (entry,) = admin.get(f"/api/customers/{segment}/entries").json()["entries"]
        assert entry["delta"] == 1000 + number
        page = admin.get(f"/customers/{segment}")
        assert page.status_code == 200, customer
        assert f'data-events="/customers/{segment}/events"' in page.text


def test_live_updates_are_those_of_the_customer(admin: httpx.Client, ledger: Ledger) -> None:
    for number, customer in enumerate(ODD):
        if number % 4 == 0 or customer.endswith(("/entries", "/events")):
            with watching(admin, f"/customers/{segment_of(customer)}/events") as stream:
                assert stream.next()["numbers"]["balance"] == f"{1000 + number:,}"
                ledger.entry(customer, 1, group=1000 + number)
                assert stream.next()["numbers"]["balance"] == f"{1001 + number:,}"


def test_lists_lead_to_each_and_go_on_behind_each(admin: httpx.Client) -> None:
    found, after = [], ""
    while True:
        answer = admin.get("/api/customers", params={"limit": "1", "after": after})
        assert answer.status_code == 200, answer.text
        found += [one["customer_master_id"] for one in answer.json()["customers"]]
        if answer.json()["next_after"] is None:
            break
        after = answer.json()["next_after"]
    assert set(found) >= set(ODD)
    assert len(found) == len(set(found))

    for customer in ODD:
        page = admin.get("/customers", params={"q": customer})
        addresses = [html.unescape(one) for one in re.findall(r'href="(/customers/[^"]+)"', page.text)]
        assert customer.strip() == "" or f"/customers/{segment_of(customer)}" in addresses, customer


def test_sign_in_leads_back_to_the_customer_that_was_asked_for(admin: httpx.Client, site: str) -> None:
    for customer in ODD:
        address = f"/customers/{segment_of(customer)}"
        with httpx.Client(base_url=site, timeout=20) as anybody:
            to_sign_in = anybody.get(address)
            assert to_sign_in.status_code == 303, customer
            form = anybody.get(to_sign_in.headers["location"])
            fields = {
                name: html.unescape(value) for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', form.text)
            }
            fields |= {"email": ADMIN, "password": PASSWORDS[ADMIN]}
            led = anybody.post("/sign-in", data=fields)
            assert (led.status_code, led.headers["location"]) == (303, address), customer


@pytest.mark.parametrize(
    "path", ["/static/%2e%2e%2fapp.py", "/static/%00", "/static/a%2Fb", "/%00", "/customers/%00", "/groups/%2F"]
)
def test_address_that_names_nothing_is_answered_as_such(admin: httpx.Client, path: str) -> None:
    assert admin.get(path).status_code == 404
