"""Who travels with a redeemed prize: shown to those who fulfil it, and to nobody else in any way."""

from __future__ import annotations

import logging

import httpx
import pytest

from streams.logs import formatter
from tests.integration.api.conftest import SignIn
from tests.integration.api.redemptions import BORN, PASSPORT, encrypted, redeem
from tests.integration.api.servers import Postgres

ADMIN, JOE = "Admin@Example.com", "joe@wasatch.example"
ADDRESS = "/api/redemptions/17/traveller"


@pytest.fixture(autouse=True)
def redemption(postgres: Postgres, database: str) -> None:
    redeem(
        postgres, database, 17, name_first="Joe", name_last="O'Neill", international_name="JOSEPH O'NEILL",
        passport_issue_date="2015-05-05", passport_expiration_date="2025-05-05", **encrypted(17),
    )  # fmt: skip


def become(postgres: Postgres, database: str, role: int) -> None:
    with postgres.admin(database) as cursor:
        cursor.execute("UPDATE users SET role_id = %s WHERE email = %s", (role, ADMIN))


@pytest.mark.parametrize("role", [1, 2])
def test_who_fulfils_prizes_sees_the_traveller(sign_in: SignIn, postgres: Postgres, database: str, role: int) -> None:
    admin = sign_in(ADMIN)
    become(postgres, database, role)
    answer = admin.get(ADDRESS)
    assert answer.json() == {
        "name": "Joe O'Neill",
        "international_name": "JOSEPH O'NEILL",
        "birthdate": BORN,
        "passport_number": PASSPORT,
        "passport_issue_date": "2015-05-05",
        "passport_expiration_date": "2025-05-05",
    }
    assert answer.headers["cache-control"] == "no-store"


def test_what_is_not_known_is_null(sign_in: SignIn, postgres: Postgres, database: str) -> None:
    redeem(postgres, database, 18, **encrypted(18, None, ""), name_last="Peña")
    assert sign_in(ADMIN).get("/api/redemptions/18/traveller").json() == {
        "name": "Peña",
        "international_name": None,
        "birthdate": None,
        "passport_number": "",
        "passport_issue_date": None,
        "passport_expiration_date": None,
    }


def test_nobody_else_sees_the_traveller_or_whether_there_is_one(
    sign_in: SignIn, anybody: httpx.Client, postgres: Postgres, database: str
) -> None:
    sales, joe = sign_in(ADMIN), sign_in(JOE)
    become(postgres, database, 3)
    for address in (ADDRESS, "/api/redemptions/999/traveller"):
        assert anybody.get(address).status_code == 401
        for somebody in (sales, joe):
            answer = somebody.get(address)
            assert answer.status_code == 403
            assert PASSPORT not in answer.text
            assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(("number", "status"), [("999", 404), ("0", 422), ("x", 422), (str(2**63), 422)])
def test_unknown_redemption_is_not_found(sign_in: SignIn, number: str, status: int) -> None:
    assert sign_in(ADMIN).get(f"/api/redemptions/{number}/traveller").status_code == status


def test_what_was_moved_or_changed_is_a_fault_that_tells_the_place_alone(
    sign_in: SignIn, postgres: Postgres, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    redeem(postgres, database, 18, **encrypted(17))
    redeem(postgres, database, 19, **encrypted(19, "04.07.1975"))
    admin = sign_in(ADMIN)
    for number in (18, 19):
        answer = admin.get(f"/api/redemptions/{number}/traveller")
        assert answer.status_code == 500
        assert "The fault is ours" in answer.text
        assert "prize_redemptions" not in answer.text
    told = "\n".join(formatter("json").format(record) for record in caplog.records)
    assert "prize_redemptions.birthdate 18 cannot be decrypted: it was changed, or belongs to another place" in told
    assert "prize_redemptions.birthdate 19 cannot be decrypted: it is no ISO date" in told
    assert "04.07.1975" not in told


def test_personal_details_are_in_no_log(
    sign_in: SignIn, postgres: Postgres, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    admin = sign_in(ADMIN)
    assert admin.get(ADDRESS).status_code == 200
    with postgres.admin(database) as cursor:
        cursor.execute("UPDATE prize_redemptions SET passport_number = birthdate")
    assert admin.get(ADDRESS).status_code == 500
    told = "\n".join(formatter("json").format(record) for record in caplog.records)
    # Who looked at it stands there.
    assert f'"path":"{ADDRESS}","status":200' in told
    assert '"user_id":1' in told
    assert BORN not in told
    assert PASSPORT not in told


def test_openapi_says_who_may_and_what_comes(anybody: httpx.Client) -> None:
    document = anybody.get("/openapi.json").json()
    operation = document["paths"]["/api/redemptions/{redemption_id}/traveller"]["get"]
    assert {"200", "401", "403", "404"} <= set(operation["responses"])
    assert operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].endswith("/TravellerOut")
