"""A password that has expired: by the page, as JSON, and what each of them refuses."""

from __future__ import annotations

import hashlib
import logging
import re

import httpx
import pytest

from api.users import renewal, signing_in
from streams.logs import formatter
from tests.integration.api.conftest import PASSWORDS
from tests.integration.api.ledger import Ledger
from tests.integration.api.servers import Postgres
from tests.integration.api.test_api_sign_in import fill_in, token_of

MARIA, JOE, OLD = "maria@pena.example", "joe@wasatch.example", "old@mill.example"
GOOD = "three peñas and a framer"


def choose(client: httpx.Client, password: str, repeated: str | None = None, **more: str) -> httpx.Response:
    """Fill in the page that the client was led to."""
    form = {"csrf_token": token_of(client.get("/new-password")), "password": password}
    return client.post("/new-password", data=form | {"repeated": password if repeated is None else repeated} | more)


def row_of(postgres: Postgres, database: str, email: str) -> tuple[bool, str | None, bool]:
    """Whether the hash is argon2, the salt, and whether the password has expired."""
    with postgres.admin(database) as cursor:
        cursor.execute(
            "SELECT password_hash LIKE '$argon2id$%%', password_salt, password_expired FROM users WHERE email = %s",
            (email,),
        )
        found = cursor.fetchone()
    assert found is not None
    argon2, salt, expired = found
    return argon2, salt, expired


def test_right_password_that_has_expired_leads_to_a_new_one_and_then_on(
    anybody: httpx.Client, postgres: Postgres, database: str
) -> None:
    answer = fill_in(anybody, MARIA.upper(), PASSWORDS[MARIA], next="/customers/M-1002?before=7")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/new-password?next=%2Fcustomers%2FM-1002%3Fbefore%3D7"
    form = anybody.get(answer.headers["location"])
    assert "Choose a new password" in form.text
    assert MARIA in form.text
    assert 'name="next" value="/customers/M-1002?before=7"' in form.text
    answer = choose(anybody, GOOD, next="/customers/M-1002?before=7")
    assert (answer.status_code, answer.headers["location"]) == (303, "/customers/M-1002?before=7")
    assert anybody.get("/api/session").json()["email"] == MARIA
    assert row_of(postgres, database, MARIA) == (True, None, False)


def test_new_password_is_the_one_that_signs_in_from_then_on(anybody: httpx.Client) -> None:
    fill_in(anybody, MARIA, PASSWORDS[MARIA])
    choose(anybody, GOOD)
    anybody.cookies.clear()
    assert anybody.post("/api/session", json={"email": MARIA, "password": PASSWORDS[MARIA]}).status_code == 401
    assert anybody.post("/api/session", json={"email": MARIA, "password": GOOD}).status_code == 200


@pytest.mark.parametrize(("salt", "upper"), [("c3c3", False), ("c3c3", True), ("sälz€ ñ", False), ("", True)], ids=str)
def test_legacy_user_whose_password_has_expired_chooses_a_new_one(
    anybody: httpx.Client, postgres: Postgres, database: str, salt: str, upper: bool
) -> None:
    legacy = hashlib.sha256((salt + "hunter2 ñandú").encode()).hexdigest()
    with postgres.admin(database) as cursor:
        cursor.execute(
            "UPDATE users SET password_hash = %s, password_salt = %s WHERE email = %s",
            (legacy.upper() if upper else legacy, salt, MARIA),
        )
    assert fill_in(anybody, MARIA, "hunter2").status_code == 401
    assert fill_in(anybody, MARIA, "hunter2 ñandú").headers["location"].startswith("/new-password")
    # Nothing is replaced before there is a new password.
    assert row_of(postgres, database, MARIA) == (False, salt, True)
    assert "another password than your old one" in choose(anybody, "hunter2 ñandú").text
    assert choose(anybody, GOOD).headers["location"] == "/"
    assert row_of(postgres, database, MARIA) == (True, None, False)


@pytest.mark.parametrize(
    ("password", "repeated", "told", "where"),
    [
        ("short", "short", "at least 12 characters", "password-error"),
        ("x" * 1001, "x" * 1001, "at most 1,000 characters", "password-error"),
        ("passwordpassword", "passwordpassword", "This password is easy to guess", "password-error"),
        (MARIA.upper(), MARIA.upper(), "Your e-mail address", "password-error"),
        (GOOD, GOOD + "!", "The two passwords are not the same.", "repeated-error"),
        (GOOD, "", "The two passwords are not the same.", "repeated-error"),
        ("", "", "at least 12 characters", "password-error"),
    ],
)
def test_password_that_is_not_taken_is_told_beside_its_field(
    anybody: httpx.Client,
    postgres: Postgres,
    database: str,
    password: str,
    repeated: str,
    told: str,
    where: str,
) -> None:
    fill_in(anybody, MARIA, PASSWORDS[MARIA], next="/customers/M-1002")
    answer = choose(anybody, password, repeated, next="/customers/M-1002")
    assert answer.status_code == 422
    assert re.search(rf'<p class="fault" id="{where}" role="alert">[^<]*{told}', answer.text)
    assert re.search(rf'<input [^>]*aria-invalid="true" aria-describedby="{where}"', answer.text)
    assert 'name="next" value="/customers/M-1002"' in answer.text
    # What was typed is not sent back.
    assert not password or f'value="{password}"' not in answer.text
    assert row_of(postgres, database, MARIA)[2] is True
    assert choose(anybody, GOOD).status_code == 303


