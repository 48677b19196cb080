from __future__ import annotations

import datetime as dt
from typing import Any

from api.dashboard.report import STALE_SECONDS, PartitionLag, report_lag


def row(partition: int, lag_records: int = 0, **values: Any) -> PartitionLag:
    defaults: dict[str, Any] = {
        "consumer_group": "rewards", "agent": "invoices", "topic": "t", "committed_offset": 5, "end_offset": 5,
        "lag_seconds": 0.1, "member": "worker", "measured_at": dt.datetime(2026, 5, 1, tzinfo=dt.UTC),
        "age_seconds": 0.5,
    }  # fmt: skip
    return PartitionLag(partition=partition, lag_records=lag_records, **(defaults | values))


def test_no_measurement_is_its_own_state() -> None:
    assert report_lag([]).state == "none"


def test_old_measurement_is_stale() -> None:
    report = report_lag([row(0, age_seconds=STALE_SECONDS + 7)])
    assert (report.state, report.age_seconds) == ("stale", 12.0)


def test_partitions_are_grouped_by_agent_and_added_up() -> None:
    report = report_lag([row(0, 3), row(1, 4, lag_seconds=2.5), row(0, agent="memberships")])
    assert [(agent.name, agent.lag_records, agent.lag_seconds_max) for agent in report.agents] == [
        ("invoices", 7, 2.5),
        ("memberships", 0, 0.1),
    ]
    assert [agent.state for agent in report.agents] == ["Keeping up", "Caught up"]


def test_unowned_partition_is_marked() -> None:
    (agent,) = report_lag([row(0), row(1, member=None)]).agents
    assert (agent.state, agent.tone) == ("1 partition without a reader", "bad")


def test_nobody_reading_is_told() -> None:
    (agent,) = report_lag([row(0, member=None)]).agents
    assert agent.state == "Nobody reads it"


def test_long_lag_is_behind() -> None:
    (agent,) = report_lag([row(0, 900, lag_seconds=60.0)]).agents
    assert (agent.state, agent.tone) == ("Behind", "warn")


def test_bar_is_relative_to_the_greatest_lag_but_a_handful_stays_small() -> None:
    few, many = report_lag([row(0, 5)]), report_lag([row(0, 50_000), row(1, 25_000)])
    assert few.bar(few.agents[0].partitions[0]) == 5
    assert [many.bar(one) for one in many.agents[0].partitions] == [100, 50]


def test_halted_partition_is_said_before_its_lag_is() -> None:
    since = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
    (agent,) = report_lag([row(0, 3), row(1, 900, lag_seconds=700.0, halted_at=since, halted_reason="bad rows")]).agents
    assert [one.partition for one in agent.halted] == [1]
    assert (agent.state, agent.tone) == ("1 partition halted", "bad")
