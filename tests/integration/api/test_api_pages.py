"""What the pages and the JSON interface tell."""

from __future__ import annotations

import datetime as dt
import json
import re

import httpx
import pytest
from pydantic import BaseModel

from api.customers.schemas import CustomersOut
from api.entries.schemas import EntriesOut
from tests.integration.api.conftest import SignIn
from tests.integration.api.ledger import Ledger
from tests.integration.api.servers import Postgres, running_site

ADMIN, JOE = "Admin@Example.com", "joe@wasatch.example"


def test_statement_shows_balance_companies_pending_risk_and_why(sign_in: SignIn, ledger: Ledger) -> None:
    ledger.entry("M-1001", 1250)
    ledger.entry("M-1001", 400, company="GRP", document="G-1")
    ledger.invoice("M-1001", "220-7", "900.00", pending=900, at_risk=-900)
    page = sign_in(JOE).get("/customers/M-1001").text
    assert re.search(r'id="balance"[^>]*>1,650<', page)
    assert re.search(r'id="pending">900<', page)
    assert re.search(r'id="at-risk">\u2212900<', page)
    assert "Invoice 104-22 settled on Apr 10, 2026, before its deadline Apr 30" in page
    assert "pay by Apr 30, 2026" in page
    assert "on May 2, 2026" in page
    assert "Row 17 of the warehouse changed (source position 0/1A2B3C4)." in page
    assert 'As of <time datetime="2026-05-01">May 1, 2026</time>' in page


def test_redeemable_is_limited_by_the_points_of_one_company(sign_in: SignIn, ledger: Ledger) -> None:
    ledger.entry("M-1001", 100, company="SBM")
    ledger.entry("M-1001", 1000, company="GRP")
    group = sign_in(JOE).get("/api/groups/1").json()["group"]
    assert (group["balance"], group["redeemable"]) == (1100, 200)


def test_entries_of_the_office_are_in_the_balance_and_in_the_log(sign_in: SignIn, ledger: Ledger) -> None:
    ledger.entry("M-1001", 1000)
    ledger.entry(
        "M-1001",
        -600,
        kind="redemption",
        stage=0,
        customer_master_id=None,
        company=None,
        document=None,
        facts={"title": "Gift card"},
    )
    statement = sign_in(JOE).get("/api/customers/M-1001").json()
    assert (statement["balance"], statement["points"]) == (400, 1000)
    told = sign_in(JOE).get("/api/customers/M-1001/entries").json()["entries"]
    assert [entry["delta"] for entry in told] == [-600, 1000]
    assert told[0]["explanation"] == "Redeemed: Gift card"


def test_empty_statement_says_how_points_come(sign_in: SignIn, ledger: Ledger) -> None:
    page = sign_in(JOE).get("/customers/M-1001").text
    assert "No points yet" in page
    assert "Nothing is pending." in page
    assert "Nothing is at risk." in page


def test_customer_in_no_group_is_explained(sign_in: SignIn, ledger: Ledger) -> None:
    ledger.invoice("M-5000", "1", "10.00", reward_group_id=None)
    page = sign_in(ADMIN).get("/customers/M-5000").text
    assert "in no reward group" in page


def test_names_are_escaped(sign_in: SignIn, ledger: Ledger) -> None:
    ledger.member("M-<b>&\"'/7", 50, name="<script>alert(1)</script>")
    ledger.entry("M-<b>&\"'/7", 5, group=50, document="<img src=x>")
    admin = sign_in(ADMIN)
    for address in ("/customers", "/customers/M-%3Cb%3E%26%22%27%2F7", "/groups/50"):
        answer = admin.get(address)
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text
        assert "<img src=x>" not in answer.text
    assert admin.get("/api/customers/M-%3Cb%3E%26%22%27%2F7/entries").json()["entries"][0]["document"] == "<img src=x>"


