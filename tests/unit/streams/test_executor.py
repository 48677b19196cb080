"""The worker's loop: nothing of a generation that was given up is taken in, and what the world refuses is tried again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from streams.errors import TransientError, TransientKind
from streams.metrics import WorkerMetrics
from streams.retry_policy import GaveUpError, Policy
from streams.topics import INVOICES
from streams.worker import executor as module
from streams.worker.batch import Delivery, Outcome
from streams.worker.bulk_message import Records
from streams.worker.executor import Executor


class WrittenBatches:
    """Takes what comes and says that it is written."""

    def __init__(self, *, failures: int = 0) -> None:
        self.taken: list[int] = []
        self.failures = failures
        self.kind = TransientKind.AWAY
        self.loop = asyncio.get_running_loop()
        self.refused = asyncio.Event()

    def take(self, deliveries: Sequence[Delivery]) -> None:
        self.taken += [record.offset for delivery in deliveries for record in delivery.records]

    def work(self, *_: Any) -> Outcome:
        if self.failures:
            self.failures -= 1
            self.loop.call_soon_threadsafe(self.refused.set)
            raise TransientError("Postgres is away", kind=self.kind)
        return Outcome(record_count=len(self.taken))

    def forget(self) -> None:
        pass


class NotedForwarder:
    """Notes what it was given."""

    flush_at = None

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.forwarded = asyncio.Event()

    async def forward(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self.forwarded.set()

    async def flush(self) -> None:
        pass

    def forget(self) -> None:
        self.outcomes.clear()


class Bench:
    """A processor with its surroundings, whose generation can be moved on."""

    def __init__(self, *, failures: int = 0) -> None:
        self.generation = 1
        self.held: list[bool] = []
        self.halted_full: list[tuple[tuple[str, int], bool]] = []
        self.batches: Any = WrittenBatches(failures=failures)
        self.forwarder: Any = NotedForwarder()
        self.metrics = WorkerMetrics()
        self.processor = Executor(
            self.batches,
            self.forwarder,
            self.metrics,
            batch_records=4,
            gather_seconds=0.0,
            generation=lambda: self.generation,
            hold=self.held.append,
            hold_halted=lambda place, full: self.halted_full.append((place, full)),
        )

    def put(self, *offsets: int, generation: int = 1) -> None:
        records: Any = [SimpleNamespace(offset=offset) for offset in offsets]
        self.processor.put(INVOICES.name, 0, Records(records, 100, generation), generation)

    async def run_once(self) -> None:
        """Run the loop until it has forwarded something."""
        running = [asyncio.create_task(self.processor.run()), asyncio.create_task(self.processor.forward())]
        try:
            await asyncio.wait_for(self.forwarder.forwarded.wait(), 5)
        finally:
            for task in running:
                task.cancel()


def test_message_of_a_generation_that_was_given_up_is_not_taken_in() -> None:
    async def run() -> None:
        bench = Bench()
        bench.put(0, 1)
        await bench.processor.give_up()
        bench.put(2, 3)
        bench.generation = 2
        bench.put(0, 1, 2, 3, generation=2)
        await bench.run_once()
        assert bench.batches.taken == [0, 1, 2, 3]

    asyncio.run(run())


def test_records_above_the_bound_are_taken_in_and_no_more_are_fetched_until_there_is_room() -> None:
    async def run() -> None:
        bench = Bench()
        bench.put(*range(3))
        assert bench.held == []
        bench.put(3)
        bench.put(4, 5)
        assert bench.held == [True]
        await bench.run_once()
        assert bench.batches.taken[:4] == list(range(4))
        assert bench.held == [True, False]

    asyncio.run(run())


def test_full_executor_whose_partitions_are_given_up_has_room_again() -> None:
    async def run() -> None:
        bench = Bench()
        bench.put(*range(8))
        await bench.processor.give_up()
        assert bench.held == [True, False]
        bench.put(8)
        bench.generation = 2
        bench.put(0, generation=2)
        await bench.run_once()
        assert bench.batches.taken == [0]

    asyncio.run(run())


def test_partitions_are_given_up_though_the_world_refuses_their_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.retry_policy.POLICIES", {TransientKind.AWAY: Policy(30.0, 30.0)})

    async def run() -> None:
        bench = Bench(failures=1_000)
        bench.put(0, 1)
        running = asyncio.create_task(bench.processor.run())
        await asyncio.wait_for(bench.batches.refused.wait(), 5)
        await asyncio.wait_for(bench.processor.give_up(), 5)
        assert bench.forwarder.outcomes == []
        bench.batches.failures = 0
        bench.batches.taken.clear()
        bench.generation = 2
        bench.put(0, 1, generation=2)
        await bench.run_once()
        assert bench.batches.taken == [0, 1]
        running.cancel()

    asyncio.run(run())


def test_halted_partition_is_looked_at_again_and_fetched_of_only_while_less_than_a_batch_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "HALTED_LOOK_SECONDS", 0.001)
    place = (INVOICES.name, 0)
    outcomes = iter([Outcome(halted={place: 3}), Outcome(halted={place: 4}), Outcome(halted={place: 4}), Outcome()])

    async def run() -> None:
        bench = Bench()
        seen: list[frozenset[tuple[str, int]]] = []
        looked = asyncio.Event()

        def work(*_: Any) -> Outcome:
            seen.append(bench.processor.halted)
            outcome = next(outcomes)
            if not outcome.halted:
                looked.set()
            return outcome

        bench.batches.work = work
        bench.put(0)
        running = asyncio.create_task(bench.processor.run())
        await asyncio.wait_for(looked.wait(), 5)
        await asyncio.sleep(0.02)
        running.cancel()
        assert seen == [frozenset(), {place}, {place}, {place}]
        assert bench.halted_full == [(place, True), (place, False)]
        assert bench.processor.halted == frozenset()
        assert bench.metrics.batches == 0

    asyncio.run(run())


def test_message_left_over_from_another_generation_is_dropped() -> None:
    async def run() -> None:
        bench = Bench()
        bench.put(5)
        bench.generation = 2
        bench.put(4, generation=2)
        await bench.run_once()
        assert bench.batches.taken == [4]

    asyncio.run(run())


def test_batch_that_the_world_refused_is_tried_again_and_taken_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.retry_policy.POLICIES", {TransientKind.AWAY: Policy(0.001, 0.002)})

    async def run() -> None:
        bench = Bench(failures=3)
        bench.put(0, 1)
        await bench.run_once()
        assert bench.batches.taken == [0, 1]
        assert bench.metrics.retries == 3

    asyncio.run(run())


def test_batch_that_a_server_fails_at_for_too_long_ends_the_worker_with_nothing_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "streams.retry_policy.POLICIES", {TransientKind.UNEXPLAINED: Policy(0.001, 0.002, seconds_max=0.05)}
    )

    async def run() -> None:
        bench = Bench(failures=1_000_000)
        bench.batches.kind = TransientKind.UNEXPLAINED
        bench.put(0, 1)
        with pytest.raises(GaveUpError, match="a batch is not written"):
            await asyncio.wait_for(bench.processor.run(), 5)
        assert bench.forwarder.outcomes == []

    asyncio.run(run())
