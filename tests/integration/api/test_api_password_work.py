"""Work on passwords: pages go on beside it, and what is too much is refused with a word."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.integration.api.conftest import PASSWORDS
from tests.integration.api.servers import Postgres, running_site
from tests.integration.api.test_api_sign_in import fill_in

JOE, ADMIN = "joe@wasatch.example", "Admin@Example.com"


def wrong(site: str, number: int) -> httpx.Response:
    transport = httpx.HTTPTransport(local_address=f"127.0.3.{number}")
    with httpx.Client(base_url=site, transport=transport, timeout=60) as client:
        return client.post("/api/session", json={"email": f"{number}@example.com", "password": "wrong"})


def test_pages_are_answered_while_sixty_people_sign_in_at_once(postgres: Postgres, database: str) -> None:
    with (
        running_site(postgres.url(database), database_connections=2) as site,
        httpx.Client(base_url=site, timeout=60) as admin,
    ):
        admin.post("/api/session", json={"email": ADMIN, "password": PASSWORDS[ADMIN]})
        flood_is_over = threading.Event()
        pages: list[int] = []

        def look() -> None:
            while not flood_is_over.is_set():
                pages.append(admin.get("/customers").status_code)

        looking = threading.Thread(target=look)
        looking.start()
        with ThreadPoolExecutor(60) as threads:
            answers = list(threads.map(lambda number: wrong(site, number), range(1, 61)))
        flood_is_over.set()
        looking.join()
        told = Counter(answer.status_code for answer in answers)
        assert told[401] >= 20
        assert told[401] + told[503] == 60
        assert all(answer.headers["retry-after"] == "3" for answer in answers if answer.status_code == 503)
        assert set(pages) == {200}


def test_who_finds_no_place_is_told_when_to_come_again(postgres: Postgres, database: str) -> None:
    with running_site(postgres.url(database), password_workers=1, password_waiting=0) as site:

        def come_in(_number: int) -> httpx.Response:
            with httpx.Client(base_url=site, timeout=60) as client:
                return fill_in(client, JOE, PASSWORDS[JOE])

        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(come_in, range(8)))
        refused = [answer for answer in answers if answer.status_code == 503]
        assert refused
        assert {answer.status_code for answer in answers} == {303, 503}
        for answer in refused:
            assert "Very many people are signing in just now." in answer.text
            assert answer.headers["retry-after"] == "3"
            # What was typed stands there still, but for the password.
            assert f'value="{JOE}"' in answer.text
            assert PASSWORDS[JOE] not in answer.text
        # Nobody has failed.
        assert come_in(0).status_code == 303