def test_log_pages_join_without_gap_or_repeat(sign_in: SignIn, ledger: Ledger) -> None:
    made = [ledger.entry("M-1001", number, tell=False) for number in range(1, 61)]
    joe = sign_in(JOE)
    address, seen = "/customers/M-1001", []
    while address:
        page = joe.get(address).text
        seen += [int(number) for number in re.findall(r'data-id="(\d+)"', page)]
        older = re.search(r'<p class="more"><a [^>]*id="older" rel="next" href="([^"#]+)', page)
        address = older[1] if older else ""
    assert seen == made[::-1]

    before, told = None, []
    while True:
        query = {"limit": "7"} | ({"before": str(before)} if before else {})
        answer = joe.get("/api/customers/M-1001/entries", params=query).json()
        told += [entry["id"] for entry in answer["entries"]]
        before = answer["next_before"]
        if before is None:
            break
    assert told == made[::-1]
    # A full last page has no next one.
    assert joe.get("/api/customers/M-1001/entries?limit=60").json()["next_before"] is None


def test_entry_that_comes_while_paging_moves_no_page(sign_in: SignIn, ledger: Ledger) -> None:
    made = [ledger.entry("M-1001", number, tell=False) for number in range(1, 11)]
    joe = sign_in(JOE)
    first = joe.get("/api/customers/M-1001/entries?limit=5").json()
    ledger.entry("M-1001", 99, tell=False)
    second = joe.get(f"/api/customers/M-1001/entries?limit=5&before={first['next_before']}").json()
    assert [entry["id"] for entry in first["entries"] + second["entries"]] == made[::-1]


def test_search_finds_parts_of_ids_and_names_literally(sign_in: SignIn, ledger: Ledger) -> None:
    admin = sign_in(ADMIN)

    def found(text: str) -> list[str]:
        return [
            row["customer_master_id"] for row in admin.get("/api/customers", params={"q": text}).json()["customers"]
        ]

    assert found("peña") == ["M-1002"]
    assert found("m-100") == ["M-1001", "M-1002", "M-1003", "M-1007"]
    assert found("%") == found("M_1001") == []
    assert "No customer or group has “zzz” in its name." in admin.get("/customers?q=zzz").text


def test_customers_are_paged(sign_in: SignIn, ledger: Ledger) -> None:
    admin = sign_in(ADMIN)
    first = admin.get("/api/customers?limit=3").json()
    second = admin.get("/api/customers", params={"limit": 3, "after": first["next_after"]}).json()
    ids = [row["customer_master_id"] for row in first["customers"] + second["customers"]]
    assert ids == ["M-1001", "M-1002", "M-1003", "M-1007", "M-1012"]
    assert second["next_after"] is None


def test_money_in_json_is_text_and_dates_are_iso(sign_in: SignIn, ledger: Ledger) -> None:
    ledger.invoice("M-1001", "220-7", "900.50", pending=900)
    (invoice,) = sign_in(JOE).get("/api/customers/M-1001").json()["open_invoices"]
    assert (invoice["open"], invoice["deadline_on"]) == ("900.50", "2026-04-30")


def test_lag_page_shows_every_partition_and_its_state(sign_in: SignIn, ledger: Ledger) -> None:
    admin = sign_in(ADMIN)
    assert "No measurement yet" in admin.get("/lag").text
    ledger.lag(0, 1234)
    ledger.lag(1, 0, member=None)
    page = admin.get("/lag").text
    assert "1,234" in page
    assert "1 partition without a reader" in page
    report = admin.get("/api/lag").json()
    assert (report["state"], report["agents"][0]["lag_records"], report["agents"][0]["unowned_partitions"]) == (
        "fresh",
        1234,
        1,
    )


def test_old_lag_is_called_stale(sign_in: SignIn, ledger: Ledger) -> None:
    ledger.lag(0, 0, age_seconds=12)
    admin = sign_in(ADMIN)
    assert re.search(r"No measurement for 1\d s", admin.get("/lag/agents").text)
    assert admin.get("/api/lag").json()["state"] == "stale"


def test_every_answer_forbids_what_comes_from_elsewhere(sign_in: SignIn) -> None:
    admin = sign_in(ADMIN)
    for address in ("/customers", "/customers/M-1001", "/lag", "/docs", "/sign-in", "/nothing", "/api/session"):
        answer = admin.get(address)
        assert "default-src 'none'; script-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert not re.search(r'(?:src|href|action)="(?:https?:)?//', answer.text)
        assert "<script>" not in answer.text
        assert " style=" not in answer.text


