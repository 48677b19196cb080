"""How far each source topic was read, and of which topic: what is asked and set apart from a batch. The sink writes the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streams.postgres.session import faults
from streams.topic_faults import FaultKind, ReadSoFar, TopicFault
from streams.topics import PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from psycopg2.extensions import connection as Connection  # noqa: N812

    from streams.topic_state import TopicState

_READ: Final = """
SELECT topic, partition, topic_id, next_offset FROM partition_progress WHERE topic = ANY(%s) ORDER BY topic, partition
"""
_NOTE: Final = """
INSERT INTO partition_progress AS p (topic, partition, topic_id)
SELECT t.topic, n, t.id FROM unnest(%s::text[], %s::text[]) AS t (topic, id), generate_series(0, %s - 1) AS n
ON CONFLICT (topic, partition) DO UPDATE SET topic_id = EXCLUDED.topic_id WHERE p.topic_id IS NULL
"""
_LOCK: Final = (
    "SELECT FROM partition_progress WHERE topic = %s AND partition = ANY(%s) ORDER BY topic, partition FOR UPDATE"
)
_ADOPT: Final = """
UPDATE partition_progress AS p SET topic_id = n.id, next_offset = n.earliest,
  snapshot_offset = CASE WHEN n.anew THEN n.earliest ELSE least(p.snapshot_offset, n.last) END,
  accept_bad_until = CASE WHEN n.anew THEN 0 ELSE least(p.accept_bad_until, n.last) END,
  halted_at = CASE WHEN n.anew THEN NULL ELSE p.halted_at END, halted_reason = CASE WHEN n.anew THEN NULL ELSE p.halted_reason END,
  bad_records = CASE WHEN n.anew THEN '{}' ELSE p.bad_records END
FROM unnest(%s::smallint[], %s::bigint[], %s::bigint[]) AS m (partition, earliest, last), (VALUES (%s, %s)) AS k (id, anew),
  LATERAL (SELECT m.*, k.*) AS n
WHERE p.topic = %s AND p.partition = n.partition
"""


def read_so_far(connection: Connection, topics: Collection[str]) -> list[ReadSoFar]:
    """Return how far the topics were read; a partition that has no row yet was not.

    Raises:
        TransientError: Postgres is away.
    """
    with faults(), connection, connection.cursor() as cursor:
        cursor.execute(_READ, (list(topics),))
        found = {(row[0], row[1]): ReadSoFar(*row) for row in cursor.fetchall()}
    return [
        found.get((topic, partition), ReadSoFar(topic, partition, None, 0))
        for topic in topics
        for partition in range(PARTITIONS)
    ]


def note_topics(connection: Connection, topics: Mapping[str, TopicState]) -> None:
    """Note which topics are read, where that was never noted.

    Raises:
        TransientError: Postgres is away.
    """
    with faults(), connection, connection.cursor() as cursor:
        cursor.execute(_NOTE, (list(topics), [topic.id for topic in topics.values()], PARTITIONS))


def adopt_topic(connection: Connection, fault: TopicFault, topic: TopicState) -> None:
    """Set how far a topic was read to its beginning, as of the topic that stands there now.

    What is read again changes nothing that is known. Of a topic that was made anew, all records come after the snapshot that the
    partition is in; of one that lost records, those before that snapshot are still known by their offset, unless it was cut off with it.

    Raises:
        TransientError: Postgres is away.
    """
    states = [topic.partitions[partition] for partition in fault.partitions]
    with faults(), connection, connection.cursor() as cursor:
        cursor.execute(_LOCK, (fault.topic, list(fault.partitions)))
        cursor.execute(
            _ADOPT,
            (
                list(fault.partitions),
                [state.earliest for state in states],
                [state.end for state in states],
                topic.id,
                fault.kind is FaultKind.MADE_ANEW,
                fault.topic,
            ),
        )
