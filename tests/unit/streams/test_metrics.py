"""Figures have the field's names, can be read where a port is set, and say nothing of customers."""

from __future__ import annotations

import socket
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from connectors.rest import opener
from streams.errors import SettingsError, TransientKind
from streams.lag.measure import Measurement
from streams.lag.process import LagProcess
from streams.metrics import LagMetrics, WorkerMetrics, expose
from streams.settings import MetricsSettings
from streams.topics import INVOICES
from tests.unit.lag.broker import FakeBroker


def scraped(port: int) -> dict[tuple[str, ...], float]:
    """What a scrape finds: name and labels, in the order of their names -> value."""
    with opener().open(urllib.request.Request(f"http://127.0.0.1:{port}/metrics"), timeout=5) as answer:
        text = answer.read().decode()
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def port_of(found: int | None) -> int:
    assert found is not None
    return found


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_what_a_worker_counts_is_what_its_log_line_and_a_scrape_read() -> None:
    metrics = WorkerMetrics()
    metrics.note_batch(200, 0.03)
    metrics.note_batch(100, 0.3)
    metrics.note_batch(0, 0.5)
    metrics.note_retry(TransientKind.AWAY)
    metrics.note_retry(TransientKind.AWAY)
    metrics.note_retry(TransientKind.CONTENDED)

    found = scraped(port_of(expose(metrics.registry, MetricsSettings(metrics_port=0))))

    assert (metrics.records, metrics.batches, metrics.retries) == (300, 2, 3)
    assert metrics.busy_seconds == pytest.approx(0.83)
    assert found[("rewards_records_total",)] == 300
    assert found[("rewards_batch_seconds_count",)] == 2
    assert found[("rewards_busy_seconds_total",)] == pytest.approx(0.83)
    assert found[("rewards_batch_seconds_sum",)] == pytest.approx(0.33)
    assert found[("rewards_batch_seconds_bucket", "0.05")] == 1
    assert found[("rewards_retries_total", "away")] == 2
    assert found[("rewards_retries_total", "unexplained")] == 0
    assert found[("rewards_last_batch_timestamp_seconds",)] > 1e9
    assert found[("process_resident_memory_bytes",)] > 0


def test_lag_is_a_gauge_for_each_agent_and_partition() -> None:
    broker, metrics, written = FakeBroker(), LagMetrics(), list[Measurement]()
    broker.put(committed=1, end=3)

    LagProcess(lambda: broker, written.extend, 1.0, note=metrics.note).once()
    found = scraped(port_of(expose(metrics.registry, MetricsSettings(metrics_port=0))))

    assert written[0].lag_records == 2
    assert found[("rewards_consumer_lag_records", "invoices", "0", INVOICES.name)] == 2
    assert ("rewards_consumer_lag_seconds", "invoices", "0", INVOICES.name) in found
    assert found[("rewards_lag_measured_timestamp_seconds",)] > 1e9


def test_nothing_listens_where_no_port_is_set() -> None:
    assert expose(WorkerMetrics().registry, MetricsSettings()) is None


def test_port_that_is_taken_is_one_sentence_with_a_way_on(taken: int) -> None:
    with pytest.raises(SettingsError, match=rf"nothing can listen on 127\.0\.0\.1:{taken} .*choose another port"):
        expose(WorkerMetrics().registry, MetricsSettings(metrics_port=taken))


def test_port_of_the_command_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REWARDS_METRICS_PORT", "9100")

    assert MetricsSettings().at(None).metrics_port == 9100
    assert MetricsSettings().at(9200).metrics_port == 9200
    assert MetricsSettings().metrics_host == "127.0.0.1"
