"""Who may see what: every address, for everybody."""

from __future__ import annotations

import httpx
import pytest

from tests.integration.api.conftest import SignIn
from tests.integration.api.ledger import Ledger
from tests.integration.api.servers import Postgres

ADMIN, JOE = "Admin@Example.com", "joe@wasatch.example"
OWN = (
    "/customers/M-1001",
    "/groups/1",
    "/api/customers/M-1001",
    "/api/customers/M-1001/entries",
    "/api/groups/1",
    "/api/groups/1/entries",
    "/api/session",
    "/api/customers",
)
OTHERS = (
    "/customers/M-1002", "/groups/2", "/customers/M-1002/events", "/groups/2/events",
    "/api/customers/M-1002", "/api/customers/M-1002/entries", "/api/groups/2", "/api/groups/2/entries",
)  # fmt: skip
OFFICE = ("/lag", "/lag/agents", "/lag/reloads", "/api/lag", "/dead-letters", "/api/dead-letters")
UNKNOWN = ("/customers/M-9999", "/groups/999", "/api/customers/M-9999", "/api/groups/999")


@pytest.mark.parametrize("address", OWN + OTHERS + OFFICE)
def test_nobody_sees_nothing(anybody: httpx.Client, address: str) -> None:
    answer = anybody.get(address)
    page = not address.startswith("/api") and not address.endswith(("/events", "/agents"))
    assert answer.status_code == (303 if page else 401)
    assert "Wasatch" not in answer.text


def test_customer_sees_its_own_and_nothing_else(sign_in: SignIn, ledger: Ledger) -> None:
    ledger.entry("M-1001", 5)
    joe = sign_in(JOE)
    assert {address: joe.get(address).status_code for address in OWN} == dict.fromkeys(OWN, 200)
    refused = OTHERS + OFFICE + UNKNOWN
    assert {address: joe.get(address).status_code for address in refused} == dict.fromkeys(refused, 403)
    assert [row["customer_master_id"] for row in joe.get("/api/customers").json()["customers"]] == ["M-1001"]
    assert joe.get("/customers").headers["location"] == "/"


@pytest.mark.parametrize("role", [1, 2, 3])
def test_office_sees_everything(sign_in: SignIn, postgres: Postgres, database: str, role: int) -> None:
    admin = sign_in(ADMIN)
    with postgres.admin(database) as cursor:
        cursor.execute("UPDATE users SET role_id = %s WHERE email = %s", (role, ADMIN))
    seen = [address for address in OWN + OTHERS + OFFICE if not address.endswith("/events")]
    assert {address: admin.get(address).status_code for address in seen} == dict.fromkeys(seen, 200)
    assert {address: admin.get(address).status_code for address in UNKNOWN} == dict.fromkeys(UNKNOWN, 404)
    assert len(admin.get("/api/customers").json()["customers"]) == 5


def test_role_without_access_loses_it_at_once(sign_in: SignIn, postgres: Postgres, database: str) -> None:
    joe = sign_in(JOE)
    with postgres.admin(database) as cursor:
        cursor.execute("UPDATE users SET role_id = 9 WHERE email = %s", (JOE,))
    assert joe.get("/api/customers/M-1001").status_code == 401


def test_customer_moved_to_another_group_is_hidden_from_the_old_one(
    sign_in: SignIn, postgres: Postgres, database: str
) -> None:
    joe = sign_in(JOE)
    with postgres.admin(database) as cursor:
        cursor.execute("UPDATE customers_reward_groups SET reward_group_id = 2 WHERE customer_master_id = 'M-1001'")
    assert joe.get("/customers/M-1001").status_code == 403


@pytest.mark.parametrize(
    "address", ["/customers/%00", "/groups/99999999999999999999", "/groups/x", "/customers/M-1001?before=x", "/nothing"]
)
def test_address_that_names_nothing_is_a_page(sign_in: SignIn, address: str) -> None:
    answer = sign_in(ADMIN).get(address)
    assert answer.status_code == 404
    assert "There is no such page." in answer.text
