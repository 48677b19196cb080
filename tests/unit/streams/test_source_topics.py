"""When a worker stops over its topics, when it waits, and when it goes on. What the broker and Postgres say is given."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from streams.errors import InvariantError, SourceTopicError, TransientError
from streams.topic_faults import ReadSoFar
from streams.topic_state import PartitionState, TopicState
from streams.topics import INVOICES, MEMBERSHIPS, PARTITIONS, REEVALUATIONS
from streams.worker import source_topics as module
from streams.worker.source_topics import Look, SourceTopics, Start

NAMES = (INVOICES.name, MEMBERSHIPS.name, REEVALUATIONS.name)


def look(*, missing: str = "", anew: str = "", next_offset: int = 40) -> Look:
    progress = [ReadSoFar(name, partition, "A", next_offset) for name in NAMES for partition in range(PARTITIONS)]
    partitions = dict.fromkeys(range(PARTITIONS), PartitionState(3, 100))
    topics = {name: TopicState("B" if name == anew else "A", partitions) for name in NAMES if name != missing}
    return Look(progress, topics)


class ToldTopics(SourceTopics):
    """Sees what it is told, one look after the other; the last again and again."""

    def __init__(self, *looks: Look | Exception) -> None:
        super().__init__("nowhere:1", "postgresql://nowhere")
        self.looks = list(looks)
        self.looked = 0

    def _look(self) -> Look:
        self.looked += 1
        found = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(found, Exception):
            raise found
        return found

    _look_at_the_start = _look


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.001)


def started(*looks: Look | Exception) -> dict[tuple[str, int], Start]:
    async def run() -> Any:
        return await asyncio.wait_for(ToldTopics(*looks).starts(), 5)

    found: dict[tuple[str, int], Start] = asyncio.run(run())
    return found


def watched(*looks: Look | Exception) -> None:
    async def run() -> None:
        await asyncio.wait_for(ToldTopics(*looks).run(), 0.5)

    asyncio.run(run())


def test_reading_begins_where_postgres_stands_once_the_world_answers() -> None:
    found = started(TransientError("Kafka is away"), TransientError("Postgres is away"), look())
    assert found[INVOICES.name, 7] == Start(40, 3)
    assert len(found) == len(NAMES) * PARTITIONS


def test_topic_that_a_broker_does_not_know_yet_is_waited_for() -> None:
    missing = look(missing=INVOICES.name)
    assert started(missing, missing, look())[INVOICES.name, 0].next_offset == 40
    with pytest.raises(SourceTopicError, match="there is no topic"):
        started(missing)


@pytest.mark.parametrize("name", [INVOICES.name, MEMBERSHIPS.name])
def test_topic_made_anew_stops_the_worker_at_its_start_and_in_its_course(name: str) -> None:
    with pytest.raises(SourceTopicError, match="rewards topics adopt"):
        started(look(anew=name))
    with pytest.raises(SourceTopicError, match="rewards topics adopt"):
        watched(look(), look(), TransientError("Kafka is away"), look(anew=name))


def test_topic_that_is_shorter_than_what_was_read_stops_the_worker() -> None:
    with pytest.raises(SourceTopicError, match="ends before what was read"):
        watched(look(), look(next_offset=101))


def test_own_topic_that_is_missing_or_made_anew_is_for_the_next_process_and_no_person() -> None:
    for away in (look(anew=REEVALUATIONS.name), look(missing=REEVALUATIONS.name)):
        with pytest.raises(InvariantError) as raised:
            watched(look(), away)
        assert not isinstance(raised.value, SourceTopicError)


def test_topics_that_are_well_are_looked_at_for_ever() -> None:
    with pytest.raises(TimeoutError):
        watched(look())


def test_look_that_was_asked_for_is_made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 60.0)

    async def run() -> None:
        topics = ToldTopics(look(anew=INVOICES.name))
        running = asyncio.create_task(topics.run())
        await asyncio.sleep(0.01)
        assert topics.looked == 0
        topics.look_soon()
        with pytest.raises(SourceTopicError):
            await asyncio.wait_for(running, 5)

    asyncio.run(run())


def test_group_that_was_assigned_its_partitions_without_a_topic_that_is_there_gets_a_new_process() -> None:
    async def run(*looks: Look | Exception) -> None:
        topics = ToldTopics(*looks)
        topics.assigned_without = frozenset({INVOICES.name})
        await asyncio.wait_for(topics.run(), 0.5)

    with pytest.raises(InvariantError, match="before the broker knew") as raised:
        asyncio.run(run(look(missing=INVOICES.name), look()))
    assert not isinstance(raised.value, SourceTopicError)
    with pytest.raises(SourceTopicError, match="there is no topic"):
        asyncio.run(run(look(missing=INVOICES.name)))
