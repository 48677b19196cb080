from __future__ import annotations

from dataclasses import replace

import pytest

from connectors.source.arrivals import judge_topic, record_age_seconds
from connectors.source.captured import all_captured
from connectors.source.findings import Code
from connectors.source.memory import Identity
from connectors.source.topic import PartitionState, TopicState

CAPTURED = all_captured()["warehouse"]
NOW_MS = 1_000_000_000.0
FRESH = TopicState("topic-1", {number: PartitionState(0, 50, int(NOW_MS) - 2_000) for number in range(4)})
KNOWN = Identity(1, {}, 2, "7", 3, "topic-1", dict.fromkeys(range(4), 20))


def partition(state: PartitionState) -> TopicState:
    return replace(FRESH, partitions=FRESH.partitions | {2: state})


def judged(topic: TopicState | None, known: Identity | None = KNOWN, *, running: bool = True) -> list[Code]:
    return [one.code for one in judge_topic(CAPTURED, topic, known, NOW_MS, running=running)]


def test_topic_with_fresh_records_is_well() -> None:
    assert judged(FRESH) == []
    assert judged(FRESH, None) == []
    assert record_age_seconds(FRESH, NOW_MS) == 2.0


def test_partition_without_a_record_for_long_is_found_and_its_age_is_the_topics() -> None:
    old = partition(PartitionState(0, 50, int(NOW_MS) - 31_000))

    assert judged(old) == [Code.RECORDS_OLD]
    assert record_age_seconds(old, NOW_MS) == 31.0


def test_age_of_what_never_came_is_unknown() -> None:
    empty = partition(PartitionState(0, 20, None))

    assert judged(empty) == [Code.RECORDS_OLD]
    assert record_age_seconds(empty, NOW_MS) is None


def test_connector_that_does_not_run_is_not_blamed_for_old_records() -> None:
    assert judged(partition(PartitionState(0, 50, 0)), running=False) == []


def test_records_from_the_future_have_no_known_age() -> None:
    ahead = replace(FRESH, partitions={0: PartitionState(0, 50, int(NOW_MS) + 3_600_000)})

    assert judged(ahead, None) == [Code.RECORDS_OLD]


@pytest.mark.parametrize(
    ("topic", "code"),
    [
        (None, Code.TOPIC_MISSING),
        (replace(FRESH, id="topic-2"), Code.TOPIC_REPLACED),
        (partition(PartitionState(21, 50, int(NOW_MS))), Code.TOPIC_RECORDS_LOST),
        (partition(PartitionState(0, 19, int(NOW_MS))), Code.TOPIC_RECORDS_LOST),
        (replace(FRESH, partitions={0: FRESH.partitions[0]}), Code.TOPIC_RECORDS_LOST),
    ],
)
def test_topic_that_lost_records_is_found(topic: TopicState | None, code: Code) -> None:
    assert judged(topic) == [code]


def test_records_from_before_the_snapshot_may_go() -> None:
    assert judged(partition(PartitionState(20, 50, int(NOW_MS)))) == []
