"""The figures of our processes, one list, with Prometheus' types. Read by the worker's log line, and by whoever scrapes the port.

Nothing listens unless REWARDS_METRICS_PORT says where: then `expose` answers every GET with the figures, on this machine alone by default.
They hold counts, times and the names of topics; no customer, no text, no secret.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    start_http_server,
)

from streams.errors import SettingsError, TransientKind

if TYPE_CHECKING:
    from streams.settings import MetricsSettings

logger = logging.getLogger(__name__)

BATCH_SECONDS: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
PLACE: Final = ("agent", "topic", "partition")


class WorkerMetrics:
    """A worker's figures since the start of its process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._records = self._counter("records", "Records that were written, or found to change nothing.")
        self._busy = self._counter("busy_seconds", "Seconds in which batches were worked on, by all executors.")
        self._retries = Counter(
            "rewards_retries", "Tries that failed and are made again, by kind.", ["kind"], registry=self.registry
        )
        self._retries_of = {kind: self._retries.labels(kind.value) for kind in TransientKind}
        self._batch_seconds = Histogram(
            "rewards_batch_seconds", "Seconds of a batch with records.", buckets=BATCH_SECONDS, registry=self.registry
        )
        self._last_batch = Gauge(
            "rewards_last_batch_timestamp_seconds", "When the last batch with records was done.", registry=self.registry
        )

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(f"rewards_{name}", text, registry=self.registry)

    def note_batch(self, record_count: int, seconds: float) -> None:
        """Count a batch that was written; one without records was only looked at."""
        self._busy.inc(seconds)
        if record_count:
            self._records.inc(record_count)
            self._batch_seconds.observe(seconds)
            self._last_batch.set_to_current_time()

    def note_retry(self, kind: TransientKind) -> None:
        """Count a retry."""
        self._retries_of[kind].inc()

    @property
    def records(self) -> int:
        """Records that were written, or found to change nothing."""
        return int(self._total("records"))

    @property
    def batches(self) -> int:
        """Batches with records."""
        return int(self.registry.get_sample_value("rewards_batch_seconds_count") or 0)

    @property
    def busy_seconds(self) -> float:
        """Seconds in which batches were worked on."""
        return self._total("busy_seconds")

    @property
    def retries(self) -> int:
        """Tries that failed and were made again."""
        return int(sum(self._total("retries", kind=kind.value) for kind in TransientKind))

    def _total(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"rewards_{name}_total", labels) or 0.0


class AgentLag(Protocol):
    """What is shown of a measurement (streams/lag/measure.py, which stands further down the data's way)."""

    @property
    def agent(self) -> str:
        """The agent."""

    @property
    def topic(self) -> str:
        """What it reads."""

    @property
    def partition(self) -> int:
        """Where."""

    @property
    def lag_records(self) -> int:
        """Records that wait."""

    @property
    def lag_seconds(self) -> float:
        """For how long the first of them has waited."""


class LagMetrics:
    """How far the agents are behind, as the lag process measured it last."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._records = self._gauge("records", "Records that wait.")
        self._seconds = self._gauge("seconds", "For how long the first of them has waited.")
        self._measured = Gauge(
            "rewards_lag_measured_timestamp_seconds", "When it was measured last.", registry=self.registry
        )

    def _gauge(self, unit: str, text: str) -> Gauge:
        return Gauge(f"rewards_consumer_lag_{unit}", text, PLACE, registry=self.registry)

    def note(self, measurements: Iterable[AgentLag]) -> None:
        """Set what was measured."""
        for found in measurements:
            place = (found.agent, found.topic, str(found.partition))
            self._records.labels(*place).set(found.lag_records)
            self._seconds.labels(*place).set(found.lag_seconds)
        self._measured.set_to_current_time()


def expose(registry: CollectorRegistry, settings: MetricsSettings) -> int | None:
    """Answer scrapes with a registry's figures and the process' own, where a port is set. Returns the port.

    Raises:
        SettingsError: nothing can listen there.
    """
    if settings.metrics_port is None:
        return None
    ProcessCollector(registry=registry)
    try:
        server, _ = start_http_server(settings.metrics_port, addr=settings.metrics_host, registry=registry)
    except OSError as error:
        raise SettingsError(
            f"REWARDS_METRICS_PORT: nothing can listen on {settings.metrics_host}:{settings.metrics_port} ({error.strerror or error}):"
            " choose another port, one for each process"
        ) from error
    logger.info("figures are on http://%s:%d/metrics", settings.metrics_host, server.server_port)
    return server.server_port
