from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from connectors import registration, watermarks
from connectors.errors import ConnectError, ConnectUnreachableError
from connectors.rest import ConnectRest
from connectors.settings import ConnectorSettings


class FakeConnect:
    """Kafka Connect's REST interface, as far as it is used: connectors run at once unless told otherwise."""

    def __init__(self) -> None:
        self.configurations: dict[str, dict[str, str]] = {}
        self.traces: dict[str, list[str]] = {}
        """Traces of tasks that fail, by connector; a restart takes the first away."""
        self.puts: list[str] = []
        self.busy = 0
        """Requests to answer with a conflict first, as during a rebalance."""

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:  # noqa: PLR0911 - one a request
        if self.busy:
            self.busy -= 1
            return 409, {"message": "rebalancing"}
        parts = path.strip("/").split("/")
        if parts == ["connectors"]:
            return 200, {name: {"status": self._status(name)} for name in self.configurations}
        name = parts[1]
        if method == "PUT":
            self.puts.append(name)
            self.configurations[name] = body
            return 201, {}
        if name not in self.configurations:
            return 404, {"message": f"Connector {name} not found"}
        if method == "DELETE":
            del self.configurations[name]
            return 204, None
        if parts[2] == "restart":
            self.traces.get(name, [""]).pop(0)
            return 202, {}
        return 200, self.configurations[name]

    def _status(self, name: str) -> dict[str, Any]:
        traces = self.traces.get(name)
        task = {"id": 0, "state": "FAILED", "trace": traces[0]} if traces else {"id": 0, "state": "RUNNING"}
        return {"name": name, "connector": {"state": "RUNNING"}, "tasks": [task]}


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeConnect]:
    fake = FakeConnect()

    class Handler(BaseHTTPRequestHandler):
        def handle_one(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, content = fake.answer(self.command, urlsplit(self.path).path, json.loads(body) if body else None)
            self.send_response(status)
            self.end_headers()
            if content is not None:
                self.wfile.write(json.dumps(content).encode())

        do_GET = do_PUT = do_POST = do_DELETE = handle_one  # noqa: N815

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("REWARDS_CONNECT_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("REWARDS_KAFKA_BOOTSTRAP", "127.0.0.1:1")
    monkeypatch.setenv("REWARDS_WAREHOUSE_URL", "postgresql://warehouse")
    monkeypatch.setenv("REWARDS_DATABASE_URL", "postgresql://rewards")
    monkeypatch.setattr(registration, "_partitions", lambda _bootstrap, topics: dict.fromkeys(topics, 8))
    yield fake
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def seeded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    calls: list[tuple[str, int]] = []
    monkeypatch.setattr(watermarks, "seed", lambda address, partitions: calls.append((address, partitions)))
    return calls


def test_apply_seeds_and_registers_once(connect: FakeConnect, seeded: list[tuple[str, int]]) -> None:
    first = registration.apply(ConnectorSettings())
    second = registration.apply(ConnectorSettings())

    assert all(one.running for one in first + second)
    assert connect.puts == ["warehouse", "rewards"]
    assert seeded[:2] == [("postgresql://warehouse", 8), ("postgresql://rewards", 8)]


def test_apply_registers_again_what_has_changed(connect: FakeConnect, seeded: list[tuple[str, int]]) -> None:
    registration.apply(ConnectorSettings())
    connect.configurations["rewards"]["poll.interval.ms"] = "500"

    registration.apply(ConnectorSettings())

    assert connect.puts == ["warehouse", "rewards", "rewards"]
    assert connect.configurations["rewards"]["poll.interval.ms"] == "10"


def test_apply_waits_while_connect_rebalances(connect: FakeConnect, seeded: list[tuple[str, int]]) -> None:
    connect.busy = 3

    assert all(one.running for one in registration.apply(ConnectorSettings()))


def test_task_that_failed_before_is_given_another_start(connect: FakeConnect, seeded: list[tuple[str, int]]) -> None:
    connect.traces["warehouse"] = ["java.lang.Exception: no database\n\tat a.B.c(B.java:1)"]

    assert all(one.running for one in registration.apply(ConnectorSettings()))


def test_task_that_fails_again_is_an_error_with_connects_reason(
    connect: FakeConnect, seeded: list[tuple[str, int]]
) -> None:
    trace = "org.x.ConnectException: slot\n\tat a.B.c(B.java:1)\nCaused by: org.y.Gone: no such slot\n\t... 3 more"
    connect.traces["warehouse"] = [trace, trace, trace]

    with pytest.raises(ConnectError, match=r"warehouse failed: org.x.ConnectException: slot / Caused by: .* slot$"):
        registration.apply(ConnectorSettings())


def test_connect_that_is_not_there_is_an_error_after_the_timeout(
    connect: FakeConnect, seeded: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REWARDS_CONNECT_URL", "http://127.0.0.1:9")

    with pytest.raises(ConnectError, match="does not answer"):
        registration.apply(ConnectorSettings(), timeout_seconds=0.3)


def test_proxy_of_the_users_shell_is_not_asked_for_connect(
    connect: FakeConnect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)

    assert ConnectRest(ConnectorSettings().connect_url).connectors() == {}


def test_connect_that_does_not_answer_is_one_sentence() -> None:
    with pytest.raises(
        ConnectUnreachableError, match=r"^Kafka Connect does not answer at http://127.0.0.1:9: .*refused"
    ):
        ConnectRest("http://127.0.0.1:9").connectors()


def test_deleted_connectors_are_missing(connect: FakeConnect, seeded: list[tuple[str, int]]) -> None:
    registration.apply(ConnectorSettings())

    found = registration.delete(ConnectorSettings())

    assert [one.state for one in found] == ["MISSING", "MISSING"]
    assert registration.delete(ConnectorSettings()) == found
