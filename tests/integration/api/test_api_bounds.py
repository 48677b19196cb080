"""What a client may send: how much, how slowly, and on how many connections."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from tests.integration.api.servers import Postgres, running_site

LARGE = "x" * 2_000_000


@contextlib.contextmanager
def connection(site: str, address: str = "127.0.0.1") -> Iterator[socket.socket]:
    where = urlsplit(site)
    with socket.create_connection((where.hostname, where.port), timeout=10, source_address=(address, 0)) as opened:
        yield opened


def answer_of(opened: socket.socket) -> bytes:
    """Everything until the server ends the connection."""
    found = b""
    with contextlib.suppress(ConnectionError):
        while part := opened.recv(65536):
            found += part
    return found


def head(path: str, **headers: str) -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: x",
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.fixture
def quick(postgres: Postgres, database: str) -> Iterator[str]:
    """A site that does not wait long."""
    with running_site(postgres.url(database), header_seconds=0.6, body_seconds=0.6) as address:
        yield address


def test_method_that_is_not_taken_names_those_that_are(anybody: httpx.Client) -> None:
    assert anybody.put("/api/sessions").headers["allow"]


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("path", ["/api/session", "/sign-in"])
def test_large_body_is_refused(anybody: httpx.Client, path: str, chunked: bool) -> None:
    kind = "application/json" if path.startswith("/api") else "application/x-www-form-urlencoded"
    text = (json.dumps({"email": LARGE, "password": "x"}) if kind.endswith("json") else f"email={LARGE}").encode()
    parts = (text[start : start + 50_000] for start in range(0, len(text), 50_000))
    answer = anybody.post(path, content=parts if chunked else text, headers={"content-type": kind})
    assert answer.status_code == 413
    assert "larger than 256 KB" in answer.text
    if path.startswith("/api"):
        assert set(answer.json()) == {"detail"}
    else:
        assert "That is too much" in answer.text
    assert anybody.get("/sign-in").status_code == 200


def test_large_body_that_is_only_announced_is_refused_at_once(site: str) -> None:
    with connection(site) as opened:
        opened.sendall(head("/api/session", Content_Type="application/json", Content_Length="100000000"))
        assert answer_of(opened).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    ("path", "told"), [("/api/session", b'{"detail":"The request took'), ("/sign-in", b"<h1>That took too long")]
)
def test_body_that_trickles_is_refused(quick: str, path: str, told: bytes) -> None:
    kind = "application/json" if path.startswith("/api") else "application/x-www-form-urlencoded"
    with connection(quick) as opened:
        opened.sendall(head(path, Content_Type=kind, Content_Length="1000"))
        started = time.monotonic()
        with contextlib.suppress(ConnectionError):
            trickle(opened, seconds=2)
        answer = answer_of(opened)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert told in answer
    assert time.monotonic() - started < 8


def test_headers_that_trickle_are_refused(quick: str) -> None:
    with connection(quick) as opened:
        with contextlib.suppress(ConnectionError):
            for letter in "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ":
                opened.sendall(letter.encode())
                time.sleep(0.05)
        answer = answer_of(opened)
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert answer.endswith(b"The request took too long to arrive. Please try again.")


def test_second_request_of_a_connection_must_not_trickle_either(quick: str) -> None:
    with connection(quick) as opened:
        opened.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in opened.recv(65536)
        opened.sendall(b"GET /heal")
        assert b"HTTP/1.1 408 " in answer_of(opened)


def test_body_that_trickles_after_its_answer_ends_the_connection(quick: str) -> None:
    with connection(quick) as opened:
        opened.sendall(head("/healthz", Content_Length="100000"))
        assert opened.recv(65536).startswith(b"HTTP/1.1 405 ")
        with pytest.raises(ConnectionError):
            trickle(opened, seconds=15)


def trickle(opened: socket.socket, seconds: float) -> None:
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        opened.sendall(b"a")
        time.sleep(0.1)


def test_connection_that_says_nothing_is_closed_without_a_word(quick: str) -> None:
    with connection(quick) as opened:
        assert answer_of(opened) == b""


def test_request_that_takes_its_time_in_the_app_is_not_slow(quick: str) -> None:
    with httpx.Client(base_url=quick, timeout=20) as client:
        # Headers and body came in time: that the answer takes longer is no fault of the client's.
        assert client.post("/api/session", json={"email": "nobody@example.com", "password": "x"}).status_code == 401
        time.sleep(1.5)
        assert client.get("/healthz").status_code == 200


def test_address_has_so_many_connections_and_others_have_theirs(postgres: Postgres, database: str) -> None:
    with running_site(postgres.url(database), connections_per_address=10) as site, contextlib.ExitStack() as stack:
        held = [stack.enter_context(connection(site)) for _ in range(10)]
        with connection(site) as one_too_many:
            answer = answer_of(one_too_many)
        assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert b"\r\nRetry-After: 5\r\n" in answer
        assert answer.endswith(b"Too many connections are open. Please try again in a moment.")
        with connection(site, "127.0.0.2") as other:
            other.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert b"200 OK" in answer_of(other)
        held[0].close()
        time.sleep(1.5)
        assert httpx.get(f"{site}/healthz").status_code == 200


def test_all_together_have_so_many_connections(postgres: Postgres, database: str) -> None:
    with running_site(postgres.url(database), connections=10) as site, contextlib.ExitStack() as stack:
        for number in range(1, 11):
            stack.enter_context(connection(site, f"127.0.0.{number}"))
        with connection(site, "127.0.0.77") as one_too_many:
            assert answer_of(one_too_many).startswith(b"HTTP/1.1 503 ")


def test_trusted_proxy_may_have_more_connections(postgres: Postgres, database: str) -> None:
    limits = {"connections_per_address": 10, "trusted_proxies": "127.0.0.1"}
    with running_site(postgres.url(database), **limits) as site, contextlib.ExitStack() as stack:
        for _ in range(15):
            stack.enter_context(connection(site))
        assert httpx.get(f"{site}/healthz").status_code == 200