def test_static_files_are_kept_only_under_their_digest(anybody: httpx.Client) -> None:
    address = re.findall(r'href="(/static/site.css\?v=[0-9a-f]+)"', anybody.get("/sign-in").text)[0]
    assert "immutable" in anybody.get(address).headers["cache-control"]
    assert anybody.get("/static/site.css").headers["cache-control"] == "no-cache"
    assert anybody.get("/static/../settings.py").status_code == 404


def test_openapi_names_every_answer_shape(anybody: httpx.Client) -> None:
    document = anybody.get("/openapi.json").json()
    assert set(document["paths"]) == {
        "/api/session",
        "/api/sessions",
        "/api/sessions/{session_id}",
        "/api/password",
        "/api/customers",
        "/api/customers/{customer_master_id}",
        "/api/customers/{customer_master_id}/entries",
        "/api/groups/{reward_group_id}",
        "/api/groups/{reward_group_id}/entries",
        "/api/redemptions/{redemption_id}/traveller",
        "/api/dead-letters",
        "/api/dead-letters/decisions",
        "/api/lag",
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method != "delete":
                assert operation["responses"]["200"]["content"]["application/json"]["schema"].get("$ref"), path
    assert "/api/customers/{customer_master_id}/entries" in anybody.get("/docs").text


def test_fault_of_ours_is_a_page_with_a_number_and_no_details(
    sign_in: SignIn, postgres: Postgres, database: str
) -> None:
    admin = sign_in(ADMIN)
    with postgres.admin(database) as cursor:
        cursor.execute("ALTER TABLE customer_points RENAME COLUMN pending TO renamed")
    for address in ("/customers/M-1001", "/api/customers/M-1001"):
        answer = admin.get(address)
        assert answer.status_code == 500
        assert "The fault is ours" in answer.text
        assert answer.headers["x-request-id"] in answer.text
        assert "renamed" not in answer.text
        assert "SELECT" not in answer.text


def test_database_away_is_503_and_comes_back(sign_in: SignIn, postgres: Postgres, database: str) -> None:
    admin = sign_in(ADMIN)
    with postgres.admin() as cursor:
        cursor.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (database,))
        answer = admin.get("/customers")
        assert answer.status_code == 503
        assert "The database does not answer just now" in answer.text
        cursor.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")
    assert admin.get("/customers").status_code == 200


def test_dates_are_those_of_the_business_zone(postgres: Postgres, database: str, ledger: Ledger) -> None:
    at = dt.datetime(2026, 5, 1, 3, 30, tzinfo=dt.UTC)
    ledger.entry("M-1001", 5, recorded_at=at)
    with running_site(postgres.url(database)) as site, httpx.Client(base_url=site) as client:
        client.post("/api/session", json={"email": ADMIN, "password": "correct horse"})
        assert "Apr 30, 2026, 9:30:00 PM MDT" in client.get("/customers/M-1001").text


@pytest.mark.parametrize(
    ("address", "shape"),
    [
        ("/api/customers/M-1001/entries", EntriesOut),
        ("/api/groups/1/entries?limit=2", EntriesOut),
        ("/api/customers", CustomersOut),
    ],
)
def test_list_that_is_answered_as_it_was_read_has_the_shape_that_is_documented(
    sign_in: SignIn, ledger: Ledger, address: str, shape: type[BaseModel]
) -> None:
    ledger.entry("M-1001", 1250)
    ledger.entry("M-1001", -40, company="GRP", document='"Ünïcode" \\ </script>')
    ledger.entry("M-1001", -600, kind="redemption", stage=0, customer_master_id=None, company=None, document=None)
    told = sign_in(ADMIN).get(address)
    assert told.headers["content-type"] == "application/json"
    found = shape.model_validate_json(told.content)
    assert json.loads(found.model_dump_json()) == told.json()
    assert next(iter(told.json().values()))
