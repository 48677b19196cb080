"""A random history with kills and stops: no total and no pending is wrong, and no transaction is taken by halves."""

from __future__ import annotations

import pytest

from tests.rough_history import History, run, wrong
from tests.stack import Stack

SECONDS = 45
FAULT_EVERY_SECONDS = 8


@pytest.mark.parametrize("seed", [11])
def test_random_history_ends_in_the_points_of_a_computation_from_scratch(stack: Stack, seed: int) -> None:
    history = History(stack, seed)

    run(history, SECONDS, ["kill worker", "stop worker", "end sessions", "kill connect"], FAULT_EVERY_SECONDS)

    assert wrong(stack) == []
    assert sum(history.done.values()) > SECONDS
