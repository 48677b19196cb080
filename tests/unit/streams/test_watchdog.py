"""The watchdog looks at each partition for itself, and takes tries that fail for no progress."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from streams.errors import InvariantError, TransientKind
from streams.metrics import WorkerMetrics
from streams.topic_state import PartitionState, TopicState
from streams.topics import INVOICES
from streams.worker import watchdog as module
from streams.worker.holds import HoldReason, Holds
from streams.worker.watchdog import Standstill, Watchdog

HERE, THERE = TP(INVOICES.name, 0), TP(INVOICES.name, 1)


def test_each_place_stands_still_for_itself() -> None:
    standstill = Standstill()
    assert standstill.look(0.0, {"a": 1, "b": 1}) == {"a": 0.0, "b": 0.0}
    assert standstill.look(5.0, {"a": 1, "b": 2}) == {"a": 5.0, "b": 0.0}
    assert standstill.look(9.0, {"a": 1, "b": 2}) == {"a": 9.0, "b": 4.0}


def test_place_that_had_nothing_to_do_meanwhile_begins_anew() -> None:
    standstill = Standstill()
    standstill.look(0.0, {"a": 1})
    standstill.look(5.0, {})
    assert standstill.look(9.0, {"a": 1}) == {"a": 0.0}


class Worker:
    """Two partitions with a hundred records each, of which the first's are never done and the second's go on."""

    def __init__(self) -> None:
        self.metrics = WorkerMetrics()
        self.holds = Holds()
        self.at_rest: set[TP] = set()
        self.highwaters: dict[TP, int | None] = {HERE: 100, THERE: 100}
        self.moved = 0
        topic = TopicState("A", dict.fromkeys(range(8), PartitionState(0, 100)))
        self.app: Any = SimpleNamespace(
            rebalancing=False,
            in_recovery=False,
            consumer=SimpleNamespace(
                assignment=lambda: {HERE, THERE}, done=self.done, highwater=self.highwaters.get, holds=self.holds
            ),
            source_topics=SimpleNamespace(names=(INVOICES.name,), last=SimpleNamespace(topics={INVOICES.name: topic})),
            tables=SimpleNamespace(recovery=SimpleNamespace(active_offsets={})),
        )

    def done(self, tp: TP) -> int:
        # As an executor does that tries in vain, while another works.
        self.metrics.note_retry(TransientKind.AWAY)
        self.moved += tp == THERE
        return min(self.moved, 99) if tp == THERE else 10

    async def watch(self, looks: int = 50) -> None:
        watched = Watchdog(self.app, self.metrics, lambda tp, end: tp in self.at_rest and end == 100)
        task = asyncio.create_task(watched.run())
        await asyncio.sleep(looks * module.INTERVAL_SECONDS)
        if task.done():
            await task
        task.cancel()


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    monkeypatch.setattr(module, "INTERVAL_SECONDS", 0.002)
    monkeypatch.setattr(module, "STILL_SECONDS_MAX", 0.02)
    return Worker()


def test_partition_that_stands_still_while_another_moves_ends_the_worker(worker: Worker) -> None:
    with pytest.raises(InvariantError, match=f"{INVOICES.name}/0 has stood still"):
        asyncio.run(worker.watch())


def test_partition_whose_end_aiokafka_does_not_know_is_seen_by_what_the_broker_says(worker: Worker) -> None:
    worker.highwaters[HERE] = None
    with pytest.raises(InvariantError, match=f"{INVOICES.name}/0 has stood still"):
        asyncio.run(worker.watch())


def test_partition_whose_executor_is_full_and_gets_nothing_done_ends_the_worker(worker: Worker) -> None:
    worker.holds.hold(HERE, HoldReason.FULL)
    with pytest.raises(InvariantError):
        asyncio.run(worker.watch())


def test_partition_whose_last_source_transaction_may_not_be_complete_is_left_alone(worker: Worker) -> None:
    worker.at_rest.add(HERE)
    asyncio.run(worker.watch(20))


def test_recovery_that_does_not_go_on_ends_the_worker(worker: Worker) -> None:
    worker.app.in_recovery = True
    with pytest.raises(InvariantError, match="recovery"):
        asyncio.run(worker.watch())
