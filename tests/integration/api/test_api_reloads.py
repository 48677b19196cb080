"""What the office sees of a reload that lacks rows, and its word that they are gone."""

from __future__ import annotations

import datetime as dt

import httpx
import pytest
from sqlalchemy import text

from tests.integration.api.conftest import SignIn
from tests.integration.api.ledger import Ledger
from tests.integration.api.test_api_sign_in import token_of

ADMIN, JOE = "Admin@Example.com", "joe@wasatch.example"
TOPIC = "warehouse.public.invoice_transactions"
PLACE = {"topic": TOPIC, "snapshot_lsn": "7", "lsn": "171"}
HAPPENED = dt.datetime(2026, 5, 1, 8, 30, tzinfo=dt.UTC)


@pytest.fixture
def waiting(ledger: Ledger) -> Ledger:
    """A truncate that has not shown 2 of 3 invoices again, worth 700 points."""
    for number, (points, lsn) in enumerate(((500, 10), (200, 11), (50, 200))):
        ledger.invoice(
            "M-1001",
            f"D-{number}",
            "10.00",
            points=points,
            reward=points,
            oldest_snapshot_lsn=7,
            oldest_lsn=lsn,
            pending=30,
        )
    with ledger.writing() as session:
        session.execute(
            text(
                "INSERT INTO source_epochs (topic, snapshot_lsn, lsn, kind, happened_at, missing, live, counted_at, waits_for)"
                " VALUES (:topic, 7, 171, 'truncate', :happened, 2, 3, now(), 'word')"
            ),
            {"topic": TOPIC, "happened": HAPPENED},
        )
    return ledger


def change(ledger: Ledger, setting: str) -> None:
    with ledger.writing() as session:
        session.execute(text(f"UPDATE source_epochs SET {setting}"))


def accepted(ledger: Ledger) -> list[str | None]:
    with ledger.writing() as session:
        return list(session.scalars(text("SELECT accepted_by FROM source_epochs")))


def post(client: httpx.Client, **more: str) -> httpx.Response:
    token = token_of(client.get("/lag/reloads"))
    return client.post("/lag/reloads", data={"csrf_token": token, **PLACE, **more})


def test_reload_that_waits_is_named_on_the_lag_page_with_its_figures(sign_in: SignIn, waiting: Ledger) -> None:
    admin = sign_in(ADMIN)
    for address in ("/lag", "/lag/agents"):
        page = admin.get(address).text
        assert "has not shown 2 of 3 invoices again. It waits for a person" in page
        assert 'href="/lag/reloads"' in page
    (told,) = admin.get("/api/lag").json()["reloads"]
    assert (told["waits_for_a_word"], told["missing"], told["live"], told["kind"]) == (True, 2, 3, "truncate")
    assert "`rewards reload accept`" in told["remedy"]


def test_reload_that_ends_by_itself_is_told_without_alarm(sign_in: SignIn, waiting: Ledger) -> None:
    change(waiting, "waits_for = 'quiet', waits_until = now()")
    admin = sign_in(ADMIN)
    assert "has not shown" not in admin.get("/lag").text
    assert "Rows may still come" in admin.get("/lag/reloads").text
    assert admin.get("/api/lag").json()["reloads"][0]["remedy"] is None


def test_word_of_the_office_is_taken_once_with_who_gave_it(sign_in: SignIn, waiting: Ledger) -> None:
    admin = sign_in(ADMIN)
    shown = admin.get("/lag/reloads").text
    assert "They are gone: take up to 700 points" in shown
    assert "60</dd>" in shown
    assert accepted(waiting) == [None]

    answer = post(admin)

    assert (answer.status_code, answer.headers["location"]) == (303, "/lag/reloads")
    assert accepted(waiting) == [ADMIN]
    shown = admin.get("/lag/reloads").text
    assert "Accepted" in shown
    assert '<button type="submit">They' not in shown
    assert "It waits for" not in admin.get("/lag").text

    change(waiting, "closed_at = now()")
    assert "No reload is open" in admin.get("/lag/reloads").text


@pytest.mark.parametrize(
    ("setting", "more"),
    [
        ("waits_for = 'records'", {}),
        ("waits_for = NULL", {}),
        ("closed_at = now()", {}),
        ("ready_at = now()", {}),
        ("waits_for = 'word'", {"lsn": "172"}),
        ("waits_for = 'word'", {"topic": "another"}),
    ],
)
def test_word_for_what_is_not_what_was_shown_changes_nothing(
    sign_in: SignIn, waiting: Ledger, setting: str, more: dict[str, str]
) -> None:
    change(waiting, setting)
    assert post(sign_in(ADMIN), **more).status_code == 303
    assert accepted(waiting) == [None]


def test_nobody_but_the_office_gives_its_word_and_never_without_the_pages_token(
    sign_in: SignIn, anybody: httpx.Client, waiting: Ledger
) -> None:
    admin, joe = sign_in(ADMIN), sign_in(JOE)
    assert admin.post("/lag/reloads", data=PLACE).status_code == 403
    assert joe.post("/lag/reloads", data={"csrf_token": "x", **PLACE}).status_code == 403
    assert anybody.post("/lag/reloads", data={"csrf_token": "x", **PLACE}).status_code in {303, 401, 403}
    assert accepted(waiting) == [None]


def test_form_that_was_made_up_is_refused(sign_in: SignIn, waiting: Ledger) -> None:
    assert 400 <= post(sign_in(ADMIN), lsn="-1").status_code < 500
    assert 400 <= post(sign_in(ADMIN), snapshot_lsn="99999999999999999999").status_code < 500
    assert accepted(waiting) == [None]
