"""Measurements put together from what the broker says."""

from __future__ import annotations

import datetime as dt

from streams import topics
from streams.lag.measure import AGENTS, Meter
from tests.unit.lag.broker import PLACE, FakeBroker

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)


def later(seconds: float) -> dt.datetime:
    return NOW + dt.timedelta(seconds=seconds)


def test_every_source_topic_has_its_agent() -> None:
    assert set(AGENTS) == {topics.INVOICES.name, topics.MEMBERSHIPS.name, topics.REEVALUATIONS.name}
    assert set(AGENTS.values()) == {"invoices", "memberships", "reevaluations"}


def test_waiting_records_are_measured_in_records_and_seconds() -> None:
    broker = FakeBroker()
    broker.put(committed=10, end=25)
    broker.members[PLACE] = "worker"
    broker.records[PLACE] = later(-2)
    (found,) = Meter().measure(broker, NOW)
    assert (found.agent, found.lag_records, found.lag_seconds, found.status) == ("invoices", 15, 2.0, "ok")
    assert (found.consumer_group, found.committed_offset, found.end_offset, found.member) == (
        "rewards",
        10,
        25,
        "worker",
    )
    assert found.measured_at == NOW
    assert broker.groups == {"rewards"}


def test_partition_without_lag_is_not_read() -> None:
    broker = FakeBroker()
    broker.put(committed=10, end=10)
    broker.put(committed=3, end=4, place=(topics.REEVALUATIONS.name, 5))
    Meter().measure(broker, NOW)
    assert broker.reads == [{(topics.REEVALUATIONS.name, 5)}]


def test_group_that_stands_is_read_once_and_ages() -> None:
    broker = FakeBroker()
    broker.put(committed=10, end=25)
    broker.members[PLACE] = "worker"
    broker.records[PLACE] = NOW
    meter = Meter()
    meter.measure(broker, NOW)
    (found,) = meter.measure(broker, later(31))
    assert broker.reads == [{PLACE}, set()]
    assert (found.lag_seconds, found.status) == (31.0, "stalled")


def test_group_that_moves_is_read_again() -> None:
    broker = FakeBroker()
    meter = Meter()
    broker.members[PLACE] = "worker"
    broker.put(committed=10, end=25)
    broker.records[PLACE] = NOW
    meter.measure(broker, NOW)
    broker.put(committed=20, end=25)
    broker.records[PLACE] = later(30)
    (found,) = meter.measure(broker, later(31))
    assert (found.lag_seconds, found.status) == (1.0, "ok")


def test_unreadable_record_is_counted_until_it_is_read() -> None:
    broker = FakeBroker()
    meter = Meter()
    broker.put(committed=10, end=25)
    assert [meter.measure(broker, later(second))[0].unmeasured for second in range(3)] == [1, 2, 3]
    assert meter.measure(broker, later(3))[0].lag_seconds == 3.0
    broker.records[PLACE] = later(-60)
    (found,) = meter.measure(broker, later(4))
    assert (found.unmeasured, found.lag_seconds) == (0, 64.0)


def test_partition_that_is_gone_is_not_measured_and_starts_afresh() -> None:
    broker = FakeBroker()
    meter = Meter()
    broker.put(committed=10, end=25)
    broker.records[PLACE] = NOW
    meter.measure(broker, NOW)
    offsets = broker.partitions.pop(PLACE)
    assert meter.measure(broker, later(60)) == []
    broker.partitions[PLACE] = offsets
    broker.members[PLACE] = "worker"
    assert meter.measure(broker, later(61))[0].status == "behind"


def test_partition_that_nobody_owns_is_unowned() -> None:
    broker = FakeBroker()
    broker.put(committed=None, end=0)
    (found,) = Meter().measure(broker, NOW)
    assert (found.committed_offset, found.lag_records, found.member, found.status) == (None, 0, None, "unowned")
