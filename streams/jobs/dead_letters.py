"""Dead letters and halted partitions, for a person who decides: what is there, and the ways on.

Place on the data's way: beside it. The commands `rewards dead-letters` and the website's page run these in a transaction of theirs; the
worker sees within a second what was decided. Nothing here reads a record's bytes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from streams.errors import SettingsError
from streams.postgres.halts import HaltedPartition, find_halted
from streams.postgres.letters import COUNTS, GO_ON_WHERE_DECIDED
from streams.postgres.session import connect, faults
from streams.topics import INVOICES, MEMBERSHIPS

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

Decision = Literal["accepted", "retried", "discarded"]
STATUSES: Final = ("open", "accepted", "retried", "discarded", "superseded")
PAGE: Final = 500
"""Letters that are shown at once."""
NUMBER_MAX: Final = 2**63 - 1
"""No letter has it."""
REASON_CHARACTERS_MAX: Final = 1_000
_TABLES: Final = {
    INVOICES.name: ("warehouse", "invoice_transactions", "transaction_id"),
    MEMBERSHIPS.name: ("rewards database", "customers_reward_groups", "id"),
}
"""Topic -> where its rows are: database, table and the column that names a row."""

_LIST: Final = f"""
SELECT l.id, l.topic, l.partition, l."offset", l.row_id, l.reason, left(l.detail, 300), l.status, l.attempts, l.recorded_at, l.decided_at,
  l.decided_by, l.note, l.retry_requested_at IS NOT NULL, CASE WHEN l.status = 'open' AND {COUNTS} THEN p.halted_at END
FROM dead_letters AS l LEFT JOIN partition_progress AS p ON p.topic = l.topic AND p.partition = l.partition
WHERE l.status = ANY(%s) AND l.id < %s ORDER BY l.id DESC LIMIT %s
"""  # noqa: S608 -- SQL of ours

_COUNT: Final = "SELECT status, count(*) FROM dead_letters GROUP BY status"

# In the sink's order, so that a decision and a batch wait for each other and never both.
_LOCK: Final = """
SELECT FROM partition_progress WHERE (topic, partition) IN (SELECT topic, partition FROM dead_letters WHERE id = ANY(%s))
ORDER BY topic, partition FOR UPDATE
"""
_LOCK_HALTED: Final = "SELECT FROM partition_progress WHERE halted_at IS NOT NULL ORDER BY topic, partition FOR UPDATE"

_OPEN: Final = "SELECT id FROM dead_letters WHERE status = 'open' ORDER BY id"
_KNOWN: Final = "SELECT id, status, reason, value IS NULL, topic, row_id FROM dead_letters WHERE id = ANY(%s)"

_DECIDE: Final = """
UPDATE dead_letters SET status = %s, decided_at = now(), decided_by = %s, note = %s, retry_requested_at = NULL
WHERE id = ANY(%s) AND status = 'open' RETURNING id
"""

# A person accepts what is there now, seen or not: up to the end of the topic as the lag process measured it last. Letters of a topic that
# was made anew since say nothing of this one's offsets.
_GO_ON: Final = """
UPDATE partition_progress AS p SET halted_at = NULL, halted_reason = NULL, bad_records = '{}',
  accept_bad_until = greatest(p.accept_bad_until, p.next_offset, (
    SELECT max(c.end_offset) FROM consumer_lag AS c WHERE c.topic = p.topic AND c.partition = p.partition))
WHERE EXISTS (SELECT 1 FROM dead_letters AS l WHERE l.id = ANY(%s) AND l.topic = p.topic AND l.partition = p.partition
    AND l.topic_id IS NOT DISTINCT FROM p.topic_id)
  OR (%s AND p.halted_at IS NOT NULL)
