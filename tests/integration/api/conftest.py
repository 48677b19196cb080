"""A database and a running site for each of these tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest

from api.samples.rows import LOGINS
from tests.integration.api.ledger import TODAY, Ledger
from tests.integration.api.servers import Postgres, running_site

PASSWORDS = {login.email: login.password for login in LOGINS}
SignIn = Callable[[str], httpx.Client]


@pytest.fixture
def ledger(postgres: Postgres, database: str) -> Iterator[Ledger]:
    ledger = Ledger(postgres.url(database))
    ledger.day(TODAY)
    yield ledger
    ledger.close()


@pytest.fixture
def site(postgres: Postgres, database: str) -> Iterator[str]:
    with running_site(postgres.url(database)) as address:
        yield address


@pytest.fixture
def anybody(site: str) -> Iterator[httpx.Client]:
    """A browser that nobody has signed in with."""
    with httpx.Client(base_url=site, timeout=20) as client:
        yield client


@pytest.fixture
def sign_in(site: str) -> Iterator[SignIn]:
    """Sign in as one of the sample's users."""
    clients: list[httpx.Client] = []

    def signed_in(email: str) -> httpx.Client:
        client = httpx.Client(base_url=site, timeout=20)
        clients.append(client)
        answer = client.post("/api/session", json={"email": email, "password": PASSWORDS[email]})
        assert answer.status_code == 200, answer.text
        return client

    yield signed_in
    for client in clients:
        client.close()
