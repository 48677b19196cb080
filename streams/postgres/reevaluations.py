"""What is due by time: the business date, what a reload left to retire, and the invoices that wait for either. Read in Postgres.

Place on the data's way: worker/scheduler.py asks and sends what it finds through Kafka; `rewards wait` asks whether anything is left.
Every question goes by an index; none reads all invoices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from streams.postgres.epochs import open_epochs
from streams.state.causes import RELOAD, SNAPSHOT
from streams.state.changes import Reevaluation
from streams.state.positions import lsn_text
from streams.topics import INVOICES, MEMBERSHIPS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from psycopg2.extensions import cursor as Cursor  # noqa: N812

SESSION: Final = "SET jit = off; SET enable_seqscan = off"
"""For a session that asks again and again: a plan that reads all invoices, made before statistics knew better, would cost seconds."""
PASS_MAX: Final = 20_000
"""Invoices found at once, so that a day on which very many are due does not fill the memory."""

_BY_DATE: Final = """
SELECT i.customer_master_id, i.id::text, 'day', d.business_date::text FROM business_day AS d
CROSS JOIN LATERAL (SELECT customer_master_id, id FROM invoices WHERE next_evaluation_on <= d.business_date AND awaiting IS NULL
  ORDER BY next_evaluation_on LIMIT %(limit)s OFFSET 0) AS i
"""

# An invoice awaits the rest of a transaction that was too large for one batch (complete, once the partition has moved on), or a
# reload that left rows of it in doubt (not due before its end).
_COMPLETE: Final = """
SELECT i.customer_master_id, i.id::text, 'transaction', i.awaiting FROM partition_progress AS p
JOIN invoices AS i ON i.partition = p.partition AND i.awaiting IS NOT NULL
WHERE p.topic = %(invoices)s AND i.awaiting IS DISTINCT FROM p.last_transaction AND NOT EXISTS (
  SELECT 1 FROM source_epochs AS e WHERE e.topic = p.topic AND e.ready_at IS NULL AND e.closed_at IS NULL
    AND (i.oldest_snapshot_lsn, i.oldest_lsn) < (e.snapshot_lsn, e.lsn))
LIMIT %(limit)s
"""

# More of a transaction that is too large for one batch may come: its invoices cannot be evaluated yet, whatever is gone of them.
_GONE: Final = """
SELECT i.customer_master_id, i.id::text, e.kind, COALESCE(NULLIF(e.lsn, 0), e.snapshot_lsn) FROM source_epochs AS e
CROSS JOIN LATERAL (SELECT customer_master_id, id FROM invoices AS i
  WHERE (oldest_snapshot_lsn, oldest_lsn) < (e.snapshot_lsn, e.lsn) AND NOT EXISTS (SELECT 1 FROM partition_progress AS p
    WHERE p.topic = e.topic AND p.partition = i.partition AND p.last_transaction = i.awaiting)
  ORDER BY oldest_snapshot_lsn, oldest_lsn LIMIT %(limit)s OFFSET 0) AS i
WHERE e.topic = %(invoices)s AND e.ready_at IS NOT NULL AND e.closed_at IS NULL LIMIT %(limit)s
"""

_GONE_MEMBERSHIPS: Final = """
SELECT m.customer_master_id, NULL, e.kind, COALESCE(NULLIF(e.lsn, 0), e.snapshot_lsn) FROM source_epochs AS e
CROSS JOIN LATERAL (SELECT customer_master_id FROM memberships WHERE (oldest_snapshot_lsn, oldest_lsn) < (e.snapshot_lsn, e.lsn)
  ORDER BY oldest_snapshot_lsn, oldest_lsn LIMIT %(limit)s OFFSET 0) AS m
WHERE e.topic = %(memberships)s AND e.ready_at IS NOT NULL AND e.closed_at IS NULL LIMIT %(limit)s
"""

_NAMES: Final = {"invoices": INVOICES.name, "memberships": MEMBERSHIPS.name}


def open_day(cursor: Cursor, timezone: str) -> None:
    """Open the next business date where the zone's date has come by Postgres' clock, unless the date is moved by hand.

    A date is not taken back, so one clock decides, and not that of a worker's machine that may be wrong.
    """
    cursor.execute("SELECT now(), business_date FROM business_day WHERE NOT manual")
    for now, stands in cursor.fetchall():
        today = now.astimezone(ZoneInfo(timezone)).date()
        if today > stands:
            cursor.execute(
                "UPDATE business_day SET business_date = %s, opened_at = now() WHERE NOT manual AND business_date < %s",
                (today, today),
            )


def find_reevaluations(cursor: Cursor, limit: int = PASS_MAX) -> list[Reevaluation]:
    """Return what must be evaluated again, each once; what is gone of an invoice is said first, for that is the cause then."""
    found: dict[tuple[str, object], Reevaluation] = {}
    for question in (_GONE, _GONE_MEMBERSHIPS):
        cursor.execute(question, {**_NAMES, "limit": limit})
        for customer, number, kind, lsn in cursor.fetchall():
            cause = RELOAD if kind == "truncate" else SNAPSHOT
            found.setdefault((customer, number), Reevaluation(customer, number, cause, lsn_text(lsn)))
    for question in (_BY_DATE, _COMPLETE):
        cursor.execute(question, {**_NAMES, "limit": limit})
        for row in cursor.fetchall():
            found.setdefault((row[0], row[1]), Reevaluation(*row))
    return list(found.values())


def find_unfinished(cursor: Cursor) -> list[str]:
    """Return, in words, what the stream still has to do by time; empty when nothing is left."""
    if epochs := open_epochs(cursor):
        # What waits for them is found by reading all that waits: not several times a second.
        return [epoch.sentence + (f" ({epoch.remedy})" if epoch.remedy else "") for epoch in epochs]
    unfinished = []
    if due := find_reevaluations(cursor, limit=1):
        unfinished.append(f"an invoice is to be evaluated again ({due[0].kind} {due[0].of})")
    cursor.execute("SELECT 1 FROM dead_letters WHERE retry_requested_at IS NOT NULL AND status = 'open' LIMIT 1")
    if cursor.fetchone():
        unfinished.append("a dead letter is to be tried again")
    cursor.execute("SELECT 1 FROM invoices WHERE awaiting IS NOT NULL LIMIT 1")
    if cursor.fetchone():
        unfinished.append("an invoice awaits the rest of its source transaction")
    return unfinished


def reevaluation_offsets(cursor: Cursor, topic: str) -> Mapping[int, int]:
    """Return how far the topic of reevaluations is worked off: partition -> next offset."""
    cursor.execute("SELECT partition, next_offset FROM partition_progress WHERE topic = %s", (topic,))
    return dict(cursor.fetchall())
