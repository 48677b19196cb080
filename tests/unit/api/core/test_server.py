from __future__ import annotations

import subprocess
import sys
from http import HTTPStatus

import pytest

from api.core.server import OTHER_FILES, Connections
from api.core.settings import WebSettings

ALLOW = """
import logging, resource
from api.core.server import allow_files
logging.basicConfig(format="%(message)s")
resource.setrlimit(resource.RLIMIT_NOFILE, (SOFT, HARD))
allow_files(1_000)
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(
    ("soft", "hard", "allowed", "warned"),
    [(300, 4_000, 1_000 + OTHER_FILES, False), (3_000, 4_000, 3_000, False), (300, 500, 500, True)],
)
def test_process_may_open_as_many_files_as_its_connections_need(
    soft: int, hard: int, allowed: int, warned: bool
) -> None:
    program = ALLOW.replace("SOFT", str(soft)).replace("HARD", str(hard))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) == allowed
    assert ("ulimit -n" in done.stderr) is warned


def test_flood_of_refused_connections_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    connections = Connections(
        WebSettings.model_validate({"database_url": "postgresql://127.0.0.1/x", "session_secret": "s" * 32})
    )
    for _ in range(1_000):
        connections.tell_refused("192.0.2.1", HTTPStatus.SERVICE_UNAVAILABLE)
    assert len(caplog.records) == 1
    connections.told_at -= 10
    connections.tell_refused("192.0.2.2", HTTPStatus.REQUEST_TIMEOUT)
    assert [one.__dict__["count"] for one in caplog.records] == [1, 1_000]


def test_connections_are_counted_by_address_and_forgotten() -> None:
    values = {
        "database_url": "postgresql://127.0.0.1/x", "session_secret": "s" * 32,
        "connections": 30, "connections_per_address": 10, "trusted_proxies": "10.0.0.0/8",
    }  # fmt: skip
    connections = Connections(WebSettings.model_validate(values))
    assert [connections.add("192.0.2.1") for _ in range(11)] == [True] * 10 + [False]
    assert all(connections.add("10.0.0.1") for _ in range(19))
    assert not connections.add("10.0.0.1")
    assert not connections.add("192.0.2.2")
    for address, count in (("192.0.2.1", 11), ("10.0.0.1", 20), ("192.0.2.2", 1)):
        for _ in range(count):
            connections.remove(address)
    assert not connections.by_address
