"""PURE: holds how far a topic was read against the topic that stands there now. Offsets mean nothing across two lives of a topic.

What is read of a topic is kept with the topic's id. Another id, an end before what was read, or a beginning after it: records were lost,
and reading on would skip or ignore changes in silence. A person decides, with `rewards topics adopt`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from streams.topics import PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from streams.topic_state import TopicState

ADOPT: Final = "rewards topics adopt"
THEN: Final = "`rewards connectors resnapshot` and, where the worker stopped, `rewards restart worker`"


class FaultKind(StrEnum):
    """What is wrong with a topic."""

    MISSING = "missing"
    PARTITIONS = "partitions"
    """It has another number of partitions than its customers' keys are spread over."""
    MADE_ANEW = "made_anew"
    SHORTER = "shorter"
    """It ends before what was read of it."""
    RECORDS_GONE = "records_gone"
    """It begins after what was read of it."""


@dataclass(frozen=True, slots=True)
class ReadSoFar:
    """How far a partition was read: of which topic, and the offset that comes next."""

    topic: str
    partition: int
    topic_id: str | None
    """None where it was never noted: nothing was read yet, or by an earlier version."""
    next_offset: int


@dataclass(frozen=True, slots=True)
class TopicFault:
    """One thing that is wrong with a topic."""

    kind: FaultKind
    topic: str
    partitions: tuple[int, ...]
    text: str
    """What, and the commands that lead out."""


def topic_faults(
    progress: Iterable[ReadSoFar], topics: Mapping[str, TopicState], *, may_lose: frozenset[str] = frozenset()
) -> list[TopicFault]:
    """Return what is wrong with the topics that `progress` names, worst first; at most one of each kind a topic.

    Args:
        progress: how far each partition was read.
        topics: those that exist.
        may_lose: topics whose first records may go (by age): what was in them is sent again.
    """
    by_topic: dict[str, list[ReadSoFar]] = defaultdict(list)
    for one in progress:
        by_topic[one.topic].append(one)
    return [
        fault
        for name, rows in sorted(by_topic.items())
        for fault in _faults_of(name, rows, topics.get(name), gone_is_fine=name in may_lose)
    ]


def _faults_of(name: str, rows: list[ReadSoFar], topic: TopicState | None, *, gone_is_fine: bool) -> list[TopicFault]:
    everywhere = tuple(sorted(row.partition for row in rows))
    if topic is None:
        text = f"there is no topic {name}: `rewards topics` creates it, then run `{ADOPT} {name}`, {THEN}"
        return [TopicFault(FaultKind.MISSING, name, everywhere, text)]
    if len(topic.partitions) != PARTITIONS:
        text = (
            f"topic {name} has {len(topic.partitions)} partitions, and {PARTITIONS} are expected: delete it (kafka-topics.sh --delete"
            f" --topic {name}), then run `rewards topics`, `{ADOPT} {name}`, {THEN}"
        )
        return [TopicFault(FaultKind.PARTITIONS, name, everywhere, text)]
    if any(row.topic_id not in {None, topic.id} for row in rows):
        text = (
            f"topic {name} was made anew: what the old one held and was not read is lost, and its offsets mean nothing in the new one."
            f" Run `{ADOPT} {name}`, {THEN}"
        )
        return [TopicFault(FaultKind.MADE_ANEW, name, everywhere, text)]
    shorter = tuple(row.partition for row in rows if row.next_offset > topic.partitions[row.partition].end)
    gone = tuple(row.partition for row in rows if row.next_offset < topic.partitions[row.partition].earliest)
    found = []
    if shorter:
        text = (
            f"topic {name} ends before what was read of it, in {_listed(shorter)}: records were lost, or it is another topic."
            f" Run `{ADOPT} {name}`, {THEN}"
        )
        found.append(TopicFault(FaultKind.SHORTER, name, shorter, text))
    if gone and not gone_is_fine:
        text = (
            f"records that were not read yet are gone from topic {name}, in {_listed(gone)} (deleted, or the database was restored to an"
            f" earlier state). Run `{ADOPT} {name}`, {THEN}"
        )
        found.append(TopicFault(FaultKind.RECORDS_GONE, name, gone, text))
    return found


def _listed(partitions: tuple[int, ...]) -> str:
    return f"partition{'s' if len(partitions) > 1 else ''} {', '.join(map(str, partitions))}"
