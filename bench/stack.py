"""The benchmarks' own stack: started in a temporary folder, ended with it whatever happens."""

from __future__ import annotations

import json
import signal
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg2

from connectors.local import postgres
from tests.stack import Stack

BUSINESS_DATE: Final = "2026-10-15"
"""Fixed, so that every run has the same deadlines and no midnight."""


class BenchStack(Stack):
    """A stack under test, with what only a benchmark may do: reset tables and topics."""

    @property
    def superuser(self) -> str:
        """Address of `sunroc_rewards` for Postgres' own superuser."""
        port = self.state()["ports"]["postgres"]
        return postgres.url("postgres", postgres.REWARDS, self.files.secrets(), port)

    def execute(
        self, statement: str, parameters: Sequence[object] = (), *, address: str | None = None
    ) -> list[tuple[Any, ...]]:
        """Run a statement in `sunroc_rewards` as superuser (or at another address), committed; return its rows."""
        with closing(psycopg2.connect(address or self.superuser)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement, parameters or None)
                return cursor.fetchall() if cursor.description else []

    def pause_capture(self) -> None:
        """Pause the connectors, so that their topics stand still; Connect itself goes on."""
        connect = self.address("connect")
        for name in ("warehouse", "rewards"):
            request = urllib.request.Request(f"{connect}/connectors/{name}/pause", method="PUT")
            with urllib.request.urlopen(request, timeout=30):
                pass
        until("the connectors pause", lambda: all(map(self._is_paused, ("warehouse", "rewards"))))

    def _is_paused(self, name: str) -> bool:
        with urllib.request.urlopen(f"{self.address('connect')}/connectors/{name}/status", timeout=30) as answer:
            status = json.load(answer)
        return all(one["state"] == "PAUSED" for one in (status["connector"], *status["tasks"]))


@contextmanager
def started(*options: str) -> Iterator[BenchStack]:
    """Start a stack without sample data; `options` are further ones of `rewards up`."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        with tempfile.TemporaryDirectory(prefix="rewards-bench-") as folder:
            stack = BenchStack(Path(folder) / "stack")
            try:
                stack.up("--no-feed", "--business-date", BUSINESS_DATE, *options)
                yield stack
            finally:
                stack.down()
    finally:
        signal.signal(signal.SIGTERM, before)


def until(what: str, done: Callable[[], Any], *, seconds: float = 300, interval: float = 0.2) -> None:
    """Wait for something.

    Raises:
        TimeoutError: it did not come to be.
    """
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {seconds:.0f} s still waiting until {what}")
        time.sleep(interval)
