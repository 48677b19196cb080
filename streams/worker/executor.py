"""The worker's loop: collects what the agents receive, works it off batch by batch in a thread, forwards, and says what is done.

Place on the data's way: agents -> here -> pipeline.py (decode, fold, sink) -> outputs.py (Table, topics, offsets). While one
transaction runs in its thread, the next batch gathers: the transaction sizes the batch.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from streams.errors import TransientError
from streams.retry_policy import Retries
from streams.worker.batch import Delivery, Outcome
from streams.worker.pipeline import HALTED_LOOK_SECONDS, Pipeline

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from streams.metrics import WorkerMetrics
    from streams.worker.batch import Place
    from streams.worker.bulk_message import Records
    from streams.worker.outputs import Outputs

logger = logging.getLogger(__name__)


class Executor:
    """Works off deliveries in order. A worker has a few, each with its share of the partitions (runtime.py)."""

    def __init__(
        self,
        pipeline: Pipeline,
        outputs: Outputs,
        metrics: WorkerMetrics,
        *,
        batch_records: int,
        gather_seconds: float,
        generation: Callable[[], int],
        hold: Callable[[bool], None],
        hold_halted: Callable[[Place, bool], None],
    ) -> None:
        """Wire one executor.

        Args:
            pipeline: what works a batch off.
            outputs: where its outcome goes.
            metrics: the worker's.
            batch_records: the most records of a batch; once as many wait, no more is fetched.
            gather_seconds: how long to gather after a batch that wrote.
            generation: the consumer's generation now.
            hold: called with True once the bound on what waits is reached, so that no more is fetched for this executor, and with
                False once there is room again.
            hold_halted: called likewise for a halted partition, of which a batch's records may wait.
        """
        self._pipeline = pipeline
        self._outputs = outputs
        self._metrics = metrics
        self._batch_records = batch_records
        self._gather_seconds = gather_seconds
        self._generation = generation
        self._inbox: deque[Delivery] = deque()
        self._inbox_records = 0
        self._arrived = asyncio.Event()
        self._hold = hold
        self._full = False
        self._hold_halted = hold_halted
        self._halted_full: set[Place] = set()
        self.halted: frozenset[Place] = frozenset()
        """Partitions of which nothing goes on until a person says so."""
        self._working = asyncio.Lock()
        self._done: asyncio.Queue[Outcome] = asyncio.Queue(1)
        """What is written and to be forwarded, while the next batch is worked on."""
        self._holding = False
        self._woken = False
        self._wrote_at = 0.0
        self._given_up: int | None = None
        """The consumer's generation whose partitions were given up: nothing of it is taken in any more."""
        self._giving_up = asyncio.Event()
        # The lag grows in plain sight meanwhile, and nothing is lost.
        self._working_off = Retries(
            failing="a batch is not written",
            working="batches are written again",
            logger=logger,
            count=metrics.note_retry,
            until=self._giving_up,
        )
        self._forwarding = Retries(
            failing="what was written is not forwarded",
            working="forwarding again",
            logger=logger,
            count=metrics.note_retry,
        )
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pipeline")

    def put(self, topic: str, partition: int, value: Records, consumer_generation: int) -> None:
        """Take a bulk message in. Never waits, for every other partition would wait with it: from a batch on, no more is fetched."""
        if consumer_generation == self._given_up:
            # What came before it was dropped with the partitions; done without it, its offset would be committed past that.
            return
        self._inbox.append(Delivery(topic, partition, value.records, value.end_offset, consumer_generation))
        self._inbox_records += len(value.records)
        self._look_for_room()
        self._arrived.set()

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do before something else comes."""
        return not (self._inbox or self._working.locked() or self._done.qsize() or self._outputs.flush_at is not None)

    def wake(self) -> None:
        """Look again at what is held: a source transaction may be complete."""
        self._woken = True
        if self._holding:
            self._arrived.set()

    async def run(self) -> None:
        """Work until cancelled. An error that leaves here ends the worker before an offset is committed."""
        while True:
            await self._wait()
            # A batch costs some ms whatever its size: after one that wrote, the next gathers for a moment. A change that comes
            # alone finds no batch before it, and does not wait.
            await asyncio.sleep(max(0.0, self._wrote_at + self._gather_seconds - time.monotonic()))
            async with self._working:
                self._woken = False
                try:
                    outcome = await self._work(self._gather())
                except TransientError:
                    # The partitions are being given up, and whoever has them next reads the same records.
                    continue
                self._holding = outcome.held
                self._woken |= outcome.more
                self._note_halted(outcome.halted)
                if outcome.record_count:
                    self._wrote_at = time.monotonic()
                    await self._done.put(outcome)

    async def forward(self) -> None:
        """Forward what `run` has written, until cancelled."""
        while True:
            until = self._outputs.flush_at
            try:
                outcome = await asyncio.wait_for(
                    self._done.get(), None if until is None else max(0.0, until - time.monotonic())
                )
            except TimeoutError:
                await self._forwarding.acall(self._outputs.flush)
                continue
            await self._forwarding.acall(partial(self._outputs.forward, outcome))
            self._done.task_done()

    async def give_up(self) -> None:
        """Finish the batch under way and forget the rest: the partitions are being given up.

        A batch that the world refuses is not tried again: other members wait for this one, and would go on without it.
        """
        self._giving_up.set()
        async with self._working:
            self._giving_up.clear()
            await self._done.join()
            try:
                await self._outputs.flush()
            except TransientError as error:
                logger.warning("What was not forwarded comes again: %s", error)
            self._outputs.forget()
            self._given_up = self._generation()
            self._inbox.clear()
            self._inbox_records = 0
            self._look_for_room()
            self._pipeline.forget()
            self._note_halted({})

    async def _wait(self) -> None:
        """Wait for records, for the end of a transaction that is held, or until halted partitions are looked at again."""
        if not self._inbox and not (self._holding and self._woken):
            self._arrived.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), HALTED_LOOK_SECONDS if self.halted else None)

    def _gather(self) -> list[Delivery]:
        deliveries, count, generation = [], 0, self._generation()
        while self._inbox and count < self._batch_records:
            delivery = self._inbox.popleft()
            count += len(delivery.records)
            self._inbox_records -= len(delivery.records)
            if delivery.consumer_generation == generation:
                deliveries.append(delivery)
        self._look_for_room()
        return deliveries

    def _look_for_room(self) -> None:
        full = self._inbox_records >= self._batch_records
        if full != self._full:
            self._full = full
            self._hold(full)

    def _note_halted(self, halted: Mapping[Place, int]) -> None:
        """Have no more fetched of halted partitions of which a batch waits: what corrects them may be among that, and memory is bounded."""
        full = {place for place, held in halted.items() if held >= self._batch_records}
        for place in full ^ self._halted_full:
            self._hold_halted(place, place in full)
        self._halted_full, self.halted = full, frozenset(halted)

    async def _work(self, deliveries: list[Delivery]) -> Outcome:
        loop = asyncio.get_running_loop()
        started = time.monotonic()
        await loop.run_in_executor(self._thread, self._pipeline.take, deliveries)
        del deliveries  # decoded; their bytes would stay in memory for as long as Postgres writes
        outcome = await self._working_off.acall(
            lambda: loop.run_in_executor(self._thread, self._pipeline.work, self._generation())
        )
        self._metrics.note_batch(outcome.record_count, time.monotonic() - started)
        return outcome
