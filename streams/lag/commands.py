"""`rewards lag`: the process that measures the consumer lag of every agent, and has the captured sources checked."""

from __future__ import annotations

import _thread
import json
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import asdict
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from streams.options import LogLevelOption, MetricsPortOption, StackOption

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812

    from streams.lag.findings import KnownFinding, SourceFinding
    from streams.lag.measure import Measurement
    from streams.lag.process import LagProcess
    from streams.lag.source_watch import Check


def lag_command(source_check: Callable[[], AbstractContextManager[Check]]) -> Callable[..., None]:
    """Return the command `lag`; `source_check` opens the check of what is captured, which this package knows nothing of."""

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

        Names a reload that lacks so many rows that it waits for them, or for a person, a partition that is halted for too many bad rows,
        and what is wrong with a captured source. The sources are checked every REWARDS_SOURCE_CHECK_SECONDS, beside the measuring. With
        --json each measurement bears the findings of its topic's source (`source_findings`). --once writes no finding down.

        Exit codes: 0 stopped by a signal, or measured once, whatever was found (`rewards connectors status` ends with 1 then); 1 with
        --once, Kafka or Postgres does not answer.
        """
        import logging

        from streams import logs
        from streams.lag.offsets import BrokerReader
        from streams.lag.process import LagProcess
        from streams.lag.source_watch import Checker, SourceWatch, watching
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
            lambda: BrokerReader(settings.kafka),
            database.write,
            interval,
            database.reloads,
            database.halted,
            metrics.note,
        )
        checker = Checker(source_check)
        if once:
            with closing(checker):
                _measure_once(process, database, checker.look, interval, as_json=as_json)
            return
        expose(metrics.registry, MetricsSettings().at(metrics_port))
        stop = _stop_on_signal()
        # With a connection of its own, since one is used by one thread.
        findings = _Findings(database.url, settings.source_check_seconds)
        with watching(SourceWatch(checker, findings.write, settings.source_check_seconds), stop):
            process.run(stop)

    return lag


def _measure_once(process: LagProcess, database: _Database, look: Check, interval: float, *, as_json: bool) -> None:
    # The first measurement cannot know how long a partition has stood still.
    process.once()
    time.sleep(interval)
    measurements = process.once()
    findings = look()
    sentences = [one.sentence for one in findings]
    if not as_json:
        typer.echo(
            "\n".join(
                [_table(measurements), *database.reloads().values(), *database.halted().values(), *sentences],
            )
        )
        return
    rows = [asdict(found) | {"source_findings": _described(findings, found.topic)} for found in measurements]
    typer.echo(json.dumps(rows, default=str))
    # A topic that is not there has no row to bear them.
    for sentence in sentences:
        typer.echo(sentence, err=True)


def _described(findings: Sequence[SourceFinding], topic: str) -> list[dict[str, str | None]]:
    return [
        {
            "connector": one.connector,
            "severity": one.severity,
            "code": one.code,
            "message": one.message,
            "remedy": one.remedy,
        }
        for one in findings
        if one.concerns(topic)
    ]


class _Database:
    """Writes and asks on one connection for as long as that works, then on another."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection: Connection | None = None

    def write(self, measurements: Sequence[Measurement]) -> None:
        """Write a measurement."""
        from streams.generation import LIVE
        from streams.lag.sink import write

        with self.opened() as connection:
            write(connection, LIVE.application_id, measurements)

    def reloads(self) -> dict[str, str]:
        """Return what waits for rows of a reload, or for a person's word: a name of the wait -> a sentence."""
        from streams.postgres.epochs import open_epochs
        from streams.postgres.session import faults

        with self.opened() as connection, faults(), connection, connection.cursor() as cursor:
            return {
                f"{one.topic} {one.snapshot_lsn} {one.lsn} {one.waits_for}": f"{one.sentence}: {one.remedy}"
                for one in open_epochs(cursor)
                if one.remedy
            }

    def halted(self) -> dict[tuple[str, int], str]:
        """Return the partitions that wait for a person, each with a sentence."""
        from streams.postgres.halts import find_halted
        from streams.postgres.session import faults

        with self.opened() as connection, faults(), connection, connection.cursor() as cursor:
            return {(one.topic, one.partition): one.sentence for one in find_halted(cursor)}

    @contextmanager
    def opened(self) -> Iterator[Connection]:
        from streams.errors import TransientError
        from streams.postgres.session import connect

        connection = self._connection = self._connection or connect(self.url, name="rewards lag")
        try:
            yield connection
        except TransientError:
            self._connection = None
            connection.close()
            raise


class _Findings:
    """Writes what was found of the sources, for the page."""

    def __init__(self, url: str, interval_seconds: float) -> None:
        self._database = _Database(url)
        self._interval_seconds = interval_seconds

    def write(self, found: Sequence[SourceFinding]) -> list[KnownFinding]:
        """Write it; return what is known then."""
        from streams.lag.findings_sink import replace

        with self._database.opened() as connection:
            return replace(connection, found, self._interval_seconds)


def _stop_on_signal() -> Event:
    """An event that Ctrl-C and a supervisor's SIGTERM set.

    A bare thread sets it: the handler would wait for ever for a lock of the event that the interrupted thread holds.
    """
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: _thread.start_new_thread(stop.set, ()))
    return stop


def _table(measurements: Sequence[Measurement]) -> str:
    """One line a partition, for a person."""
    return "\n".join(
        f"{found.agent:<12}{found.partition:>3}{found.lag_records:>10} records{found.lag_seconds:>10.3f} s  "
        f"{found.status:<8} {found.member or '-'}"
        for found in measurements
    )
