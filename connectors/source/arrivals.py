"""PURE: judges the way from the source to the topic by the topic alone: is it the one that was captured into, and do records come."""

from __future__ import annotations

from typing import Final

from connectors.source.captured import Captured
from connectors.source.findings import REPAIR, Code, Finding, Said
from connectors.source.memory import Identity
from connectors.source.topic import TopicState

RECORD_AGE_MAX_SECONDS: Final = 30.0
"""The heartbeat sends a watermark into each partition every few seconds."""
ADOPT_TOO: Final = f"{REPAIR}; where the worker stopped over it, `rewards topics adopt` and a start of the worker"


def record_age_seconds(topic: TopicState, now_ms: float) -> float | None:
    """Age of the last record of the partition that has waited longest; None where one has none at all."""
    newest = [one.newest_ms for one in topic.partitions.values()]
    times = [one for one in newest if one is not None]
    if not times or len(times) < len(newest):
        return None
    return round((now_ms - min(times)) / 1000, 3)


def judge_topic(
    captured: Captured, topic: TopicState | None, known: Identity | None, now_ms: float, *, running: bool
) -> list[Finding]:
    """What is wrong with a connector's topic.

    Args:
        captured: what the connector captures.
        topic: what the broker says; None where there is no such topic.
        known: what was written down when the snapshot began.
        now_ms: the time, in milliseconds since 1970.
        running: whether the connector says that it runs; one that does not sends nothing, and that is said already.

    """
    said = Said(captured.connector)
    if topic is None:
        said.add(
            Code.TOPIC_MISSING,
            f"there is no topic {captured.topic}",
            "rewards topics, then `rewards topics adopt` and `rewards connectors repair`",
        )
        return said.findings
    if known is not None and known.topic is not None:
        _judge_lost(said, captured, topic, known)
    if running:
        _judge_age(said, captured, topic, now_ms)
    return said.findings


def _judge_lost(said: Said, captured: Captured, topic: TopicState, known: Identity) -> None:
    if topic.id != known.topic:
        said.add(Code.TOPIC_REPLACED, f"the topic {captured.topic} was made anew: what it held is lost", ADOPT_TOO)
        return
    lost = [
        number
        for number, start in known.starts.items()
        if (now := topic.partitions.get(number)) is None or now.start_offset > start or now.end_offset < start
    ]
    if lost:
        said.add(
            Code.TOPIC_RECORDS_LOST,
            f"records are gone from {len(lost)} of {len(known.starts)} partitions of {captured.topic}",
            ADOPT_TOO,
        )


def _judge_age(said: Said, captured: Captured, topic: TopicState, now_ms: float) -> None:
    count = len(topic.partitions)
    remedy = f"{REPAIR}; where that does not help, rewards connectors resnapshot {captured.connector}"
    unknown = [one for one in topic.partitions.values() if one.newest_ms is None]
    if unknown:
        empty = all(one.end_offset == one.start_offset for one in unknown)
        what = "no record stands" if empty else "the age of the last record is not known"
        said.add(Code.RECORDS_OLD, f"{what} in {len(unknown)} of {count} partitions of {captured.topic}", remedy)
        return
    ages = {number: (now_ms - (one.newest_ms or 0)) / 1000 for number, one in topic.partitions.items()}
    old = [age for age in ages.values() if age > RECORD_AGE_MAX_SECONDS]
    if old:
        said.add(
            Code.RECORDS_OLD,
            f"no record came into {len(old)} of {count} partitions of {captured.topic} for {max(old):.0f} s,"
            " though the heartbeat sends one every few seconds",
            remedy,
        )
    elif min(ages.values()) < -RECORD_AGE_MAX_SECONDS:
        said.add(
            Code.RECORDS_OLD,
            f"the newest record of {captured.topic} is {-min(ages.values()):.0f} s in the future:"
            " its age cannot be known until the clocks agree",
            "set the clocks of this machine and of Kafka Connect's right",
        )
