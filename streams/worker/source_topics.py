"""Holds what a worker reads against the topics that stand there: at each assignment, every few seconds, and whenever offsets look odd.

Place on the data's way: beside bulk.py, which asks here from where to read. A topic that was made anew or lost records stops the worker:
its changes would be taken for ones that stand in Postgres already, or be skipped. The topic that the worker writes itself
(reevaluations) is taken as it is: whatever was in it is sent again.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from streams.errors import InvariantError, SourceTopicError, TransientError
from streams.generation import LIVE, Generation
from streams.kafka_access import KafkaAccess
from streams.postgres.session import connect
from streams.postgres.topic_progress import adopt_topic, note_topics, read_so_far
from streams.retry_policy import Retries
from streams.topic_faults import FaultKind, ReadSoFar, TopicFault, topic_faults
from streams.topic_state import TopicReader, TopicState
from streams.topics import INVOICES, MEMBERSHIPS, topics_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg2.extensions import connection as Connection  # noqa: N812

logger = logging.getLogger(__name__)
T = TypeVar("T")

LOOK_SECONDS: Final = 5.0
RETRY_SECONDS: Final = 1.0
MISSING_LOOKS: Final = 3
"""A broker that has just started may not know its topics yet: missing is what is missing so many times in a row."""
RETRIES: Final = Retries(
    failing="the source topics cannot be looked at", working="looking at the source topics again", logger=logger
)


class Start(NamedTuple):
    """From where a partition can be read."""

    next_offset: int
    """Everything before it stands in Postgres."""
    earliest: int
    """Offset of the first record that is there."""


class Look(NamedTuple):
    """What was seen at one time: progress first, so that it lies before the ends."""

    progress: list[ReadSoFar]
    topics: dict[str, TopicState]


class SourceTopics:
    """The topics that a worker of a generation reads."""

    def __init__(self, kafka: KafkaAccess, database_url: str, generation: Generation = LIVE) -> None:
        self._database_url = database_url
        self._generation = generation
        self._own = topics_of(generation).reevaluations.name
        self.names: Final = (INVOICES.name, MEMBERSHIPS.name, self._own)
        self._reader = TopicReader(kafka)
        self._connection: Connection | None = None
        self._asking = asyncio.Lock()
        self.last: Look | None = None
        """What was seen last."""
        self.assigned_without: frozenset[str] = frozenset()
        """Topics that the broker did not know when this worker made the group's last assignment (assignor.py)."""
        self._soon = asyncio.Event()

    def look_soon(self) -> None:
        """Look at once: records came that begin before what was read, or a position was out of range."""
        self._soon.set()

    async def starts(self) -> dict[tuple[str, int], Start]:
        """Return where each partition can go on, once all topics are found to be those that were read. Waits while it cannot know.

        Raises:
            SourceTopicError: a topic is missing, was made anew or lost records.
            InvariantError: the worker's own topic is missing, which a later process may find again; or Postgres refuses what is asked.
        """
        missing = 0
        while True:
            look = await RETRIES.acall(partial(self._ask, self._look_at_the_start))
            missing = self._judged(look, missing)
            if not missing:
                return {
                    (one.topic, one.partition): Start(
                        one.next_offset, look.topics[one.topic].partitions[one.partition].earliest
                    )
                    for one in look.progress
                }
            await asyncio.sleep(RETRY_SECONDS)

    async def run(self) -> None:
        """Look every few seconds until cancelled.

        Raises:
            SourceTopicError: a topic is missing, was made anew or lost records since the worker began to read it.
            InvariantError: the worker's own topic did, and a new process takes it as it is; or the group's assignment lacks a topic
                that is there.
        """
        missing = 0
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._soon.wait(), RETRY_SECONDS if missing else LOOK_SECONDS)
            self._soon.clear()
            look = await RETRIES.acall(partial(self._ask, self._look))
            missing = self._judged(look, missing)
            if not missing and self.assigned_without:
                raise InvariantError(
                    f"partitions were assigned before the broker knew {', '.join(sorted(self.assigned_without))}; a new process goes on"
                )
            if not missing and self._own_faults(look):
                raise InvariantError(f"topic {self._own} was made anew or lost records; a new process goes on with it")

    def _judged(self, look: Look, missing: int) -> int:
        """Return how many looks in a row a topic has been missing, `missing` of them before this one; 0 where all is well.

        Raises:
            SourceTopicError: a topic is not the one that was read, or has been missing for too long.
            InvariantError: the same of the worker's own topic alone.
        """
        found = self._faults(look)
        missing = missing + 1 if any(fault.kind is FaultKind.MISSING for fault in found) else 0
        if found and not 0 < missing < MISSING_LOOKS:
            raise self._stop(found)
        return missing

    async def _ask(self, ask: Callable[[], Look]) -> Look:
        async with self._asking:
            self.last = await asyncio.to_thread(ask)
            return self.last

    def _look(self) -> Look:
        if self._connection is None:
            self._connection = connect(self._database_url, name="rewards topics", generation=self._generation)
        progress = self._with_connection(partial(read_so_far, topics=self.names))
        return Look(progress, self._reader.read(self.names))

    def _look_at_the_start(self) -> Look:
        """Look, take the worker's own topic as it is, and note which topics are read from now on."""
        look = self._look()
        if self._faults(look):
            return look
        for fault in self._own_faults(look):
            logger.warning("Topic %s is read from its beginning (%s)", fault.topic, fault.kind)
            self._with_connection(partial(adopt_topic, fault=fault, topic=look.topics[fault.topic]))
        if any(one.topic_id is None for one in look.progress):
            self._with_connection(partial(note_topics, topics=look.topics))
        return self._look()

    def _with_connection(self, ask: Callable[[Connection], T]) -> T:
        assert self._connection is not None
        try:
            return ask(self._connection)
        except TransientError:
            self._close()
            raise

    def _faults(self, look: Look) -> list[TopicFault]:
        """Return what stops the worker: of its own topic only what it cannot mend."""
        return [
            fault
            for fault in topic_faults(look.progress, look.topics, may_lose=frozenset({self._own}))
            if fault.topic != self._own or fault.kind in {FaultKind.MISSING, FaultKind.PARTITIONS}
        ]

    def _own_faults(self, look: Look) -> list[TopicFault]:
        own = [one for one in look.progress if one.topic == self._own]
        found = topic_faults(own, look.topics, may_lose=frozenset({self._own}))
        return [fault for fault in found if fault.kind in {FaultKind.MADE_ANEW, FaultKind.SHORTER}]

    def _stop(self, found: list[TopicFault]) -> InvariantError:
        """Return what ends the worker: for good, unless all that is wrong is its own topic, of which nothing is lost."""
        text = "; ".join(fault.text for fault in found)
        return InvariantError(text) if {fault.topic for fault in found} == {self._own} else SourceTopicError(text)

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
