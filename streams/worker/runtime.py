"""What a worker runs beside Faust's own services: executors, scheduler, watchdog. Started when the first agent is, ended with the process.

Place on the data's way: the agents put what they receive into `Runtime.put`; everything after that is wired here. A few executors
share the partitions, so that one decodes and evaluates while another waits for Postgres; a customer is always the same one's.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar, cast

from streams.errors import RewardsError, SourceTopicError
from streams.postgres.sink import Sink
from streams.source.transaction_metadata import TransactionMetadata
from streams.topics import PARTITIONS
from streams.worker.executor import Executor
from streams.worker.holds import HoldReason
from streams.worker.outputs import Outputs
from streams.worker.pipeline import Pipeline
from streams.worker.publisher import Publisher
from streams.worker.retries import Decoder
from streams.worker.scheduler import Scheduler
from streams.worker.transaction_reader import TransactionMetadataReader
from streams.worker.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from faust.types import TP

    from streams.generation import Generation
    from streams.metrics import WorkerMetrics
    from streams.settings import StreamSettings
    from streams.worker.app import RewardsApp
    from streams.worker.batch import Place
    from streams.worker.bulk import BulkConsumer
    from streams.worker.table import CustomerTable

logger = logging.getLogger(__name__)
T = TypeVar("T")

EXIT_STAY_DOWN: Final = 65
"""sysexits' EX_DATAERR: starting again would only meet the same topic."""
EXIT_FAULT: Final = 70
"""sysexits' EX_SOFTWARE."""
HELD_SHARE: Final = 4
"""A transaction of more than this share (one in …) of a batch does not wait in memory for its end."""
GC_THRESHOLDS: Final = (200_000, 20, 50)
"""A batch makes some hundred thousand objects and no cycles; Python's own thresholds would look through all of them again and again."""

SWITCH_SECONDS: Final = 0.001
"""Whom Postgres has answered waits no longer for the interpreter: at Python's own 5 ms that would be much of a small batch's time."""


class Runtime:
    """The executors of one worker, and what they share."""

    def __init__(
        self,
        app: RewardsApp,
        settings: StreamSettings,
        table: CustomerTable,
        decoders: Mapping[str, Decoder],
        generation: Generation,
    ) -> None:
        self._generation = generation
        self._app = app
        self._settings = settings
        self._table = table
        self._decoders = decoders
        self._executors: list[Executor] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._starting = asyncio.Lock()
        self._delivered: dict[TP, int] = {}
        """The offset after the last record that was put."""

    async def start(self) -> None:
        """Connect and begin; of no effect the second time (each agent asks)."""
        async with self._starting:
            if not self._executors:
                await self._start()

    def put(self, message: Any) -> None:  # noqa: ANN401 -- a bulk message: its value is no bytes (bulk.py)
        """Hand a bulk message to the executor of its partition."""
        self._delivered[message.tp] = message.offset + 1
        executor = self._executors[message.partition % len(self._executors)]
        executor.put(message.topic, message.partition, message.value, message.value.consumer_generation)

    async def _start(self) -> None:
        settings, app = self._settings, self._app
        publisher = Publisher(settings.kafka, client_id=f"{self._generation.application_id}-outputs")
        await publisher.start()
        consumer = cast("BulkConsumer", app.consumer)
        metrics = app.metrics
        loop = asyncio.get_running_loop()
        metadata = TransactionMetadata(wake=partial(loop.call_soon_threadsafe, self._wake))
        self._executors = [
            self._executor(number, publisher, consumer, metrics, metadata) for number in range(settings.processors)
        ]
        consumer.before_revoke = self._give_up
        url = settings.database_url.get_secret_value()
        scheduler = Scheduler(
            url,
            publisher,
            timezone=settings.timezone,
            limits=settings.reload_limits,
            generation=self._generation,
            count=metrics.note_retry,
        )
        for executor in self._executors:
            self._run("executor", executor.run)
            self._run("outputs", executor.forward)
        self._run("scheduler", scheduler.run)
        reader = TransactionMetadataReader(settings.kafka, metadata, self._wake, metrics.note_retry)
        self._run("transaction metadata", reader.run)
        self._run("source topics", app.source_topics.run)
        self._run("watchdog", Watchdog(app, metrics, self._at_rest).run)
        sys.setswitchinterval(SWITCH_SECONDS)
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)

    def _executor(
        self,
        number: int,
        publisher: Publisher,
        consumer: BulkConsumer,
        metrics: WorkerMetrics,
        metadata: TransactionMetadata,
    ) -> Executor:
        settings = self._settings
        batch_records = settings.batch_records // settings.processors
        pipeline = Pipeline(
            Sink(settings.database_url.get_secret_value(), self._generation),
            self._decoders,
            metadata=metadata,
            held_max=batch_records // HELD_SHARE,
            cached_invoices=settings.cached_invoices // settings.processors,
            generation=self._generation,
            limits=settings.bad_record_limits,
        )
        return Executor(
            pipeline,
            Outputs(publisher, self._table, consumer, self._generation),
            metrics,
            batch_records=batch_records,
            gather_seconds=settings.gather_ms / 1000,
            generation=lambda: consumer.consumer_generation,
            hold=partial(self._hold, consumer, number),
            hold_halted=partial(_hold_halted, consumer),
        )

    def _hold(self, consumer: BulkConsumer, number: int, full: bool) -> None:
        """Leave the partitions of an executor out of fetching while it is full; those of the others go on."""
        change = consumer.hold if full else consumer.release
        for topic in self._decoders:
            for partition in range(number, PARTITIONS, self._settings.processors):
                change(topic, partition, HoldReason.FULL)

    def _wake(self) -> None:
        for executor in self._executors:
            executor.wake()

    def _at_rest(self, tp: TP, end: int) -> bool:
        """Return whether a partition can only wait: for a person, or, with all of it up to `end` put, for a transaction's end."""
        executor = self._executors[tp.partition % len(self._executors)]
        if (tp.topic, tp.partition) in executor.halted:
            return True
        return self._delivered.get(tp, 0) >= end and executor.idle

    async def _give_up(self) -> None:
        self._delivered.clear()
        await asyncio.gather(*(executor.give_up() for executor in self._executors))

    def _run(self, name: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._tasks.append(asyncio.create_task(guarded(name, run), name=name))


def _hold_halted(consumer: BulkConsumer, place: Place, full: bool) -> None:
    """Leave a halted partition out of fetching while a batch of it waits."""
    change = consumer.hold if full else consumer.release
    change(*place, HoldReason.HALTED)


async def guarded(name: str, run: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run something whose errors end the worker: Faust would log them and go on, or end with commits."""
    try:
        return await run()
    except asyncio.CancelledError:
        raise
    except SourceTopicError as error:
        stop_at_once(EXIT_STAY_DOWN, f"{name}: {error}")
    except RewardsError as error:
        stop_at_once(EXIT_FAULT, f"{name}: {error}")
    except Exception:
        logger.critical("%s failed", name, exc_info=True)
        stop_at_once(EXIT_FAULT, f"{name}: a fault of ours, see above")


def stop_at_once(code: int, reason: str) -> NoReturn:
    """End the process without Faust's shutdown, which would commit offsets."""
    logger.critical("The worker stops: %s", reason)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
