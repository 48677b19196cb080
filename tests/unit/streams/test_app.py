"""What the worker promises of its membership in the consumer group."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import SecretStr

from streams.settings import StreamSettings
from streams.topics import INVOICES, MEMBERSHIPS
from streams.worker.app import create_app

RESTART_SECONDS_MAX = 12.0
"""From kill -9 to the points of a payment."""
START_SECONDS = 5.0
"""What of that a process takes to start, to join and to recover."""
BROKER_MIN_SECONDS = 6.0
"""Kafka's `group.min.session.timeout.ms`: a broker refuses members that ask for less."""


def test_session_of_a_killed_worker_is_over_in_time_and_no_living_one_is_taken_for_dead() -> None:
    settings = StreamSettings(
        database_url=SecretStr("postgresql://nobody@127.0.0.1:1/x"),
        kafka_bootstrap="127.0.0.1:1",
    )
    conf = create_app(settings).conf

    assert BROKER_MIN_SECONDS <= conf.broker_session_timeout <= RESTART_SECONDS_MAX - START_SECONDS
    assert 4 * conf.broker_heartbeat_interval <= conf.broker_session_timeout


def test_worker_makes_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAUST_DATADIR", str(tmp_path / "faust"))
    monkeypatch.chdir(tmp_path)

    app = create_app(
        StreamSettings(database_url=SecretStr("postgresql://nobody@127.0.0.1:1/x"), kafka_bootstrap="127.0.0.1:1")
    )
    app._create_directories()

    assert list(tmp_path.iterdir()) == []


def test_topics_that_a_broker_does_not_know_yet_are_noted_with_the_assignment() -> None:
    app = create_app(
        StreamSettings(database_url=SecretStr("postgresql://nobody@127.0.0.1:1/x"), kafka_bootstrap="127.0.0.1:1")
    )
    known: dict[str, set[int]] = {INVOICES.name: set(range(8))}
    member = app.assignor.metadata({INVOICES.name, MEMBERSHIPS.name})

    app.assignor.assign(SimpleNamespace(partitions_for_topic=known.get), {"member": member})
    assert app.source_topics.assigned_without == {MEMBERSHIPS.name}

    known[MEMBERSHIPS.name] = set(range(8))
    app.assignor.assign(SimpleNamespace(partitions_for_topic=known.get), {"member": member})
    assert app.source_topics.assigned_without == frozenset()
