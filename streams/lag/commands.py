"""`rewards lag`: the process that measures the consumer lag of every agent."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from streams.options import LogLevelOption, MetricsPortOption, StackOption

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812

    from streams.lag.measure import Measurement


def lag(
    *,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds from one measurement to the next.")] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Measure once, print it and end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --once: print it as JSON.")] = False,
    metrics_port: MetricsPortOption = None,
    log_level: LogLevelOption = None,
    _stack: StackOption = None,
) -> None:
    """Measure how far the agents are behind, in records and seconds, and keep `consumer_lag` current.

    Names a reload that lacks so many rows that it waits for them, or for a person, and a partition that is halted for too many bad rows.

    Exit codes: 0 stopped by a signal, or measured once; 1 with --once, Kafka or Postgres does not answer.
    """
    import logging

    from streams import logs
    from streams.lag.offsets import BrokerReader
    from streams.lag.process import LagProcess
    from streams.metrics import LagMetrics, expose
    from streams.settings import LogSettings, MetricsSettings, StreamSettings

    chosen = LogSettings()
    logs.configure(chosen.log_format, log_level or chosen.log_level)
    # kafka-python logs every attempt at an absent broker; the process says it once in its own words.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    settings = StreamSettings()
    database = _Database(settings.database_url.get_secret_value())
    metrics = LagMetrics()
    process = LagProcess(
        lambda: BrokerReader(settings.kafka_bootstrap),
        database.write,
        interval,
        database.reloads,
        database.halted,
        metrics.note,
    )
    if not once:
        expose(metrics.registry, MetricsSettings().at(metrics_port))
        process.run(_stop_on_signal())
        return
    # The first measurement cannot know how long a partition has stood still.
    process.once()
    time.sleep(interval)
    measurements = process.once()
    if as_json:
        typer.echo(json.dumps([asdict(found) for found in measurements], default=str))
    else:
        typer.echo("\n".join([_table(measurements), *database.reloads().values(), *database.halted().values()]))


class _Database:
    """Writes and asks on one connection for as long as that works, then on another."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Connection | None = None

    def write(self, measurements: Sequence[Measurement]) -> None:
        """Write a measurement."""
        from streams.generation import LIVE
        from streams.lag.sink import write

        with self._opened() as connection:
            write(connection, LIVE.application_id, measurements)

    def reloads(self) -> dict[str, str]:
        """Return what waits for rows of a reload, or for a person's word: a name of the wait -> a sentence."""
        from streams.postgres.epochs import open_epochs
        from streams.postgres.session import faults

        with self._opened() as connection, faults(), connection, connection.cursor() as cursor:
            return {
                f"{one.topic} {one.snapshot_lsn} {one.lsn} {one.waits_for}": f"{one.sentence}: {one.remedy}"
                for one in open_epochs(cursor)
                if one.remedy
            }

    def halted(self) -> dict[tuple[str, int], str]:
        """Return the partitions that wait for a person, each with a sentence."""
        from streams.postgres.halts import find_halted
        from streams.postgres.session import faults

        with self._opened() as connection, faults(), connection, connection.cursor() as cursor:
            return {(one.topic, one.partition): one.sentence for one in find_halted(cursor)}

    @contextmanager
    def _opened(self) -> Iterator[Connection]:
        from streams.errors import TransientError
        from streams.postgres.session import connect

        connection = self._connection = self._connection or connect(self._url, name="rewards lag")
        try:
            yield connection
        except TransientError:
            self._connection = None
            connection.close()
            raise


def _stop_on_signal() -> Event:
    """An event that Ctrl-C and a supervisor's SIGTERM set."""
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stop.set())
    return stop


def _table(measurements: Sequence[Measurement]) -> str:
    """One line a partition, for a person."""
    return "\n".join(
        f"{found.agent:<12}{found.partition:>3}{found.lag_records:>10} records{found.lag_seconds:>10.3f} s  "
        f"{found.status:<8} {found.member or '-'}"
        for found in measurements
    )
