"""The Faust app: wires topics, agents, Table, executors and scheduler of one worker together.

Settings that keep promises: `at_least_once` (exactly-once lost invoices when it was killed), a session timeout of 6 s (a killed
worker's partitions move soon), topics declared by `rewards topics` and never by Faust.
"""

from __future__ import annotations

import ctypes
import logging
from contextlib import suppress
from typing import Any, Final, NoReturn

import faust

from streams.generation import LIVE, Generation
from streams.kafka_access import KafkaAccess
from streams.metrics import WorkerMetrics, expose
from streams.settings import MetricsSettings, StreamSettings
from streams.topics import PARTITIONS
from streams.worker.agents import Agent, agents_of, receive
from streams.worker.assignor import NotingAssignor
from streams.worker.bulk import BulkTransport
from streams.worker.bulk_message import BulkSchema
from streams.worker.runtime import Runtime, guarded
from streams.worker.source_topics import SourceTopics, Start
from streams.worker.table import customer_points_table

M_ARENA_MAX: Final = -8
"""glibc's malloc.h."""


class RewardsApp(faust.App):
    """A Faust app on the bulk transport."""

    source_topics: SourceTopics
    metrics: WorkerMetrics

    async def starts(self) -> dict[tuple[str, int], Start]:
        """Return where each partition can go on; the worker ends where a topic is not the one that was read."""
        return await guarded("source topics", self.source_topics.starts)

    def _create_directories(self) -> None:
        """Make none: with Tables in memory Faust writes nothing into them, and who is killed leaves them behind."""

    def _new_transport(self) -> BulkTransport:
        return BulkTransport(self.conf.broker_consumer, self)


def create_app(settings: StreamSettings, generation: Generation = LIVE) -> RewardsApp:
    """Return the app of one worker of a generation; nothing is connected before it starts."""
    app = RewardsApp(
        generation.application_id,
        broker=[f"kafka://{address}" for address in settings.kafka.servers],
        broker_credentials=_credentials(settings.kafka),
        store="memory://",
        processing_guarantee="at_least_once",
        broker_commit_interval=0.5,
        broker_session_timeout=6.0,
        broker_heartbeat_interval=1.5,
        broker_max_poll_records=settings.batch_records,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=512 * 1024,
        cython_optimizations=True,
        stream_buffer_maxsize=4,
        stream_wait_empty=False,
        topic_partitions=PARTITIONS,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        worker_redirect_stdouts=False,
        PartitionAssignor=NotingAssignor,
    )
    app.metrics = WorkerMetrics()
    app.source_topics = SourceTopics(settings.kafka, settings.database_url.get_secret_value(), generation)
    table = customer_points_table(app)
    agents = agents_of(generation)
    decoders = {agent.topic.name: agent.decode for agent in agents}
    runtime = Runtime(app, settings, table, decoders, generation)
    for agent in agents:
        _add_agent(app, agent, runtime)
    return app


def _credentials(kafka: KafkaAccess) -> faust.SSLCredentials | None:
    context = kafka.context()
    return None if context is None else faust.SSLCredentials(context)


def _share_memory() -> None:
    """Let all threads allocate from one arena: what a batch freed in one thread's would not serve another's."""
    with suppress(AttributeError):  # glibc alone has arenas
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def _add_agent(app: RewardsApp, agent: Agent, runtime: Runtime) -> None:
    source = app.topic(agent.topic.name, schema=BulkSchema(), partitions=agent.topic.partitions, allow_empty=True)

    @app.agent(source, name=agent.name, concurrency=1)
    async def take(stream: faust.StreamT[Any]) -> None:
        await runtime.start()
        await receive(stream, runtime)


def run_worker(settings: StreamSettings, metrics: MetricsSettings) -> NoReturn:
    """Run one worker in the foreground until SIGTERM or SIGINT. Logging is configured by then, and stays as it is."""
    from mode.loop import uvloop  # noqa: F401, PLC0415 -- importing it is what installs it

    # kafka-python tells of every connection; what it cannot reach is said in our own words.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    _share_memory()
    app = create_app(settings)
    expose(app.metrics.registry, metrics)
    worker = faust.Worker(app, quiet=True, override_logging=False)
    worker.spinner = None
    worker.execute_from_commandline()
