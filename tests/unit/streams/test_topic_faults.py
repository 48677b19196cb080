"""How far a topic was read against the topic that stands there now."""

from __future__ import annotations

from typing import Any

import pytest

from streams.topic_faults import FaultKind, ReadSoFar, topic_faults
from streams.topic_state import PartitionState, TopicState
from streams.topics import PARTITIONS

NAME = "warehouse.public.invoice_transactions"


def topic(earliest: int = 0, end: int = 100, name: str = "A", partitions: int = PARTITIONS) -> TopicState:
    return TopicState(name, dict.fromkeys(range(partitions), PartitionState(earliest, end)))


def read(next_offset: int, topic_id: str | None = "A", **others: int) -> list[ReadSoFar]:
    """Every partition at `next_offset`, p3=… one of them elsewhere."""
    return [
        ReadSoFar(NAME, partition, topic_id, others.get(f"p{partition}", next_offset))
        for partition in range(PARTITIONS)
    ]


@pytest.mark.parametrize(
    ("progress", "state"),
    [
        pytest.param(read(40), topic(), id="in the middle"),
        pytest.param(read(100), topic(), id="at the end"),
        pytest.param(read(30), topic(earliest=30), id="at the beginning"),
        pytest.param(read(0, None), topic(), id="never read"),
        pytest.param(read(40, None), topic(), id="read by a version that noted no id"),
    ],
)
def test_topic_that_goes_on_where_it_was_left_is_well(progress: list[ReadSoFar], state: TopicState) -> None:
    assert topic_faults(progress, {NAME: state}) == []


@pytest.mark.parametrize(
    ("progress", "state", "kind", "partitions"),
    [
        pytest.param(read(40), None, FaultKind.MISSING, range(8), id="missing"),
        pytest.param(read(0), topic(partitions=1), FaultKind.PARTITIONS, range(8), id="one partition"),
        pytest.param(read(40), topic(name="B"), FaultKind.MADE_ANEW, range(8), id="another id, with more records"),
        pytest.param(read(40, "A"), topic(name="B", end=0), FaultKind.MADE_ANEW, range(8), id="another id, empty"),
        pytest.param(read(40, p3=101), topic(), FaultKind.SHORTER, [3], id="ends before what was read"),
        pytest.param(read(40, None), topic(end=7), FaultKind.SHORTER, range(8), id="shorter, and no id was noted"),
        pytest.param(read(40, p2=10, p5=9), topic(earliest=11), FaultKind.RECORDS_GONE, [2, 5], id="records gone"),
        pytest.param(read(0, None), topic(earliest=1), FaultKind.RECORDS_GONE, range(8), id="first records gone"),
    ],
)
def test_topic_that_cannot_be_read_on_is_named_with_what_leads_out(
    progress: list[ReadSoFar], state: TopicState | None, kind: FaultKind, partitions: Any
) -> None:
    (fault,) = topic_faults(progress, {} if state is None else {NAME: state})
    assert (fault.kind, fault.topic, fault.partitions) == (kind, NAME, tuple(partitions))
    assert f"rewards topics adopt {NAME}" in fault.text
    assert "rewards connectors resnapshot" in fault.text
    assert "rewards restart worker" in fault.text


def test_topic_whose_old_records_may_go_is_well_without_them() -> None:
    assert topic_faults(read(3), {NAME: topic(earliest=50)}, may_lose=frozenset({NAME})) == []


def test_topic_that_is_cut_off_at_both_ends_has_both_faults() -> None:
    found = topic_faults(read(60, p0=101, p1=2), {NAME: topic(earliest=50)})
    assert [fault.kind for fault in found] == [FaultKind.SHORTER, FaultKind.RECORDS_GONE]
