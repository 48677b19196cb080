"""`rewards topics adopt`: a person takes a source topic as it stands, after it was made anew or lost records.

How far the topic was read is set to its beginning, in Postgres, and what the consumer group has committed of it is forgotten. No worker may
run meanwhile, for it reads on from what it knew. Read again, a record changes nothing that is known; what was lost comes back with a new
snapshot alone. Killed between two steps, it can be run again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from streams.errors import InvariantError, SettingsError, TransientError
from streams.generation import LIVE, Generation
from streams.jobs.waiting import SourceFault
from streams.kafka_access import KafkaAccess
from streams.postgres.session import connect
from streams.postgres.topic_progress import adopt_topic, note_topics, read_so_far
from streams.topic_faults import FaultKind, TopicFault, topic_faults
from streams.topic_state import TopicReader
from streams.topics import INVOICES, MEMBERSHIPS, topics_of

if TYPE_CHECKING:
    from collections.abc import Collection

MEMBERS_SECONDS: Final = 12.0
"""A worker that ended without a word is a member of its group until its session is over (6 s)."""
POLL_SECONDS: Final = 0.5
NOT_ADOPTED: Final = frozenset({FaultKind.MISSING, FaultKind.PARTITIONS})
"""There is nothing right to read yet."""


@dataclass(frozen=True, slots=True)
class Adopted:
    """A topic that was taken as it stands."""

    topic: str
    kind: FaultKind
    partitions: tuple[int, ...]
    topic_id: str
    lost: bool
    """Changes may be missing: only a new snapshot brings them."""


def adopt(
    kafka: KafkaAccess, database_url: str, names: Collection[str] = (), generation: Generation = LIVE
) -> list[Adopted]:
    """Take topics as they stand; return those that were not the ones that had been read, or had lost records.

    Args:
        kafka: how it is reached.
        database_url: `sunroc_rewards`.
        names: the topics; all that are read where none is named.
        generation: whose worker reads them.

    Raises:
        SettingsError: a name is none of a topic that is read.
        InvariantError: a topic is missing or has another number of partitions, or a worker runs.
        TransientError: Kafka or Postgres does not answer.
    """
    own = topics_of(generation).reevaluations.name
    known = (INVOICES.name, MEMBERSHIPS.name, own)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SettingsError(f"{', '.join(unknown)} is not read; the topics that are read are {', '.join(known)}")
    wanted = [name for name in known if not names or name in names]
    reader = TopicReader(kafka)
    connection = connect(database_url, name="rewards topics adopt", generation=generation)
    try:
        topics = reader.read(wanted)
        found = topic_faults(read_so_far(connection, wanted), topics, may_lose=frozenset({own}))
        hopeless = [fault for fault in found if fault.kind in NOT_ADOPTED]
        if hopeless:
            raise InvariantError("; ".join(fault.text for fault in hopeless))
        if found:
            _await_no_members(reader, generation.application_id)
        for fault in found:
            adopt_topic(connection, fault, topics[fault.topic])
            reader.forget_offsets(
                generation.application_id, [(fault.topic, partition) for partition in fault.partitions]
            )
        note_topics(connection, topics)
        return [_adopted(fault, topics[fault.topic].id, lost=fault.topic != own) for fault in found]
    finally:
        connection.close()
        reader.close()


def faults_of_topics(kafka: KafkaAccess, database_url: str, generation: Generation = LIVE) -> list[SourceFault]:
    """Return what is wrong with the topics that are read, each with what leads out. The worker's own topic loses nothing."""
    wanted = (INVOICES.name, MEMBERSHIPS.name)
    reader = TopicReader(kafka)
    try:
        connection = connect(database_url, name="rewards topics", generation=generation)
        try:
            found = topic_faults(read_so_far(connection, wanted), reader.read(wanted))
        finally:
            connection.close()
    except TransientError as error:
        return [SourceFault(str(error), lasting=False)]
    finally:
        reader.close()
    # A broker that has just started may not know a topic yet.
    return [SourceFault(fault.text, lasting=fault.kind is not FaultKind.MISSING) for fault in found]


def _adopted(fault: TopicFault, topic_id: str, *, lost: bool) -> Adopted:
    return Adopted(fault.topic, fault.kind, fault.partitions, topic_id, lost)


def _await_no_members(reader: TopicReader, group: str) -> None:
    deadline = time.monotonic() + MEMBERS_SECONDS
    while members := reader.members(group):
        if time.monotonic() > deadline:
            raise InvariantError(
                f"{len(members)} workers read these topics as group {group} ({', '.join(members)}): stop them, then run this again"
            )
        time.sleep(POLL_SECONDS)
