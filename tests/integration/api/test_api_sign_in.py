from __future__ import annotations

import hashlib
import json
import re
import time

import httpx
import psycopg2
import pytest

from tests.integration.api.conftest import PASSWORDS, SignIn
from tests.integration.api.ledger import Ledger
from tests.integration.api.servers import Postgres, running_site

JOE, ADMIN, OLD = "joe@wasatch.example", "Admin@Example.com", "old@mill.example"


def token_of(page: httpx.Response) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert found
    return found[1]


def fill_in(client: httpx.Client, email: str, password: str, **more: str) -> httpx.Response:
    token = token_of(client.get("/sign-in"))
    return client.post("/sign-in", data={"csrf_token": token, "email": email, "password": password, **more})


def test_right_password_in_any_case_of_the_email_leads_to_the_own_page(anybody: httpx.Client) -> None:
    answer = fill_in(anybody, "JOE@wasatch.EXAMPLE", PASSWORDS[JOE])
    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert anybody.get("/").headers["location"] == "/customers/M-1001"
    assert "Wasatch Framing" in anybody.get("/customers/M-1001").text


def test_wrong_password_and_unknown_email_are_answered_alike(anybody: httpx.Client) -> None:
    known, unknown = fill_in(anybody, JOE, "wrong"), fill_in(anybody, "nobody@example.com", "wrong")
    assert known.status_code == unknown.status_code == 401
    for answer in (known, unknown):
        assert "The e-mail or the password is not right." in answer.text
    assert anybody.get("/customers/M-1001").status_code == 303


@pytest.mark.parametrize("odd", ["joe\x00@wasatch.example", "joe\ud800@wasatch.example", "x" * 255])
def test_what_can_be_no_email_or_password_is_wrong_like_any_other(anybody: httpx.Client, odd: str) -> None:
    for email, password in ((odd, "x"), (JOE, odd), (odd, odd)):
        for path, more in (("/api/session", {}), ("/api/password", {"new_password": odd})):
            body = json.dumps({"email": email, "password": password, **more})
            answer = anybody.post(path, content=body, headers={"content-type": "application/json"})
            # 422: half a surrogate pair is no text. 429: five failures of Joe's have to wait.
            assert answer.status_code in {401, 422, 429}, answer.text
    assert fill_in(anybody, "joe\x00@wasatch.example", "x").status_code == 401


def test_closed_group_is_told_only_with_the_right_password(anybody: httpx.Client) -> None:
    assert "has been closed" not in fill_in(anybody, OLD, "wrong").text
    answer = fill_in(anybody, OLD, PASSWORDS[OLD])
    assert answer.status_code == 403
    assert "This account has been closed" in answer.text


def test_group_closed_in_mid_session_ends_it(sign_in: SignIn, ledger: Ledger) -> None:
    joe = sign_in(JOE)
    ledger.status(1, "closed")
    answer = joe.get("/customers/M-1001")
    assert answer.status_code == 403
    assert "This account has been closed" in answer.text
    assert joe.get("/customers/M-1001").status_code == 303


def test_form_without_its_token_is_refused(anybody: httpx.Client) -> None:
    anybody.get("/sign-in")
    for token in ("", "wrong"):
        answer = anybody.post("/sign-in", data={"csrf_token": token, "email": JOE, "password": PASSWORDS[JOE]})
        assert answer.status_code == 403
        assert "out of date" in answer.text


def test_token_of_another_browser_is_refused(anybody: httpx.Client, site: str) -> None:
    with httpx.Client(base_url=site) as other:
        token = token_of(other.get("/sign-in"))
    anybody.get("/sign-in")
    assert anybody.post("/sign-in", data={"csrf_token": token, "email": JOE, "password": "x"}).status_code == 403


def test_json_sign_in_takes_no_form(anybody: httpx.Client) -> None:
    text = '{"email": "joe@wasatch.example", "password": "pässwörd"}'
    answer = anybody.post("/api/session", content=text, headers={"content-type": "text/plain"})
    assert answer.status_code == 422
    assert "pässwörd" not in answer.text


