"""The one stack of a test run: Postgres, Kafka, Connect with Debezium, worker, lag and web, in its own folder."""

from __future__ import annotations

import datetime as dt
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

import pytest

from tests.stack import Stack, temporary_stack

STARTED_ON: Final = dt.date(2026, 3, 1)
"""The business date that the shared stack starts with; tests only move it on."""


class SharedStack:
    """The stack while tests use it."""

    def __init__(self) -> None:
        self._ending = ExitStack()
        self._stack: Stack | None = None

    def started(self) -> Stack:
        """The stack, which is started on `STARTED_ON`, without sample data, if it does not run."""
        if self._stack is None:
            self._ending.enter_context(_interruptible())
            stack = self._ending.enter_context(temporary_stack())
            stack.up("--no-feed", "--business-date", STARTED_ON.isoformat())
            self._stack = stack
        return self._stack

    def end(self) -> None:
        """Stop it and remove its data."""
        self._stack = None
        self._ending.close()


SHARED: Final = pytest.StashKey[SharedStack]()


def pytest_configure(config: pytest.Config) -> None:
    # Dozens of stacks live for a minute each: Kafka and Connect take half of the processor time until they are up if Java does not
    # compile for years of work.
    os.environ.setdefault("REWARDS_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")
    config.stash[SHARED] = SharedStack()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what shares the stack first: two processes run modules at once, and each has a stack of its own as long as there are such."""
    items.sort(key=lambda item: not _shares_stack(item))


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """End the stack once the next test does not need it: one that only stands there takes a third of a processor."""
    if nextitem is None or not _shares_stack(nextitem):
        item.config.stash[SHARED].end()


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[SHARED].end()


@pytest.fixture(scope="module")
def stack(request: pytest.FixtureRequest) -> Stack:
    """The shared one. Modules leave data in it, and never stop what belongs to it for good."""
    return request.config.stash[SHARED].started()


def _shares_stack(item: pytest.Item) -> bool:
    assert isinstance(item, pytest.Function)
    stacks = item._fixtureinfo.name2fixturedefs.get("stack", ())
    return bool(stacks) and stacks[-1].baseid == "tests"


@contextmanager
def _interruptible() -> Iterator[None]:
    """End the stack where the run is told to stop (SIGTERM)."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
