"""Sessions stand on the server: what ends one, who sees them, and that what is over is deleted."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher

from api.users import signing_in
from tests.integration.api.conftest import PASSWORDS
from tests.integration.api.servers import Postgres, running_site
from tests.integration.api.test_api_sign_in import token_of
from tests.stack import eventually

JOE, ADMIN = "joe@wasatch.example", "Admin@Example.com"
PERSON, SCRIPT = {"sec-fetch-mode": "navigate"}, {"sec-fetch-mode": "cors"}


@contextmanager
def browser(site: str, email: str = JOE, **more: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=site, timeout=20, **more) as client:
        answer = client.post("/api/session", json={"email": email, "password": PASSWORDS[email]})
        assert answer.status_code == 200, answer.text
        yield client


def copy_of(client: httpx.Client) -> dict[str, str]:
    """The headers of somebody who has copied the cookie."""
    return {"cookie": f"rewards_session={client.cookies['rewards_session']}"}


def rows(postgres: Postgres, database: str) -> int:
    with postgres.admin(database) as cursor:
        cursor.execute("SELECT count(*) FROM user_sessions")
        found = cursor.fetchone()
    assert found is not None
    return int(found[0])


@pytest.mark.parametrize("way", ["page", "json"])
def test_sign_out_ends_a_copied_cookie(site: str, way: str) -> None:
    with browser(site) as joe, httpx.Client(base_url=site) as thief:
        copied = copy_of(joe)
        assert thief.get("/api/session", headers=copied).status_code == 200
        if way == "page":
            joe.post("/sign-out", data={"csrf_token": token_of(joe.get("/customers/M-1001"))})
        else:
            assert joe.delete("/api/session").status_code == 204
        assert thief.get("/api/session", headers=copied).status_code == 401
        assert joe.get("/api/session").status_code == 401


def test_row_holds_a_digest_and_never_the_token(site: str, postgres: Postgres, database: str) -> None:
    with browser(site, headers={"user-agent": "A browser " + "x" * 1000}), postgres.admin(database) as cursor:
        cursor.execute("SELECT to_jsonb(s), octet_length(token_digest), length(browser), address FROM user_sessions s")
        row, size, browser_length, address = cursor.fetchone()
        assert (size, browser_length, address) == (32, 300, "127.0.0.1")
        assert "token" not in json.dumps(row).replace("token_digest", "")


def test_session_ends_when_nobody_asks_and_an_open_page_is_nobody(postgres: Postgres, database: str) -> None:
    with running_site(postgres.url(database), session_idle_hours=3 / 3600) as site, browser(site) as joe:
        for _ in range(3):
            time.sleep(1.6)
            assert joe.get("/api/session", headers=PERSON).status_code == 200
        told = []
        for _ in range(5):
            time.sleep(0.8)
            told.append(joe.get("/api/session", headers=SCRIPT).status_code)
        assert told[0] == 200
        assert told[-1] == 401


def test_what_is_over_is_deleted(postgres: Postgres, database: str) -> None:
    limits = {"session_idle_hours": 1 / 3600, "clear_minutes": 0.3 / 60, "sign_in_window_minutes": 1 / 60}
    with running_site(postgres.url(database), **limits) as site, browser(site) as joe:
        joe.post("/api/session", json={"email": JOE, "password": "wrong"})

        def all_gone() -> bool:
            with postgres.admin(database) as cursor:
                cursor.execute("SELECT count(*) FROM sign_in_failures")
                return rows(postgres, database) + cursor.fetchone()[0] == 0

        eventually(all_gone, timeout=10)


def test_account_has_so_many_sessions_and_a_further_one_ends_the_oldest(postgres: Postgres, database: str) -> None:
    with (
        running_site(postgres.url(database), sessions_per_account=2) as site,
        browser(site) as first, browser(site) as second, browser(site) as third, browser(site, ADMIN) as other,
    ):  # fmt: skip
        told = [one.get("/api/session").status_code for one in (first, second, third, other)]
        assert told == [401, 200, 200, 200]


def test_sign_in_on_the_same_browser_replaces_the_session(site: str, postgres: Postgres, database: str) -> None:
    with browser(site) as joe:
        copied = copy_of(joe)
        joe.post("/api/session", json={"email": JOE, "password": PASSWORDS[JOE]})
        assert rows(postgres, database) == 1
        assert httpx.get(f"{site}/api/session", headers=copied).status_code == 401


def test_account_that_lost_its_access_gets_no_session_back_with_it(
    site: str, postgres: Postgres, database: str
) -> None:
    with browser(site) as joe, postgres.admin(database) as cursor:
        cursor.execute("UPDATE users SET role_id = 9 WHERE email = %s", (JOE,))
        assert joe.get("/api/session").status_code == 401
        cursor.execute("UPDATE users SET role_id = 4 WHERE email = %s", (JOE,))
        assert joe.get("/api/session").status_code == 401


def test_account_that_is_deleted_is_signed_out(site: str, postgres: Postgres, database: str) -> None:
    with browser(site) as joe, postgres.admin(database) as cursor:
        cursor.execute("DELETE FROM users WHERE email = %s", (JOE,))
        assert joe.get("/api/session").status_code == 401


def test_member_that_lost_its_group_sees_nothing_of_it_at_once(site: str, postgres: Postgres, database: str) -> None:
    with browser(site) as joe, postgres.admin(database) as cursor:
        cursor.execute("UPDATE users SET reward_group_id = NULL WHERE email = %s", (JOE,))
        assert joe.get("/groups/1").status_code == 403
        assert joe.get("/api/session").json()["reward_group_id"] is None


def test_hash_that_is_made_anew_ends_no_session(
    site: str, postgres: Postgres, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cheap = PasswordHasher(time_cost=1).hash(PASSWORDS[JOE].encode())
    with postgres.admin(database) as cursor:
        cursor.execute("UPDATE users SET password_hash = %s WHERE email = %s", (cheap, JOE))
        with monkeypatch.context() as patched:
            patched.setattr(signing_in, "needs_new_hash", lambda *_: False)
            with browser(site) as first:
                patched.undo()
                with browser(site) as second:
                    cursor.execute("SELECT password_hash = %s FROM users WHERE email = %s", (cheap, JOE))
                    assert cursor.fetchone() == (False,)
                    assert [one.get("/api/session").status_code for one in (first, second)] == [200, 200]


def test_two_first_sign_ins_of_a_legacy_account_at_once_leave_no_dead_session(
    site: str, postgres: Postgres, database: str
) -> None:
    legacy = hashlib.sha256(("b2b2" + PASSWORDS[JOE]).encode()).hexdigest()
    with postgres.admin(database) as cursor:
        cursor.execute("UPDATE users SET password_hash = %s, password_salt = 'b2b2' WHERE email = %s", (legacy, JOE))
    told: list[tuple[int, int]] = []

    def come_in() -> None:
        with httpx.Client(base_url=site, timeout=30) as client:
            answer = client.post("/api/session", json={"email": JOE, "password": PASSWORDS[JOE]})
            told.append((answer.status_code, client.get("/api/session").status_code))

    threads = [threading.Thread(target=come_in) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (200, 200) in told
    assert set(told) <= {(200, 200), (401, 401)}


def test_page_lists_sessions_and_ends_one_or_all_others(site: str) -> None:
    firefox = {"user-agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"}
    with (
        browser(site, headers=firefox) as joe,
        browser(site) as second,
        browser(site) as third,
        browser(site, ADMIN) as admin,
    ):
        page = joe.get("/sessions")
        assert "Where you are signed in" in page.text
        assert "Firefox on Windows" in page.text
        assert page.text.count("python-httpx") == 4  # The name, and what a screen reader says of its button, of two.
        assert page.text.count("This one") == 1
        assert 'href="/sessions"' in joe.get("/customers/M-1001").text
        this_one, *others = re.findall(r'name="id" value="(\d+)"', page.text)
        token = {"csrf_token": token_of(page)}
        assert joe.post("/sessions/end", data={"id": others[0]}).status_code == 403
        ended = admin.post("/sessions/end", data={"id": others[0], "csrf_token": token_of(admin.get("/sessions"))})
        assert ended.status_code == 404
        assert joe.post("/sessions/end", data={"id": others[0]} | token).headers["location"] == "/sessions"
        # The newest is listed first.
        assert (second.get("/api/session").status_code, third.get("/api/session").status_code) == (200, 401)
        assert joe.post("/sessions/end-others", data=token).headers["location"] == "/sessions"
        assert second.get("/api/session").status_code == 401
        assert joe.post("/sessions/end", data={"id": this_one} | token).headers["location"] == "/sign-in"
        assert joe.get("/api/session").status_code == 401
        assert admin.get("/api/session").status_code == 200


def test_json_lists_sessions_and_ends_one_or_all_others(site: str) -> None:
    with browser(site) as joe, browser(site) as second, browser(site) as third, browser(site, ADMIN) as admin:
        listed = joe.get("/api/sessions").json()["sessions"]
        assert [one["is_this_one"] for one in listed] == [True, False, False]
        assert set(listed[0]) == {"id", "created_at", "last_seen_at", "address", "browser", "is_this_one"}
        assert admin.delete(f"/api/sessions/{listed[1]['id']}").status_code == 404
        assert joe.delete(f"/api/sessions/{listed[1]['id']}").status_code == 204
        assert third.get("/api/session").status_code == 401
        assert joe.delete("/api/sessions").status_code == 204
        assert second.get("/api/session").status_code == 401
        assert len(joe.get("/api/sessions").json()["sessions"]) == 1
        assert admin.get("/api/session").status_code == 200
    assert httpx.get(f"{site}/api/sessions").status_code == 401


def test_sessions_of_an_earlier_password_are_not_listed(site: str) -> None:
    with browser(site) as joe, browser(site):
        body = {"email": JOE, "password": PASSWORDS[JOE], "new_password": "three peñas and a framer"}
        assert joe.post("/api/password", json=body).status_code == 200
        assert len(joe.get("/api/sessions").json()["sessions"]) == 1


def test_request_that_writes_holds_one_connection(postgres: Postgres, database: str) -> None:
    # With one for the viewer and one for the change, as many requests as there are connections wait for each other.
    with running_site(postgres.url(database), database_connections=2) as site, browser(site, ADMIN) as admin:
        told: list[int] = []

        def decide() -> None:
            answer = admin.post("/api/dead-letters/decisions", json={"decision": "accept"})
            told.append(answer.status_code)

        threads = [threading.Thread(target=decide) for _ in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert told == [200] * 30
