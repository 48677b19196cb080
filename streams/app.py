"""The Faust app: wires topics, agents, Table, processor and clock of one worker together.

Settings that keep promises: `at_least_once` (exactly-once lost invoices when it was killed), a session timeout of 10 s (a killed
worker's partitions move soon), topics declared by `rewards topics` and never by Faust.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final, NoReturn

import faust
from aiokafka import AIOKafkaProducer

from streams.agents import days, invoices, memberships
from streams.agents.clock import Clock
from streams.agents.intake import receive
from streams.batches import Batches
from streams.bulk import BulkConsumer, BulkSchema, BulkTransport
from streams.errors import BadRecordsError, RewardsError
from streams.forward import Forwarder
from streams.metrics import WorkerMetrics
from streams.postgres.sink import Sink
from streams.processor import Processor
from streams.settings import StreamSettings
from streams.tables import customer_points_table
from streams.topics import APPLICATION_ID, DUE_INVOICES, INVOICES, MEMBERSHIPS, PARTITIONS, TopicSpec
from streams.watchdog import Watchdog

logger = logging.getLogger(__name__)

EXIT_BAD_RECORDS: Final = 65
"""sysexits' EX_DATAERR: starting again would only read the same records."""
EXIT_FAULT: Final = 70
"""sysexits' EX_SOFTWARE."""
HELD_SHARE: Final = 4
"""A transaction of more than this share (one in …) of a batch does not wait in memory for its end."""

SOURCES: Final = ((INVOICES, invoices), (MEMBERSHIPS, memberships), (DUE_INVOICES, days))


class RewardsApp(faust.App):
    """A Faust app on the bulk transport."""

    def _new_transport(self) -> BulkTransport:
        return BulkTransport(self.conf.broker_consumer, self)


def create_app(settings: StreamSettings) -> RewardsApp:
    """Return the app of one worker; nothing is connected before it starts."""
    app = RewardsApp(
        APPLICATION_ID,
        broker=[f"kafka://{address}" for address in settings.kafka_bootstrap.split(",")],
        store="memory://",
        datadir=_data_folder(settings),
        processing_guarantee="at_least_once",
        broker_commit_interval=0.5,
        broker_session_timeout=10.0,
        broker_heartbeat_interval=2.0,
        broker_max_poll_records=settings.batch_records,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=1024 * 1024,
        cython_optimizations=True,
        stream_buffer_maxsize=16,
        stream_wait_empty=False,
        topic_partitions=PARTITIONS,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        worker_redirect_stdouts=False,
    )
    table = customer_points_table(app)
    worker = _Wiring(app, settings, table)
    for topic, agent in SOURCES:
        _add_agent(app, topic, agent.NAME, worker)
    return app


def _data_folder(settings: StreamSettings) -> str:
    """Return a folder for what Faust writes down: nothing that is missed, for the Table is in memory and in its changelog."""
    if settings.data_dir is None:
        return tempfile.mkdtemp(prefix="rewards-worker-")
    folder = Path(settings.data_dir) / "faust"
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)


def _add_agent(app: RewardsApp, topic: TopicSpec, name: str, wiring: _Wiring) -> None:
    source = app.topic(topic.name, schema=BulkSchema(), partitions=topic.partitions, allow_empty=True)

    @app.agent(source, name=name, concurrency=1)
    async def agent(stream: faust.StreamT[Any]) -> None:
        await receive(stream, await wiring.processor())


class _Wiring:
    """What a worker runs beside Faust's own services, started once the app is and ended with it."""

    def __init__(self, app: RewardsApp, settings: StreamSettings, table: Any) -> None:  # noqa: ANN401 -- a Faust Table
        self._app = app
        self._settings = settings
        self._table = table
        self._ready: asyncio.Future[Processor] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._closing: list[Callable[[], Any]] = []

    async def processor(self) -> Processor:
        """Return the one processor, made when the first agent asks."""
        if self._ready is None:
            self._ready = asyncio.get_running_loop().create_future()
            self._ready.set_result(await self._start())
        return await self._ready

    async def _start(self) -> Processor:
        settings, app = self._settings, self._app
        producer = AIOKafkaProducer(
            bootstrap_servers=settings.kafka_bootstrap,
            client_id=f"{APPLICATION_ID}-forward",
            acks="all",
            linger_ms=2,
            max_batch_size=262_144,
        )
        await producer.start()
        consumer = app.consumer
        if not isinstance(consumer, BulkConsumer):
            raise TypeError(f"the app's consumer is a {type(consumer).__name__}")
        batches = Batches(
            Sink(settings.database_url.get_secret_value()),
            {topic.name: agent.decode for topic, agent in SOURCES},
            settle_seconds=settings.settle_ms / 1000,
            held_max=settings.batch_records // HELD_SHARE,
            cached_invoices=settings.cached_invoices,
        )
        metrics = WorkerMetrics()
        processor = Processor(
            batches,
            Forwarder(producer, self._table, consumer),
            metrics,
            batch_records=settings.batch_records,
            generation=lambda: app.consumer_generation_id,
        )
        clock = Clock(
            settings.database_url.get_secret_value(),
            producer,
            timezone=settings.timezone,
            quiet_seconds=settings.reload_quiet_seconds,
        )
        consumer.before_revoke = processor.give_up
        for name, run in (("processor", processor.run), ("clock", clock.run), ("watchdog", Watchdog(app, metrics).run)):
            self._tasks.append(asyncio.create_task(_guarded(name, run), name=name))
        return processor


async def _guarded(name: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
    try:
        await run()
    except asyncio.CancelledError:
        raise
    except BadRecordsError as error:
        stop_at_once(EXIT_BAD_RECORDS, f"{name}: {error}")
    except RewardsError as error:
        stop_at_once(EXIT_FAULT, f"{name}: {error}")
    except Exception:  # noqa: BLE001 -- the process's edge: whatever it is, no offset may be committed after it
        logger.critical("%s failed", name, exc_info=True)
        stop_at_once(EXIT_FAULT, f"{name}: a fault of ours, see above")


def stop_at_once(code: int, reason: str) -> NoReturn:
    """End the process without Faust's shutdown, which would commit offsets."""
    logger.critical("The worker stops: %s", reason)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def run_worker(settings: StreamSettings, *, log_level: str = "INFO") -> NoReturn:
    """Run one worker in the foreground until SIGTERM or SIGINT."""
    from mode.loop import uvloop  # noqa: F401, PLC0415 -- importing it is what installs it

    app = create_app(settings)
    faust.Worker(app, loglevel=log_level, quiet=True).execute_from_commandline()
