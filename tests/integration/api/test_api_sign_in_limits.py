"""Failed sign-ins: who has to wait, for how long, and who must not; and what is logged of them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine, func, make_url, select
from sqlalchemy.orm import Session

from api.core.models import SignInFailures
from api.core.settings import WebSettings
from api.users.attempts import Attempts
from streams.logs import formatter
from tests.integration.api.conftest import PASSWORDS
from tests.integration.api.servers import Postgres, running_site

JOE, ADMIN = "joe@wasatch.example", "Admin@Example.com"
HOME, ELSEWHERE = "127.0.0.1", "127.0.0.2"


def attempt(
    site: str, email: str, password: str = "wrong", *, address: str = HOME, forwarded: str = ""
) -> httpx.Response:
    """A sign-in of a browser that was never here, at this address of the loopback."""
    transport = httpx.HTTPTransport(local_address=address)
    with httpx.Client(base_url=site, transport=transport, timeout=30) as client:
        headers = {"x-forwarded-for": forwarded} if forwarded else {}
        return client.post("/api/session", json={"email": email, "password": password}, headers=headers)


def right(site: str, email: str = JOE, *, address: str = HOME) -> int:
    return attempt(site, email, PASSWORDS[email], address=address).status_code


@pytest.fixture
def quick(postgres: Postgres, database: str) -> Iterator[str]:
    """A site whose limits are low."""
    with running_site(
        postgres.url(database),
        sign_in_failures=2, sign_in_account_failures=4, sign_in_address_failures=6, sign_in_wait_seconds=60,
        password_waiting=100,
    ) as address:  # fmt: skip
        yield address


def test_wait_doubles_with_each_further_failure(quick: str, postgres: Postgres, database: str) -> None:
    assert [attempt(quick, JOE).status_code for _ in range(2)] == [401, 401]
    waits = []
    for _ in range(4):
        answer = attempt(quick, JOE, PASSWORDS[JOE])
        assert answer.status_code == 429
        assert "Too many failed sign-ins. Please try again in" in answer.json()["detail"]
        waits.append(int(answer.headers["retry-after"]))
        with postgres.admin(database) as cursor:
            cursor.execute("UPDATE sign_in_failures SET waits_until = now()")
        assert attempt(quick, JOE).status_code == 401
    # Some seconds may pass between a failure and the question.
    for wait, whole in zip(waits, (60, 120, 240, 480), strict=True):
        assert whole - 30 < wait <= whole


def test_failures_elsewhere_do_not_lock_the_owner_out(quick: str) -> None:
    assert right(quick) == 200
    for number in range(2, 8):
        attempt(quick, JOE, address=f"127.0.0.{number}")
    # From an address that the account is not known at, it has to wait.
    assert right(quick, address="127.0.0.99") == 429
    assert right(quick) == 200
    # Its own failures count at its own address, as ever.
    for _ in range(2):
        attempt(quick, JOE)
    assert right(quick) == 429


def test_unknown_account_waits_like_a_known_one(quick: str) -> None:
    for email in (JOE, "nobody@example.com"):
        told = [attempt(quick, email, address=f"127.0.1.{number}").status_code for number in range(1, 6)]
        assert told == [401] * 4 + [429]


def test_address_waits_whatever_the_account(quick: str) -> None:
    told = [attempt(quick, f"{number}@example.com", address=ELSEWHERE).status_code for number in range(7)]
    assert told == [401] * 6 + [429]
    assert right(quick, ADMIN, address=ELSEWHERE) == 429
    assert right(quick, ADMIN) == 200


def test_success_takes_back_its_own_count_and_nothing_else(quick: str) -> None:
    for number in range(5):
        attempt(quick, f"{number}@example.com", address=ELSEWHERE)
        assert right(quick, ADMIN, address=ELSEWHERE) == 200
    assert attempt(quick, "5@example.com", address=ELSEWHERE).status_code == 401
    assert right(quick, ADMIN, address=ELSEWHERE) == 429


def test_attempts_at_the_same_moment_count_as_well(quick: str) -> None:
    with ThreadPoolExecutor(12) as threads:
        told = Counter(answer.status_code for answer in threads.map(lambda _: attempt(quick, JOE), range(12)))
    assert told == {401: 2, 429: 10}


def test_attempt_is_not_refused_for_one_that_began_later_and_ended_before(postgres: Postgres, database: str) -> None:
    engine = create_engine(make_url(postgres.url(database)).set(drivername="postgresql+psycopg2"))
    attempts = Attempts(WebSettings(database_url=SecretStr(""), session_secret=SecretStr("s" * 32)))
    with Session(engine) as early, Session(engine) as late:
        early.execute(select(func.now()))
        attempts.begin(late, JOE, HOME, None)
        late.commit()
        attempts.begin(early, JOE, HOME, None)
        early.commit()
        assert early.scalar(select(func.min(func.round(SignInFailures.failures)))) == 2
    engine.dispose()


def test_limits_are_the_same_in_every_process(quick: str, postgres: Postgres, database: str) -> None:
    for _ in range(2):
        attempt(quick, JOE)
    with running_site(postgres.url(database), sign_in_failures=2) as other:
        assert right(other) == 429


def test_failures_are_forgotten_with_time(postgres: Postgres, database: str) -> None:
    limits = {"sign_in_failures": 2, "sign_in_wait_seconds": 3_600, "sign_in_window_minutes": 20}
    with running_site(postgres.url(database), **limits) as site:
        for _ in range(2):
            attempt(site, JOE)
        assert attempt(site, JOE).status_code == 429
        with postgres.admin(database) as cursor:
            past = "failed_at = failed_at - interval '21 minutes', waits_until = waits_until - interval '21 minutes'"
            cursor.execute(f"UPDATE sign_in_failures SET {past}")
        assert [attempt(site, JOE).status_code for _ in range(2)] == [401, 401]


def test_forwarded_address_is_taken_from_trusted_proxies_only(quick: str, postgres: Postgres, database: str) -> None:
    for number in range(6):
        attempt(quick, f"{number}@example.com", forwarded=f"192.0.2.{number}")
    assert attempt(quick, ADMIN, PASSWORDS[ADMIN], forwarded="192.0.2.77").status_code == 429
    limits = {"sign_in_address_failures": 6, "trusted_proxies": f"{ELSEWHERE}, 10.0.0.0/8"}
    with running_site(postgres.url(database), **limits) as behind:
        # What a client writes into the header itself stands before what the proxies add.
        for number in range(6):
            forwarded = f"198.51.100.{number}, 203.0.113.9, 10.1.1.1"
            attempt(behind, f"p{number}@example.com", address=ELSEWHERE, forwarded=forwarded)
        refused = attempt(behind, ADMIN, PASSWORDS[ADMIN], address=ELSEWHERE, forwarded="203.0.113.9, 10.1.1.1")
        assert refused.status_code == 429
        other = attempt(behind, ADMIN, PASSWORDS[ADMIN], address=ELSEWHERE, forwarded="203.0.113.10")
        assert other.status_code == 200


def test_ipv6_clients_of_one_line_count_as_one(postgres: Postgres, database: str) -> None:
    limits = {"sign_in_address_failures": 3, "trusted_proxies": HOME}
    with running_site(postgres.url(database), **limits) as site:
        for number in range(3):
            attempt(site, f"{number}@example.com", forwarded=f"2001:db8:1:2::{number}")
        assert attempt(site, "x@example.com", forwarded="2001:db8:1:2:ffff::1").status_code == 429
        assert attempt(site, "x@example.com", forwarded="2001:db8:1:3::1").status_code == 401


def test_sign_ins_are_logged_with_account_and_address(site: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    attempt(site, JOE, PASSWORDS[JOE], address=ELSEWHERE)
    attempt(site, JOE, "a wrong secret", address=ELSEWHERE)
    attempt(site, "n" * 200 + "@example.com", "a wrong secret")
    attempt(site, "typed into the wrong field", "a wrong secret")
    told = [formatter("json").format(one) for one in caplog.records if one.name == "api.users.signing_in"]
    assert len(told) == 4
    assert all(f'"address":"{ELSEWHERE}"' in line and f'"account":"{JOE}"' in line for line in told[:2])
    assert '"message":"signed in"' in told[0]
    assert '"message":"a sign-in was refused"' in told[1]
    assert f'"account":"{"n" * 100}"' in told[2]
    everything = "\n".join(formatter("json").format(one) for one in caplog.records if one.name != "httpx")
    for secret in (PASSWORDS[JOE], "a wrong secret", "typed into"):
        assert secret not in everything
