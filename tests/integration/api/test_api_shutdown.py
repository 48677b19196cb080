"""`rewards api` as a process of its own, told to stop while pages are open."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from connectors.settings import PROJECT
from tests.integration.api.conftest import PASSWORDS
from tests.integration.api.servers import FIELD_KEY, Postgres, free_port

ADMIN = "Admin@Example.com"
LIMIT_SECONDS = 2.0
"""The server would cut open streams off after 3 seconds."""


def start(url: str, port: int, log: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        "REWARDS_DATABASE_URL": url,
        "REWARDS_SESSION_SECRET": "s" * 32,
        "REWARDS_FIELD_KEYS": FIELD_KEY,
    }
    command = [sys.executable, "-c", "import cli; cli.main()", "api", "--port", str(port)]
    with log.open("wb") as output:
        return subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=output, stderr=output)


def wait_until_ready(client: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        assert process.poll() is None, log.read_text()
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(log.read_text())


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_site_that_is_stopped_ends_open_streams_and_its_process_at_once(
    postgres: Postgres, database: str, tmp_path: Path, told: signal.Signals
) -> None:
    port, log = free_port(), tmp_path / "log"
    process = start(postgres.url(database), port, log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            wait_until_ready(client, process, log)
            client.post("/api/session", json={"email": ADMIN, "password": PASSWORDS[ADMIN]})
            with client.stream("GET", "/customers/M-1001/events") as page:
                lines = page.iter_lines()
                assert next(lines) == "event: update"
                started = time.monotonic()
                process.send_signal(told)
                # The stream ends in good order: it is not cut off in the middle of a chunk.
                for _ in lines:
                    pass
            process.wait(10)
            took = time.monotonic() - started
    finally:
        process.kill()
        process.wait()
    assert took < LIMIT_SECONDS
    said = log.read_text()
    assert '"level":"error"' not in said
    assert "Traceback" not in said