"""

_RETRY: Final = """
UPDATE dead_letters SET retry_requested_at = now(), decided_by = %s WHERE id = ANY(%s) AND status = 'open' RETURNING id
"""

_WAITING: Final = (
    "SELECT count(*) FROM dead_letters WHERE id = ANY(%s) AND status = 'open' AND retry_requested_at IS NOT NULL"
)


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter as a person sees it, without its bytes."""

    id: int
    topic: str
    partition: int
    offset: int
    row_id: int | None
    reason: str
    detail: str
    status: str
    attempts: int
    recorded_at: dt.datetime
    decided_at: dt.datetime | None
    decided_by: str | None
    note: str | None
    is_being_retried: bool
    halted_at: dt.datetime | None
    """Since when its partition waits for a decision on it; null where it does not."""

    @property
    def is_halting(self) -> bool:
        """Whether its partition waits for a decision on it."""
        return self.halted_at is not None


@dataclass(frozen=True, slots=True)
class Letters:
    """Letters, newest first, and how many there are in all."""

    letters: list[Letter]
    count: int
    """Of the statuses that were asked for."""
    open_count: int
    halted: list[HaltedPartition]


@dataclass(slots=True)
class Decided:
    """What a decision came to, letter by letter."""

    done: list[int] = field(default_factory=list)
    already: list[int] = field(default_factory=list)
    """Were decided so before."""
    superseded: list[int] = field(default_factory=list)
    """A later record of their row has come: nothing is left to decide."""
    refused: dict[int, str] = field(default_factory=dict)
    """Letter -> why it is not decided so, with what leads out."""


def find_letters(
    cursor: Cursor, statuses: Sequence[str] = ("open",), limit: int = PAGE, *, before: int = NUMBER_MAX
) -> Letters:
    """Return the newest letters of these statuses, with a number below `before`."""
    cursor.execute(_LIST, (list(statuses), before, limit))
    letters = [Letter(*row) for row in cursor.fetchall()]
    cursor.execute(_COUNT)
    counts = dict(cursor.fetchall())
    return Letters(
        letters, sum(counts.get(status, 0) for status in statuses), counts.get("open", 0), find_halted(cursor)
    )


def describe_halted(database_url: str) -> list[dict[str, Any]]:
    """Return the partitions that wait for a person, as data for programs, each with its sentence.

    Raises:
        TransientError: Postgres does not answer.
        InvariantError: it has no tables yet.
    """
    connection = connect(database_url, name="rewards status")
    try:
        with faults(), connection, connection.cursor() as cursor:
            return [{**asdict(one), "sentence": one.sentence} for one in find_halted(cursor)]
    finally:
        connection.close()


def open_letters(cursor: Cursor) -> list[int]:
    """Return the letters that nobody has decided on."""
    cursor.execute(_OPEN)
    return [number for (number,) in cursor.fetchall()]


def accept(cursor: Cursor, numbers: Sequence[int] | None, by: str) -> Decided:
    """Let the stream go on past letters, and past all bad records that are in their partitions by now; None: every open letter.

    The records stay as dead letters, and their rows count for nothing until they are corrected.
    """
    everything = numbers is None
    if everything:
        cursor.execute(_LOCK_HALTED)
    decided, chosen = _begin(cursor, numbers, "accepted")
    _decide(cursor, decided, chosen, "accepted", by, None)
    cursor.execute(_GO_ON, (decided.done, everything))
    return decided


def discard(cursor: Cursor, numbers: Sequence[int] | None, by: str, reason: str) -> Decided:
    """Put letters aside for good; a partition that was halted for nothing else goes on.

    Raises:
        SettingsError: no reason is given, or one that is too long.
    """
    reason = reason.strip()
    if not reason:
        raise SettingsError("a discarded record needs a reason: whoever looks for its points later reads that")
    if len(reason) > REASON_CHARACTERS_MAX or "\0" in reason:
        raise SettingsError(f"a reason is a text of at most {REASON_CHARACTERS_MAX} characters")
    decided, chosen = _begin(cursor, numbers, "discarded")
    _decide(cursor, decided, chosen, "discarded", by, reason)
    _go_on_where_decided(cursor, decided.done)
    return decided


