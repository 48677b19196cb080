"""The one stack of a test run: Postgres, Kafka, Connect with Debezium, worker, lag and web, in its own folder."""

from __future__ import annotations

import datetime as dt
import signal
from collections.abc import Iterator
from typing import Final

import pytest

from tests.stack import Stack, temporary_stack

SHARED_STACK: Final = "the shared stack"


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in a hook of its own
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Two processes run tests at once: what shares the stack stays together, and is first, for it is the longest; each module as well."""
    for item in items:
        assert isinstance(item, pytest.Function)
        stacks = item._fixtureinfo.name2fixturedefs.get("stack", ())
        shared = bool(stacks) and stacks[-1].baseid == "tests"
        item.add_marker(pytest.mark.xdist_group(SHARED_STACK if shared else item.module.__name__))
    items.sort(key=lambda item: item.get_closest_marker("xdist_group").args != (SHARED_STACK,))


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
