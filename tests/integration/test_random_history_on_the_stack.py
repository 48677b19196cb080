"""A random history with kills and stops: no total and no pending is wrong, and no transaction is taken by halves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import STARTED_ON
from tests.rough_history import FAULTS, History, run, wrong
from tests.stack import Stack, temporary_stack

SECONDS = 30
FAULT_EVERY_SECONDS = 6
SEED = 11
NAMED = ("kill worker", "stop worker", "end sessions", "kill connect")


@pytest.fixture
def own_stack() -> Iterator[Stack]:
    """A stack that may be killed: what other tests read of the topics would be another after it."""
    with temporary_stack() as started:
        started.up("--no-feed", "--business-date", STARTED_ON.isoformat())
        yield started


def test_random_history_ends_in_the_points_of_a_computation_from_scratch(own_stack: Stack) -> None:
    history = History(own_stack, SEED)

    run(history, SECONDS, {name: FAULTS[name] for name in NAMED}, FAULT_EVERY_SECONDS)

    assert wrong(own_stack) == []
    assert sum(history.done.values()) > SECONDS
