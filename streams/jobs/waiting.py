"""`rewards wait`: knows that everything committed to the warehouse before it was called stands in `sunroc_rewards`.

It writes a watermark into both captured databases and waits until every partition has passed it: a watermark shares its partition's
order with the changes. Then nothing may be left to do by time (a day that was opened, a reload's end). A watermark proves its own
table's way alone, so that what is captured must have been seen to be sound as well: whoever composes the command brings that check.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from streams.errors import TransientError
from streams.postgres.halts import find_halted
from streams.postgres.reevaluations import find_unfinished
from streams.postgres.session import connect, faults
from streams.topics import INVOICES, MEMBERSHIPS, PARTITIONS

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812

POLL_SECONDS: Final = 0.02
QUIET_POLLS: Final = 2
"""Nothing left to do must hold twice: between a reload's end and its first evaluation there is a moment without either."""

# All rows bear one number, so that each partition can be asked for it.
_MARK: Final = """
WITH next AS MATERIALIZED (SELECT nextval('public.rewards_watermark_marks') AS mark)
UPDATE public.rewards_watermarks AS w SET mark = next.mark, marked_at = clock_timestamp() FROM next RETURNING next.mark
"""


SOUND_POLL_SECONDS: Final = 0.25
HALTED_SECONDS: Final = 5.0
"""A halted partition may go on by itself where its rows' later versions are on the way; after so long only a person helps."""


class SourceFault(NamedTuple):
    """Something that is wrong with what is captured, or could not be seen."""

    text: str
    """What, and the command that leads out."""
    lasting: bool
    """Changes are missing or may be: waiting brings them not."""


class NotCaughtUpError(TransientError):
    """Not everything stands in `sunroc_rewards` in time; the text says what is missing."""


def wait_until_caught_up(
    warehouse_url: str,
    database_url: str,
    timeout_seconds: float,
    topic_faults: Callable[[], list[SourceFault]],
    source_faults: Callable[[], list[SourceFault]],
) -> float:
    """Return the seconds that it took.

    Args:
        warehouse_url: the warehouse, as a role that may write a watermark.
        database_url: `sunroc_rewards`.
        timeout_seconds: how long to wait.
        topic_faults: says which topics are not the ones that were read, or lost records: nothing comes through before a person's word.
        source_faults: looks at what is captured.

    Raises:
        NotCaughtUpError: it did not in time, or what is captured is not sound, so that nobody can know.
        TransientError: a database does not answer.
    """
    started = time.monotonic()
    _require_topics(topic_faults())
    marks = {INVOICES.name: _mark(warehouse_url), MEMBERSHIPS.name: _mark(database_url)}
    connection = connect(database_url, name="rewards wait")
    try:
        connection.autocommit = True
        quiet, halted_since = 0, None
        while True:
            missing, halted = _missing(connection, marks)
            halted_since = (halted_since or time.monotonic()) if halted else None
            quiet = 0 if missing else quiet + 1
            late = time.monotonic() - started > timeout_seconds
            if quiet >= QUIET_POLLS:
                faults_seen = topic_faults() + source_faults()
                if not faults_seen:
                    return time.monotonic() - started
                if late or any(fault.lasting for fault in faults_seen):
                    raise NotCaughtUpError(f"what was captured is worked off, but {_said(faults_seen)}")
                time.sleep(SOUND_POLL_SECONDS)
            elif halted_since is not None and time.monotonic() - halted_since > HALTED_SECONDS:
                raise NotCaughtUpError(f"not caught up, and waiting does not help: {'; '.join(halted)}")
            elif missing and late:
                missing += [fault.text for fault in topic_faults() + source_faults()]
                raise NotCaughtUpError(f"not caught up after {timeout_seconds:g} s: {'; '.join(missing)}")
            time.sleep(POLL_SECONDS)
    finally:
        connection.close()


def _require_topics(faults_seen: list[SourceFault]) -> None:
    """Wait for nothing that cannot come; what could not be seen may come yet."""
    lasting = [fault for fault in faults_seen if fault.lasting]
    if lasting:
        raise NotCaughtUpError(_said(lasting))


def _said(faults_seen: list[SourceFault]) -> str:
    return "; ".join(fault.text for fault in faults_seen)


def _mark(url: str) -> int:
    connection = connect(url, name="rewards wait")
    try:
        with faults(), connection, connection.cursor() as cursor:
            cursor.execute(_MARK)
            found = cursor.fetchall()
    finally:
        connection.close()
    if len(found) < PARTITIONS:
        raise TransientError("rewards_watermarks is not set up for every partition yet; run `rewards connectors apply`")
    return int(found[0][0])


def _missing(connection: Connection, marks: dict[str, int]) -> tuple[list[str], list[str]]:
    """Return, in words, what has not come, and which partitions wait for a person."""
    with faults(), connection.cursor() as cursor:
        halted = [one.sentence for one in find_halted(cursor)]
        missing = list(halted)
        for topic, mark in marks.items():
            cursor.execute(
                "SELECT count(*) FILTER (WHERE mark >= %s), max(marked_at) FROM partition_progress WHERE topic = %s",
                (mark, topic),
            )
            found = cursor.fetchone()
            passed, marked_at = found or (0, None)
            if passed < PARTITIONS:
                seen = (
                    f"the last change seen is of {marked_at:%Y-%m-%d %H:%M:%S %Z}"
                    if marked_at
                    else "nothing has been seen yet"
                )
                missing.append(
                    f"{PARTITIONS - passed} of {PARTITIONS} partitions of {topic} have not come so far ({seen})"
                )
        return missing or find_unfinished(cursor), halted
