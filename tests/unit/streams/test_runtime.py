"""What of a worker can only wait: the watchdog asks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from faust.types import TP

from streams.generation import LIVE
from streams.topics import INVOICES
from streams.worker.runtime import Runtime

HERE = TP(INVOICES.name, 0)


@pytest.mark.parametrize(
    ("halted", "idle", "delivered", "rests"),
    [
        (True, False, 10, True),
        (False, True, 100, True),
        (False, True, 99, False),
        (False, False, 100, False),
    ],
    ids=["halted", "waits for a transaction's end", "more is to come", "works"],
)
def test_partition_rests_where_a_person_or_a_transactions_end_is_waited_for(
    halted: bool, idle: bool, delivered: int, rests: bool
) -> None:
    runtime = Runtime(*[cast("Any", None)] * 4, LIVE)
    executor = SimpleNamespace(halted={(HERE.topic, HERE.partition)} if halted else set(), idle=idle)
    runtime._executors = [cast("Any", executor)]
    runtime._delivered = {HERE: delivered}

    assert runtime._at_rest(HERE, 100) == rests
