"""The process goes on whatever the world does, and says so once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from threading import Event

import pytest

from streams.errors import InvariantError, TransientError
from streams.lag import process
from streams.lag.measure import Measurement
from streams.lag.process import LagProcess
from tests.unit.lag.broker import PLACE, FakeBroker


class Rounds(Event):
    """A stop that is set after so many waits, none of which takes any time."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.left = count
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0.0)
        self.left -= 1
        if self.left == 0:
            self.set()
        return self.is_set()


def test_each_round_is_written() -> None:
    broker = FakeBroker()
    broker.put(committed=1, end=2)
    written: list[Sequence[Measurement]] = []
    LagProcess(lambda: broker, written.append, 1.0).run(Rounds(3))
    assert [len(measurements) for measurements in written] == [1, 1, 1]
    assert broker.closed


def test_absent_broker_is_tried_again_with_backoff_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    brokers = [FakeBroker() for _ in range(6)]
    for broker in brokers[:5]:
        broker.away = True
    opened = iter(brokers)
    written: list[Sequence[Measurement]] = []
    stop = Rounds(6)
    with caplog.at_level(logging.INFO):
        LagProcess(lambda: next(opened), written.append, 1.0).run(stop)
    assert stop.waits[:5] == [1.0, 2.0, 4.0, process.LONGEST_BACKOFF_SECONDS, process.LONGEST_BACKOFF_SECONDS]
    assert len(written) == 1
    messages = [record.message for record in caplog.records]
    assert messages[0] == "no measurement, trying again until it works: the broker is away"
    assert messages[1].startswith("measuring again after")
    assert len(messages) == 2
    assert all(broker.closed for broker in brokers)


def test_absent_postgres_is_tried_again() -> None:
    broker = FakeBroker()
    attempts: list[int] = []

    def write(_measurements: Sequence[Measurement]) -> None:
        attempts.append(1)
        if len(attempts) < 3:
            raise TransientError("Postgres is away")

    LagProcess(lambda: broker, write, 1.0).run(Rounds(4))
    assert len(attempts) == 4


def test_fault_of_ours_ends_the_process() -> None:
    def write(_measurements: Sequence[Measurement]) -> None:
        raise InvariantError("no such column")

    with pytest.raises(InvariantError):
        LagProcess(FakeBroker, write, 1.0).run(Rounds(2))


def test_stalled_partition_is_logged_when_it_begins_and_ends(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.lag.status.STALLED_SECONDS", 0.0)
    broker = FakeBroker()
    broker.members[PLACE] = "worker"
    broker.put(committed=1, end=2)
    rounds = 0

    def write(_measurements: Sequence[Measurement]) -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 3:
            broker.put(committed=2, end=2)

    with caplog.at_level(logging.WARNING):
        LagProcess(lambda: broker, write, 1.0).run(Rounds(5))
    assert [record.message.split(" is ")[1] for record in caplog.records] == ["stalled: 1 records", "ok: 0 records"]


def test_reload_that_waits_is_said_once_however_its_figures_move_and_once_when_it_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broker = FakeBroker()
    broker.put(committed=1, end=2)
    seen = iter([{}, {"time": "40 of 40"}, {"time": "30 of 40"}, {"word": "30 of 40 for good"}, {}, {}])
    with caplog.at_level(logging.INFO):
        LagProcess(lambda: broker, lambda _: None, 1.0, lambda: next(seen)).run(Rounds(6))
    assert [record.message for record in caplog.records] == [
        "40 of 40",
        "30 of 40 for good",
        "no reload waits any more",
    ]


def test_halted_partition_is_named_with_its_remedy_whatever_its_lag(caplog: pytest.LogCaptureFixture) -> None:
    broker = FakeBroker()
    broker.members[PLACE] = "worker"
    broker.put(committed=2, end=2)
    sentences = iter([{}, {PLACE: "it is halted: accept it"}, {PLACE: "it is halted: accept it"}, {}])
    process = LagProcess(lambda: broker, lambda _: None, 1.0, halted=lambda: next(sentences))
    with caplog.at_level(logging.WARNING):
        process.run(Rounds(4))
    assert [record.message for record in caplog.records] == [
        "it is halted: accept it",
        f"{PLACE[0]} {PLACE[1]} is ok: 0 records",
    ]
