"""The one stack of a test run: Postgres, Kafka, Connect with Debezium, worker, lag and web, in its own folder."""

from __future__ import annotations

import datetime as dt
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack import Stack


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Started at the first test that asks for it, on `STARTED_ON`, without sample data; ended with the run."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        with tempfile.TemporaryDirectory(prefix="rewards-tests-") as folder:
            started = Stack(Path(folder) / "stack")
            try:
                started.up("--no-feed", "--business-date", STARTED_ON.isoformat())
                yield started
            finally:
                started.discard()
    finally:
        signal.signal(signal.SIGTERM, before)


STARTED_ON = dt.date(2026, 3, 1)
"""The business date that the shared stack starts with; tests only move it on."""