def test_mark_opens_nothing_but_the_form(anybody: httpx.Client) -> None:
    fill_in(anybody, MARIA, PASSWORDS[MARIA])
    assert anybody.get("/customers/M-1002").headers["location"].startswith("/sign-in")
    assert anybody.get("/").headers["location"].startswith("/sign-in")
    assert anybody.get("/api/customers").status_code == 401


def test_form_is_for_who_gave_the_right_password_just_now(anybody: httpx.Client) -> None:
    assert anybody.get("/new-password?next=/lag").headers["location"] == "/sign-in?next=%2Flag"
    assert anybody.get("/new-password?next=//evil.example").headers["location"] == "/sign-in?next=%2F"
    token = token_of(anybody.get("/sign-in"))
    answer = anybody.post("/new-password", data={"csrf_token": token, "password": GOOD, "repeated": GOOD})
    assert answer.status_code == 401
    assert "Please sign in again." in answer.text
    assert fill_in(anybody, MARIA, "wrong").status_code == 401
    assert anybody.get("/new-password").status_code == 303


def test_mark_ends_after_its_minutes(anybody: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_in(anybody, MARIA, PASSWORDS[MARIA])
    token = token_of(anybody.get("/new-password"))
    monkeypatch.setattr(renewal, "MARK_MINUTES", 0)
    assert anybody.get("/new-password").headers["location"] == "/sign-in?next=%2F"
    answer = anybody.post("/new-password", data={"csrf_token": token, "password": GOOD, "repeated": GOOD})
    assert answer.status_code == 401
    assert "has to be chosen within" in answer.text


@pytest.mark.parametrize(
    "change", ["password_hash = 'another'", "password_expired = false", "role_id = 9"], ids=["hash", "flag", "role"]
)
def test_mark_ends_where_the_account_changes(
    anybody: httpx.Client, postgres: Postgres, database: str, change: str
) -> None:
    fill_in(anybody, MARIA, PASSWORDS[MARIA])
    token = token_of(anybody.get("/new-password"))
    with postgres.admin(database) as cursor:
        cursor.execute(f"UPDATE users SET {change} WHERE email = %s", (MARIA,))
    assert anybody.get("/new-password").status_code == 303
    form = {"csrf_token": token, "password": GOOD, "repeated": GOOD}
    assert anybody.post("/new-password", data=form).status_code == 401


def test_mark_is_used_once(anybody: httpx.Client) -> None:
    fill_in(anybody, MARIA, PASSWORDS[MARIA])
    token = token_of(anybody.get("/new-password"))
    kept = anybody.cookies["rewards_session"]
    assert choose(anybody, GOOD).status_code == 303
    anybody.cookies.clear()
    anybody.cookies["rewards_session"] = kept
    form = {"csrf_token": token, "password": GOOD + " 2", "repeated": GOOD + " 2"}
    assert anybody.post("/new-password", data=form).status_code == 401
    assert anybody.post("/api/session", json={"email": MARIA, "password": GOOD}).status_code == 200


def test_new_password_without_its_forms_token_is_refused(anybody: httpx.Client) -> None:
    fill_in(anybody, MARIA, PASSWORDS[MARIA])
    anybody.get("/new-password")
    for token in ("", "wrong"):
        answer = anybody.post("/new-password", data={"csrf_token": token, "password": GOOD, "repeated": GOOD})
        assert answer.status_code == 403
    assert anybody.post("/api/session", json={"email": MARIA, "password": GOOD}).status_code == 401


def test_closed_group_is_told_rather_than_that_the_password_has_expired(anybody: httpx.Client, ledger: Ledger) -> None:
    answer = fill_in(anybody, OLD, PASSWORDS[OLD])
    assert answer.status_code == 403
    assert "This account has been closed" in answer.text
    fill_in(anybody, MARIA, PASSWORDS[MARIA])
    ledger.status(2, "closed")
    answer = anybody.get("/new-password")
    assert answer.status_code == 403
    assert "This account has been closed" in answer.text


def test_role_without_access_gets_no_new_password(anybody: httpx.Client, postgres: Postgres, database: str) -> None:
    with postgres.admin(database) as cursor:
        cursor.execute("UPDATE users SET role_id = 9 WHERE email = %s", (MARIA,))
    assert "no access" in fill_in(anybody, MARIA, PASSWORDS[MARIA]).text
    body = {"email": MARIA, "password": PASSWORDS[MARIA], "new_password": GOOD}
    assert anybody.post("/api/password", json=body).status_code == 401


def test_json_tells_programs_that_the_password_has_expired(anybody: httpx.Client) -> None:
    answer = anybody.post("/api/session", json={"email": MARIA, "password": PASSWORDS[MARIA]})
    assert answer.status_code == 403
    assert answer.json() == {
        "detail": "Your password has expired. Please choose a new one.",
        "code": "password_expired",
    }
    assert "set-cookie" not in answer.headers
    closed = anybody.post("/api/session", json={"email": OLD, "password": PASSWORDS[OLD]})
    assert (closed.status_code, "code" in closed.json()) == (403, False)


def test_json_takes_the_old_password_and_a_new_one_and_signs_in(
    anybody: httpx.Client, postgres: Postgres, database: str
) -> None:
    body = {"email": MARIA.upper(), "password": PASSWORDS[MARIA], "new_password": GOOD}
    answer = anybody.post("/api/password", json=body)
    assert (answer.status_code, answer.json()["email"]) == (200, MARIA)
    assert anybody.get("/api/session").json()["email"] == MARIA
    assert row_of(postgres, database, MARIA) == (True, None, False)


@pytest.mark.parametrize(
    ("new_password", "told"),
    [
        ("short", "at least 12"),
        ("123456789012", "easy to guess"),
        ("x" * 1001, "at most 1,000"),
        (MARIA, "e-mail address"),
    ],
)
def test_json_tells_why_a_new_password_is_not_taken(anybody: httpx.Client, new_password: str, told: str) -> None:
    body = {"email": MARIA, "password": PASSWORDS[MARIA], "new_password": new_password}
    answer = anybody.post("/api/password", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "new_password_refused")
    assert told in answer.json()["detail"]
    assert new_password not in answer.text or new_password == "short"


def test_json_without_the_old_password_changes_nothing(
    anybody: httpx.Client, postgres: Postgres, database: str
) -> None:
    for email in (MARIA, "nobody@example.com"):
        body = {"email": email, "password": "wrong", "new_password": GOOD}
        answer = anybody.post("/api/password", json=body)
        assert (answer.status_code, answer.json()["detail"]) == (401, "The e-mail or the password is not right.")
    # A new password that would not be taken is not looked at before the old one is right.
    assert anybody.post("/api/password", json=body | {"new_password": "x"}).status_code == 401
    assert anybody.post("/api/password", content="{}", headers={"content-type": "text/plain"}).status_code == 422
    assert row_of(postgres, database, MARIA) == (True, None, True)


def test_failures_count_whichever_way_they_come(anybody: httpx.Client) -> None:
    body = {"email": MARIA, "password": "wrong", "new_password": GOOD}
    for _ in range(3):
        assert anybody.post("/api/password", json=body).status_code == 401
    for _ in range(2):
        assert fill_in(anybody, MARIA, "wrong").status_code == 401
    answer = anybody.post("/api/password", json=body | {"password": PASSWORDS[MARIA]})
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 901


def test_password_that_has_not_expired_can_be_replaced_which_ends_other_sessions(
    anybody: httpx.Client, site: str
) -> None:
    with httpx.Client(base_url=site) as elsewhere:
        assert elsewhere.post("/api/session", json={"email": JOE, "password": PASSWORDS[JOE]}).status_code == 200
        body = {"email": JOE, "password": PASSWORDS[JOE], "new_password": GOOD}
        assert anybody.post("/api/password", json=body).status_code == 200
        assert elsewhere.get("/api/session").status_code == 401
    assert anybody.get("/api/session").status_code == 200


def test_password_that_changed_at_the_same_moment_is_not_overwritten(
    anybody: httpx.Client, postgres: Postgres, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change_first(password: str) -> str:
        with postgres.admin(database) as cursor:
            cursor.execute("UPDATE users SET password_hash = 'first' WHERE email = %s", (MARIA,))
        return f"second, of {len(password)}"

    monkeypatch.setattr(signing_in, "hash_password", change_first)
    body = {"email": MARIA, "password": PASSWORDS[MARIA], "new_password": GOOD}
    answer = anybody.post("/api/password", json=body)
    assert answer.status_code == 401
    assert "changed at the same moment" in answer.json()["detail"]
    with postgres.admin(database) as cursor:
        cursor.execute("SELECT password_hash, password_expired FROM users WHERE email = %s", (MARIA,))
        assert cursor.fetchone() == ("first", True)


def test_passwords_are_in_no_log(anybody: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    fill_in(anybody, MARIA, PASSWORDS[MARIA])
    choose(anybody, "short " * 2 + "one", "other")
    choose(anybody, GOOD)
    anybody.post("/api/password", json={"email": MARIA, "password": GOOD, "new_password": "tiny secret"})
    anybody.post("/api/password", json={"email": MARIA, "password": GOOD, "new_password": ["listed secret"]})
    anybody.post("/api/password", json={"email": MARIA, "password": GOOD, "new_password": GOOD + " 2"})
    told = "\n".join(formatter("json").format(record) for record in caplog.records if record.name != "httpx")
    assert '"path":"/new-password"' in told
    assert '"path":"/api/password"' in told
    for secret in (PASSWORDS[MARIA], GOOD, "short short", "tiny secret", "listed secret", "argon2"):
        assert secret not in told
