"""The benchmarks' own stack: started in a temporary folder, ended with it whatever happens."""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg2

from connectors.local import postgres
from connectors.rest import ConnectRest
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

    def stop_capture(self) -> None:
        """Stop the connectors, so that their topics stand still; Connect itself goes on."""
        rest = ConnectRest(self.address("connect"), self.files.tls_file)
        for name in rest.connectors():
            rest.stop(name)
        until("the connectors stop", lambda: all(map(_is_stopped, rest.connectors().values())))


def _is_stopped(status: dict[str, Any]) -> bool:
    return status["connector"]["state"] == "STOPPED" and not status["tasks"]


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
                stack.discard()
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
