"""Dead letters in the sink's transaction: kept with the batch that passed them, superseded by later records, settled when tried again.

Place on the data's way: a leaf of sink.py. What a person decides is jobs/dead_letters.py's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from streams.postgres.steps import columns
from streams.source.records import DeadLetter

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

RETRIES_MAX: Final = 1_000
"""Letters of one pass of the scheduler."""

_WRITE: Final = """
INSERT INTO dead_letters (topic, partition, "offset", key, value, reason, detail, row_id, topic_id)
SELECT n.*, p.topic_id
FROM unnest(%s::text[], %s::smallint[], %s::bigint[], %s::bytea[], %s::bytea[], %s::text[], %s::text[], %s::bigint[])
  AS n (topic, partition, "offset", key, value, reason, detail, row_id)
LEFT JOIN partition_progress AS p ON p.topic = n.topic AND p.partition = n.partition
ON CONFLICT DO NOTHING
"""

_SUPERSEDE: Final = """
UPDATE dead_letters AS l SET status = 'superseded', decided_at = now(), retry_requested_at = NULL
FROM unnest(%s::text[], %s::smallint[], %s::bigint[], %s::bigint[]) AS n (topic, partition, row_id, "offset")
JOIN partition_progress AS p ON p.topic = n.topic AND p.partition = n.partition
WHERE l.topic = n.topic AND l.partition = n.partition AND l.row_id = n.row_id AND l.status = 'open'
  AND (l."offset" < n."offset" OR l.topic_id IS DISTINCT FROM p.topic_id)
"""

_WANTED: Final = """
SELECT id, partition FROM dead_letters WHERE retry_requested_at IS NOT NULL AND status = 'open' ORDER BY id LIMIT %s
"""

_READ: Final = """
SELECT l.id, l.topic, l.partition, l."offset", l.key, l.value, l.topic_id IS NOT DISTINCT FROM p.topic_id
FROM dead_letters AS l JOIN partition_progress AS p ON p.topic = l.topic AND p.partition = l.partition
WHERE l.id = ANY(%s) AND l.status = 'open' AND l.retry_requested_at IS NOT NULL ORDER BY l."offset"
"""

_SETTLE: Final = """
UPDATE dead_letters AS l SET status = n.status, reason = COALESCE(n.reason, l.reason), detail = COALESCE(n.detail, l.detail),
  attempts = l.attempts + 1, retry_requested_at = NULL, decided_at = CASE WHEN n.status = 'open' THEN NULL ELSE now() END
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[]) AS n (id, status, reason, detail)
WHERE l.id = n.id AND l.status = 'open'
"""

COUNTS: Final = """
  (COALESCE(p.bad_records -> 'in_a_row', '[]') || COALESCE(p.bad_records -> 'window_rows', '[]'))
    @> COALESCE(to_jsonb(l.row_id), to_jsonb('offset ' || l."offset"))
"""
"""Whether a letter `l` is of a row that counts towards the halt of its partition `p` (source/bad_records.py)."""

GO_ON_WHERE_DECIDED: Final = f"""
UPDATE partition_progress AS p SET halted_at = NULL, halted_reason = NULL, bad_records = '{{}}'
WHERE p.halted_reason IS NOT NULL AND p.partition = ANY(%s) AND NOT EXISTS (
  SELECT 1 FROM dead_letters AS l WHERE l.topic = p.topic AND l.partition = p.partition AND l.status = 'open' AND {COUNTS})
"""  # noqa: S608 -- SQL of ours
"""Where a person has decided on every letter that a partition was halted for, or each could be used, it goes on."""


class KeptLetter(NamedTuple):
    """A dead letter that is to be tried again."""

    id: int
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    of_this_topic: bool
    """False where the topic was made anew since."""


class Settled(NamedTuple):
    """How trying a letter again came out."""

    id: int
    status: str
    """open where it cannot be used still, retried, or superseded."""
    reason: str | None = None
    detail: str | None = None


def write(cursor: Cursor, letters: Sequence[DeadLetter]) -> None:
    """Keep the letters of a batch."""
    rows = [(d.topic, d.partition, d.offset, d.key, d.value, d.reason, d.detail, d.row_id) for d in letters]
    cursor.execute(_WRITE, columns(rows))


def supersede(cursor: Cursor, rows: Sequence[tuple[str, int, int, int]]) -> None:
    """Mark the open letters of rows of which a later record has come: topic, partition, row, the later record's offset."""
    cursor.execute(_SUPERSEDE, columns(rows))


def find_retries(cursor: Cursor) -> list[tuple[int, int]]:
    """Return the letters that a person wants tried again, each with its partition."""
    cursor.execute(_WANTED, (RETRIES_MAX,))
    return list(cursor.fetchall())


def read(cursor: Cursor, numbers: Sequence[int]) -> list[KeptLetter]:
    """Return those of the letters that are still to be tried again, oldest first."""
    cursor.execute(_READ, (list(numbers),))
    return [
        KeptLetter(number, topic, partition, offset, _bytes(key), _bytes(value), here)
        for number, topic, partition, offset, key, value, here in cursor.fetchall()
    ]


def settle(cursor: Cursor, settled: Sequence[Settled], partitions: Sequence[int]) -> None:
    """Write down how it came out, and let a partition go on that was halted for these letters alone."""
    cursor.execute(_SETTLE, columns(settled))
    cursor.execute(GO_ON_WHERE_DECIDED, (list(partitions),))


def _bytes(value: memoryview | None) -> bytes | None:
    return None if value is None else bytes(value)