def ask_for_retry(cursor: Cursor, numbers: Sequence[int] | None, by: str) -> Decided:
    """Have the worker try letters again, at their true place; `find_letters` says how it came out."""
    decided, chosen = _begin(cursor, numbers, "retried")
    cursor.execute(_RETRY, (by, chosen))
    decided.done = [number for (number,) in cursor.fetchall()]
    return decided


def being_retried(cursor: Cursor, numbers: Sequence[int]) -> int:
    """Return how many of the letters the worker has not tried again yet."""
    cursor.execute(_WAITING, (list(numbers),))
    found = cursor.fetchone()
    return int(found[0]) if found else 0


def retried(cursor: Cursor, asked: Decided) -> Decided:
    """Return how letters came out that were to be tried again."""
    cursor.execute(
        "SELECT id, status, reason, left(detail, 300), retry_requested_at FROM dead_letters WHERE id = ANY(%s)",
        (asked.done,),
    )
    came_out = Decided(already=asked.already, superseded=list(asked.superseded), refused=dict(asked.refused))
    for number, status, reason, detail, waits_since in cursor.fetchall():
        if status == "retried":
            came_out.done.append(number)
        elif waits_since is not None:
            came_out.refused[number] = "no worker has tried it yet; `rewards status` says whether one runs"
        elif status == "open":
            came_out.refused[number] = f"it cannot be used still: {reason}: {detail}"
        elif status == "superseded":
            came_out.superseded.append(number)
        else:
            came_out.refused[number] = f"it is {status} by now"
    return came_out


def _begin(cursor: Cursor, numbers: Sequence[int] | None, wanted: Decision) -> tuple[Decided, list[int]]:
    """Lock what a decision touches; return which letters it can be made of, and why not of others."""
    numbers = open_letters(cursor) if numbers is None else list(numbers)
    cursor.execute(_LOCK, (numbers,))
    cursor.execute(_KNOWN, (numbers,))
    known = {row[0]: row[1:] for row in cursor.fetchall()}
    decided, chosen = Decided(), []
    for number in dict.fromkeys(numbers):
        if number not in known:
            decided.refused[number] = (
                "there is no such dead letter; `rewards dead-letters list --all` shows those that are there"
            )
            continue
        status, reason, without_bytes, topic, row_id = known[number]
        if status == wanted:
            decided.already.append(number)
        elif status == "superseded":
            decided.superseded.append(number)
        elif status != "open":
            decided.refused[number] = f"it is {status} already"
        elif wanted == "retried" and (why := _why_not_retried(topic, row_id, reason, without_bytes=without_bytes)):
            decided.refused[number] = why
        else:
            chosen.append(number)
    return decided, chosen


def _why_not_retried(topic: str, row_id: int | None, reason: str, *, without_bytes: bool) -> str | None:
    place = _TABLES.get(topic)
    if place is None:
        return "the scheduler sends it again by itself where it is still due; accept or discard it"
    if not without_bytes:
        return None
    database, table, column = place
    touch = " ".join(("UPDATE", table, "SET", column, "=", column, "WHERE", column, "=", str(row_id)))
    return f"its bytes were not kept ({reason}). The {database} sends its row again on `{touch}`"


def _decide(cursor: Cursor, decided: Decided, numbers: list[int], status: Decision, by: str, note: str | None) -> None:
    cursor.execute(_DECIDE, (status, by, note, numbers))
    decided.done = sorted(number for (number,) in cursor.fetchall())


def _go_on_where_decided(cursor: Cursor, numbers: Sequence[int]) -> None:
    cursor.execute("SELECT DISTINCT partition FROM dead_letters WHERE id = ANY(%s)", (list(numbers),))
    cursor.execute(GO_ON_WHERE_DECIDED, ([partition for (partition,) in cursor.fetchall()],))
