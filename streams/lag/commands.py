"""`rewards lag`: the process that measures the consumer lag of every agent."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from streams.options import LogLevelOption, StackOption

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812

    from streams.lag.measure import Measurement


def lag(
    *,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds from one measurement to the next.")] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Measure once, print it and end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --once: print it as JSON.")] = False,
    log_level: LogLevelOption = None,
    _stack: StackOption = None,
) -> None:
    """Measure how far the agents are behind, in records and seconds, and keep `consumer_lag` current.

    Exit codes: 0 stopped by a signal, or measured once; 1 with --once, Kafka or Postgres does not answer.
    """
    import logging

    from streams import logs
    from streams.lag.offsets import BrokerReader
    from streams.lag.process import LagProcess
    from streams.settings import LogSettings, StreamSettings

    chosen = LogSettings()
    logs.configure(chosen.log_format, log_level or chosen.log_level)
    # kafka-python logs every attempt at an absent broker; the process says it once in its own words.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    settings = StreamSettings()
    process = LagProcess(
        lambda: BrokerReader(settings.kafka_bootstrap), _writer(settings.database_url.get_secret_value()), interval
    )
    if not once:
        process.run(_stop_on_signal())
        return
    # The first measurement cannot know how long a partition has stood still.
    process.once()
    time.sleep(interval)
    measurements = process.once()
    typer.echo(json.dumps([asdict(found) for found in measurements], default=str) if as_json else _table(measurements))


def _writer(url: str) -> Callable[[Sequence[Measurement]], None]:
    """Writes on one connection for as long as that works, then on another."""
    from streams.errors import TransientError
    from streams.generation import LIVE
    from streams.lag.sink import write
    from streams.postgres.session import connect

    connections: list[Connection] = []

    def write_measurements(measurements: Sequence[Measurement]) -> None:
        if not connections:
            connections.append(connect(url, name="rewards lag"))
        try:
            write(connections[0], LIVE.application_id, measurements)
        except TransientError:
            connections.pop().close()
            raise

    return write_measurements


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
