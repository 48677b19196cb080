"""Many pages at once: all are served, none hangs others, and who finds no place is told when to come again."""

from __future__ import annotations

import asyncio
import threading
import time

import httpx

from tests.integration.api.conftest import PASSWORDS, SignIn
from tests.integration.api.ledger import Ledger
from tests.integration.api.servers import Postgres, running_site
from tests.integration.api.test_api_live import ADMIN, JOE, watching
from tests.many_streams import OpenedStream, open_streams

STREAMS = 500
OPEN_SECONDS = 30
"""The bench holds 10 s; the bound leaves room for a machine that runs other tests."""


def cookie_of(client: httpx.Client) -> str:
    return "; ".join(f"{name}={value}" for name, value in client.cookies.items())


def test_five_hundred_streams_at_once_are_all_served_and_pages_answer_meanwhile(
    sign_in: SignIn, ledger: Ledger
) -> None:
    customers = [f"S-{number}" for number in range(STREAMS // 2)]
    for customer in customers:
        ledger.member(customer, 1000)
    admin, joe = sign_in(ADMIN), sign_in(JOE)
    opened: list[OpenedStream] = []

    async def open_all() -> None:
        # Half of them each on a subject of its own, half of them on one.
        paths = [f"/customers/{customer}/events" for customer in customers] + ["/customers/M-1001/events"] * len(
            customers
        )
        async with open_streams(str(admin.base_url), paths, cookie_of(admin)) as found:
            opened.extend(found)

    thread = threading.Thread(target=asyncio.run, args=(open_all(),))
    thread.start()
    took = []
    while thread.is_alive():
        started = time.perf_counter()
        assert joe.get("/customers/M-1001").status_code == 200
        took.append(time.perf_counter() - started)
    thread.join()
    assert [one.status for one in opened] == [200] * STREAMS
    assert max(one.open_seconds for one in opened) < OPEN_SECONDS
    assert all(one.shown_seconds is not None for one in opened)
    assert max(took) < 5, sorted(took)


def test_streams_beyond_the_places_are_told_when_to_come_again_and_are_answered_once(
    postgres: Postgres, database: str, ledger: Ledger
) -> None:
    ledger.entry("M-1001", 5)
    with (
        running_site(postgres.url(database), live_streams=2) as site,
        httpx.Client(base_url=site, timeout=20) as client,
    ):
        client.post("/api/session", json={"email": JOE, "password": PASSWORDS[JOE]})
        address = "/customers/M-1001/events"
        with watching(client, address) as first, watching(client, address) as second:
            first.next()
            second.next()
            refused = client.get(address)
            assert refused.status_code == 503
            assert 2 <= int(refused.headers["Retry-After"]) <= 6
            assert client.get("/customers/M-1001").status_code == 200
            told = client.get(f"{address}?once=true").json()
            assert told["all"] is True
            assert told["numbers"]["balance"] == "5"
        # Their places are free again.
        for _ in range(50):
            with client.stream("GET", address) as answer:
                if answer.status_code == 200:
                    break
            time.sleep(0.1)
        assert answer.status_code == 200


def test_times_to_come_again_are_spread_by_chance(sign_in: SignIn, ledger: Ledger) -> None:
    client = sign_in(ADMIN)
    told = set()
    for _ in range(10):
        with client.stream("GET", "/customers/M-1001/events") as answer:
            told.add(next(line for line in answer.iter_lines() if line.startswith("retry: ")))
    assert len(told) > 5
