"""What the office sees of the captured sources: what the lag process wrote down of them, and when nobody knows."""

from __future__ import annotations

import contextlib

import httpx
import pytest

from streams.lag.findings import SourceFinding
from streams.lag.findings_sink import replace
from streams.postgres.session import connect
from tests.integration.api.conftest import SignIn
from tests.integration.api.ledger import Ledger
from tests.integration.api.servers import Postgres

ADMIN, JOE = "Admin@Example.com", "joe@wasatch.example"
TOPIC = "warehouse.public.invoice_transactions"
UNPUBLISHED = SourceFinding(
    "warehouse", TOPIC, "error", "table_not_published", "<it> is not in the publication", "rewards connectors repair"
)
BEHIND = SourceFinding("rewards", "members", "warning", "slot_behind", "the slot is 5 MB behind", "look at it")
UNREADABLE = SourceFinding("warehouse", TOPIC, "error", "source_unreadable", "no route", "start it", hides_others=True)


def checked(url: str, *found: SourceFinding, ago_seconds: float = 0) -> None:
    """As the lag process does after a check."""
    with contextlib.closing(connect(url, name="test")) as connection:
        replace(connection, found, 15.0)
        with connection, connection.cursor() as cursor:
            for table, columns in (("source_checks", "checked_at, stale_at"), ("source_findings", "since, seen_at")):
                moved = ", ".join(
                    f"{one} = {one} - make_interval(secs => {ago_seconds})" for one in columns.split(", ")
                )
                cursor.execute(f"UPDATE {table} SET {moved}")


@pytest.fixture
def url(postgres: Postgres, database: str, ledger: Ledger) -> str:
    return postgres.url(database)


@pytest.fixture
def admin(sign_in: SignIn, url: str) -> httpx.Client:
    return sign_in(ADMIN)


def told(client: httpx.Client) -> dict[str, object]:
    answer: dict[str, object] = client.get("/api/lag").json()["source"]
    return answer


def test_sources_that_were_never_checked_are_not_said_to_be_well(admin: httpx.Client) -> None:
    assert "The sources have not been checked yet" in admin.get("/lag").text
    assert told(admin) == {"state": "none", "checked_at": None, "age_seconds": 0.0, "findings": []}


def test_sources_that_are_well_need_no_banner(admin: httpx.Client, url: str) -> None:
    checked(url)
    page = admin.get("/lag").text
    assert "not been checked" not in page
    assert "data-finding" not in page
    assert (told(admin)["state"], told(admin)["findings"]) == ("fresh", [])


def test_finding_is_shown_with_its_remedy_and_since_when_on_page_and_part_and_as_json(
    admin: httpx.Client, url: str
) -> None:
    checked(url, UNPUBLISHED, BEHIND)
    for address in ("/lag", "/lag/agents"):
        page = admin.get(address).text
        assert "Source <strong>warehouse</strong>, since " in page
        assert "&lt;it&gt; is not in the publication. Points can be wrong or late." in page
        assert "Remedy: <code>rewards connectors repair</code>" in page
        assert 'class="note bad" role="alert" data-finding="table_not_published"' in page
        assert 'class="note" role="alert" data-finding="slot_behind"' in page
        assert "could not be seen" not in page

    found = admin.get("/api/lag").json()["source"]["findings"]
    assert [(one["connector"], one["code"], one["severity"]) for one in found] == [
        ("warehouse", "table_not_published", "error"),
        ("rewards", "slot_behind", "warning"),
    ]
    assert found[0]["message"] == "<it> is not in the publication"
    assert found[0]["since"] == found[0]["seen_at"]


def test_finding_of_a_source_that_cannot_be_seen_any_more_is_said_to_be_old(admin: httpx.Client, url: str) -> None:
    checked(url, UNPUBLISHED, ago_seconds=600)
    checked(url, UNREADABLE)
    page = admin.get("/lag").text
    assert "no route" in page
    assert "is not in the publication. It could not be seen since" in page


def test_check_that_is_too_old_is_said_to_tell_nothing(admin: httpx.Client, url: str) -> None:
    checked(url, ago_seconds=50)
    assert told(admin)["state"] == "fresh"
    checked(url, UNPUBLISHED, ago_seconds=70)
    page = admin.get("/lag").text
    assert "The sources are not checked since " in page
    assert "&lt;it&gt; is not in the publication" in page
    assert told(admin)["state"] == "stale"


def test_nobody_but_the_office_sees_them(sign_in: SignIn, url: str) -> None:
    checked(url, UNPUBLISHED)
    joe = sign_in(JOE)
    for address in ("/lag", "/lag/agents", "/api/lag"):
        answer = joe.get(address)
        assert answer.status_code == 403
        assert "publication" not in answer.text