def test_sign_out_needs_the_token_and_ends_the_session(sign_in: SignIn) -> None:
    joe = sign_in(JOE)
    assert joe.post("/sign-out", data={}).status_code == 403
    token = token_of(joe.get("/customers/M-1001"))
    assert joe.post("/sign-out", data={"csrf_token": token}).headers["location"] == "/sign-in"
    assert joe.get("/customers/M-1001").headers["location"] == "/sign-in?next=%2Fcustomers%2FM-1001"


def test_too_many_failures_wait_even_with_the_right_password(anybody: httpx.Client) -> None:
    for _ in range(5):
        assert anybody.post("/api/session", json={"email": JOE, "password": "wrong"}).status_code == 401
    answer = anybody.post("/api/session", json={"email": JOE.upper(), "password": PASSWORDS[JOE]})
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 901
    assert "Too many failed sign-ins" in fill_in(anybody, JOE, PASSWORDS[JOE]).text
    assert anybody.post("/api/session", json={"email": ADMIN, "password": PASSWORDS[ADMIN]}).status_code == 200


def test_changed_password_ends_the_sessions(sign_in: SignIn, postgres: Postgres, database: str) -> None:
    joe = sign_in(JOE)
    with postgres.admin(database) as cursor:
        cursor.execute("UPDATE users SET password_hash = 'another' WHERE email = %s", (JOE,))
    assert joe.get("/api/session").status_code == 401


def test_tampered_cookie_is_nobody(sign_in: SignIn) -> None:
    joe = sign_in(JOE)
    value = joe.cookies["rewards_session"]
    joe.cookies.clear()
    joe.cookies["rewards_session"] = ("A" if value[0] != "A" else "B") + value[1:]
    assert joe.get("/api/session").status_code == 401


def test_session_ends_after_its_hours(postgres: Postgres, database: str) -> None:
    with running_site(postgres.url(database), session_hours=0.0005) as site, httpx.Client(base_url=site) as client:
        client.post("/api/session", json={"email": JOE, "password": PASSWORDS[JOE]})
        value = client.cookies["rewards_session"]
        time.sleep(3)
        assert client.get("/api/session", headers={"cookie": f"rewards_session={value}"}).status_code == 401


def test_legacy_password_is_replaced_by_argon2_at_the_first_sign_in(
    anybody: httpx.Client, postgres: Postgres, database: str
) -> None:
    legacy = hashlib.sha256("b2b2pässwörd".encode()).hexdigest()
    with postgres.admin(database) as cursor:
        cursor.execute("UPDATE users SET password_hash = %s, password_salt = 'b2b2' WHERE email = %s", (legacy, JOE))
        for _ in range(2):
            assert anybody.post("/api/session", json={"email": JOE, "password": "pässwörd"}).status_code == 200
            assert anybody.get("/api/session").json()["name"] == "Joe O'Neill"
        cursor.execute("SELECT password_hash LIKE '$argon2id$%%', password_salt FROM users WHERE email = %s", (JOE,))
        assert cursor.fetchone() == (True, None)


def test_sign_in_leads_back_but_never_elsewhere(anybody: httpx.Client) -> None:
    assert fill_in(anybody, ADMIN, PASSWORDS[ADMIN], next="/lag").headers["location"] == "/lag"
    anybody.cookies.clear()
    assert fill_in(anybody, ADMIN, PASSWORDS[ADMIN], next="//evil.example").headers["location"] == "/"


def test_emails_are_unique_in_any_case(postgres: Postgres, database: str) -> None:
    with postgres.admin(database) as cursor, pytest.raises(psycopg2.errors.UniqueViolation):
        cursor.execute("INSERT INTO users (role_id, email, password_hash) VALUES (4, 'Joe@Wasatch.Example', 'x')")
