"""Server-sent events: from NOTIFY to the page that is open."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, Queue
from typing import Any

import httpx
import pytest

from tests.integration.api.conftest import SignIn
from tests.integration.api.ledger import Ledger, tell_changed
from tests.integration.api.servers import Postgres, running_site

ADMIN, JOE = "Admin@Example.com", "joe@wasatch.example"


class Stream:
    """The updates of one page, read in a thread."""

    def __init__(self, client: httpx.Client, address: str) -> None:
        self.updates: Queue[dict[str, Any]] = Queue()
        self.closed = threading.Event()
        self._cookies, self._base, self._address = client.cookies, client.base_url, address
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        with (
            httpx.Client(base_url=self._base, cookies=self._cookies, timeout=1) as client,
            client.stream("GET", self._address, timeout=httpx.Timeout(5, read=None)) as answer,
        ):
            self.status = answer.status_code
            event = ""
            for line in answer.iter_lines():
                if self._stop.is_set():
                    break
                if line.startswith("event: "):
                    event = line[7:]
                elif line.startswith("data: ") and event in {"update", "end"}:
                    self.updates.put(json.loads(line[6:]))
        self.closed.set()

    def next(self, timeout: float = 10) -> dict[str, Any]:
        return self.updates.get(timeout=timeout)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(15)
        assert not self._thread.is_alive()


@contextmanager
def watching(client: httpx.Client, address: str) -> Iterator[Stream]:
    stream = Stream(client, address)
    try:
        yield stream
    finally:
        stream.stop()


def test_notify_brings_the_new_numbers_and_the_entry(sign_in: SignIn, ledger: Ledger) -> None:
    ledger.entry("M-1001", 100)
    with watching(sign_in(JOE), "/customers/M-1001/events") as stream:
        first = stream.next()
        assert first["all"] is True
        assert first["numbers"]["balance"] == "100"
        made = ledger.entry("M-1001", 1250)
        update = stream.next()
        assert update["live"] is True
        assert update["numbers"]["balance"] == "1,350"
        assert [entry["id"] for entry in update["entries"]] == [made]
        assert "+1,250" in update["entries"][0]["html"]
        assert "all" not in update


def test_update_comes_within_milliseconds(sign_in: SignIn, ledger: Ledger) -> None:
    with watching(sign_in(JOE), "/customers/M-1001/events") as stream:
        stream.next()
        took = []
        for _ in range(20):
            ledger.entry("M-1001", 1)
            started = time.perf_counter()
            stream.next()
            took.append(time.perf_counter() - started)
            time.sleep(0.03)
    assert sorted(took)[len(took) // 2] < 0.1


def test_other_customers_are_not_told(sign_in: SignIn, ledger: Ledger) -> None:
    with watching(sign_in(JOE), "/customers/M-1001/events") as stream:
        stream.next()
        ledger.entry("M-1002", 5, group=2)
        with pytest.raises(Empty):
            stream.next(0.5)


def test_star_means_everybody(sign_in: SignIn, ledger: Ledger) -> None:
    with watching(sign_in(JOE), "/customers/M-1001/events") as stream:
        stream.next()
        ledger.entry("M-1001", 5, tell=False)
        with ledger.writing() as session:
            tell_changed(session, "*")
        assert stream.next()["numbers"]["balance"] == "5"


def test_group_and_other_members_see_a_members_change(sign_in: SignIn, ledger: Ledger) -> None:
    ledger.member("M-2001", 1)
    with (
        watching(sign_in(JOE), "/groups/1/events") as group,
        watching(sign_in(ADMIN), "/customers/M-1001/events") as other,
    ):
        group.next()
        other.next()
        made = ledger.entry("M-2001", 7)
        update = group.next()
        assert update["numbers"]["balance"] == "7"
        assert [entry["id"] for entry in update["entries"]] == [made]
        seen = other.next()
        assert seen["numbers"] == {"balance": "7", "redeemable": "7"}
        assert "entries" not in seen


def test_lost_listen_connection_is_told_and_what_was_missed_is_sent(
    sign_in: SignIn, ledger: Ledger, postgres: Postgres, database: str
) -> None:
    # Keeps a connection open, so that it can write while new ones are refused.
    ledger.entry("M-1001", 1)
    with watching(sign_in(JOE), "/customers/M-1001/events") as stream:
        stream.next()
        with postgres.admin() as cursor:
            cursor.execute(f"ALTER DATABASE {database} CONNECTION LIMIT 0")
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = %s AND application_name = 'rewards-api-listen'",
                (database,),
            )
            assert stream.next() == {"live": False}
            ledger.entry("M-1001", 76, tell=False)
            cursor.execute(f"ALTER DATABASE {database} CONNECTION LIMIT -1")
        updates = [stream.next(), stream.next()]
        assert updates[0]["live"] is True
        assert updates[1]["numbers"]["balance"] == "77"


def test_connection_ends_after_its_time_so_that_it_is_authorised_again(postgres: Postgres, database: str) -> None:
    with (
        running_site(postgres.url(database), live_minutes=0.01) as site,
        httpx.Client(base_url=site, timeout=20) as client,
    ):
        client.post("/api/session", json={"email": ADMIN, "password": "correct horse"})
        with watching(client, "/customers/M-1001/events") as stream:
            stream.next()
            assert stream.closed.wait(5)


def test_open_streams_hold_no_database_connection(sign_in: SignIn, postgres: Postgres, database: str) -> None:
    admin = sign_in(ADMIN)
    streams = [Stream(admin, "/customers/M-1001/events") for _ in range(30)]
    try:
        for stream in streams:
            stream.next()
        with postgres.admin() as cursor:
            for _ in range(100):
                cursor.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND state <> 'idle'", (database,)
                )
                if nothing_is_busy := cursor.fetchone() == (0,):
                    break
                time.sleep(0.05)
        assert nothing_is_busy
    finally:
        for stream in streams:
            stream._stop.set()
        for stream in streams:
            stream.stop()
