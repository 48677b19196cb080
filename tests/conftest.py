"""The one stack of a test run: Postgres, Kafka, Connect with Debezium, worker, lag and web, in its own folder."""

from __future__ import annotations

import datetime as dt
import signal
from collections.abc import Iterator

import pytest

from tests.stack import Stack, temporary_stack


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what shares the stack first: two processes run modules at once, and each has a stack of its own as long as there are such."""
    items.sort(key=lambda item: not _shares_stack(item))


def _shares_stack(item: pytest.Item) -> bool:
    assert isinstance(item, pytest.Function)
    stacks = item._fixtureinfo.name2fixturedefs.get("stack", ())
    return bool(stacks) and stacks[-1].baseid == "tests"


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Started at the first test that asks for it, on `STARTED_ON`, without sample data; ended with the run."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        with temporary_stack() as started:
            started.up("--no-feed", "--business-date", STARTED_ON.isoformat())
            yield started
    finally:
        signal.signal(signal.SIGTERM, before)


STARTED_ON = dt.date(2026, 3, 1)
"""The business date that the shared stack starts with; tests only move it on."""
