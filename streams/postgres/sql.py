"""The SQL of the sink, apart from the code that runs it (sink.py): prepared once a session, for a small batch is mostly planning.

Look-ups against the batch go by index: the sink's session has hash joins, merge joins and sequential scans off, since a plan that
reads all invoices costs more than a thousand changes, and one that was made while the tables were empty would.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement that is planned once a session."""

    name: str
    text: str
    types: tuple[str, ...] = ()
    """Of its parameters $1, $2 and so on."""

    @property
    def prepare(self) -> str:
        """What a session runs once."""
        types = f" ({', '.join(self.types)})" if self.types else ""
        return f"PREPARE {self.name}{types} AS {self.text}"

    @property
    def execute(self) -> str:
        """What psycopg2 runs with the parameters."""
        parameters = f" ({', '.join(f'%s::{type_}' for type_ in self.types)})" if self.types else ""
        return f"EXECUTE {self.name}{parameters}"


SESSION: Final = """
SET jit = off;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_seqscan = off;
SET TimeZone = 'UTC';
SET plan_cache_mode = force_generic_plan;
CREATE TEMPORARY TABLE incoming_invoices (
  id uuid, customer_master_id text, company text, system_name text, document text, transaction_id bigint, partition smallint,
  rows jsonb, oldest_snapshot_lsn bigint, oldest_lsn bigint, revision bigint, awaiting text, awaiting_cause jsonb, as_of date,
  terms_id bigint, reward_group_id bigint, reward bigint, penalties jsonb, points bigint, pending bigint, at_risk bigint, at_risk_on date,
  billed numeric, paid numeric, open numeric, due_on date, deadline_on date, settled_on date, next_evaluation_on date
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE incoming_entries (
  ordinal integer, invoice_id uuid, reward_group_id bigint, customer_master_id text, company text, document text, kind text,
  stage smallint, points_before bigint, points_after bigint, effective_on date, cause text, source_transaction text,
  committed_at timestamptz, facts jsonb, cause_data jsonb
) ON COMMIT DELETE ROWS;
"""

LIMITS: Final = """
SET idle_in_transaction_session_timeout = %(idle_ms_max)s;
SET lock_timeout = '60s';
SET statement_timeout = '300s';
"""
"""A worker that is stopped within its transaction holds the locks of its partitions: Postgres ends its session after a while, and it
does the batch again when it wakes. The limit of a statement is for one that is stopped in the middle of a COPY, which is not idle."""

LOCK_PARTITIONS: Final = Prepared(
    "lock_partitions",
    "SELECT FROM partition_progress WHERE partition = ANY($1) ORDER BY topic, partition FOR UPDATE",
    ("smallint[]",),
)

READ_CONTEXT: Final = Prepared(
    "read_context",
    """
SELECT p.topic, p.partition, p.snapshot_lsn, p.snapshot_offset, p.snapshot_done, p.next_offset, p.last_transaction,
  p.accept_bad_until, p.bad_records, p.halted_reason, EXISTS (SELECT 1 FROM dead_letters AS l
    WHERE l.topic = p.topic AND l.partition = p.partition AND l.status = 'open'),
  d.business_date, (SELECT max(id) FROM program_terms),
  retired.kind, retired.snapshot_lsn, retired.lsn, suspect.snapshot_lsn, suspect.lsn, memberships.snapshot_lsn, memberships.lsn,
  joining.snapshot_lsn, joining.lsn
FROM partition_progress AS p
CROSS JOIN business_day AS d
LEFT JOIN LATERAL (SELECT snapshot_lsn, lsn, kind FROM source_epochs WHERE topic = $2 AND ready_at IS NOT NULL
  ORDER BY 1 DESC, 2 DESC LIMIT 1) AS retired ON true
LEFT JOIN LATERAL (SELECT snapshot_lsn, lsn FROM source_epochs WHERE topic = $2 ORDER BY 1 DESC, 2 DESC LIMIT 1) AS suspect ON true
LEFT JOIN LATERAL (SELECT snapshot_lsn, lsn FROM source_epochs WHERE topic = $3 AND ready_at IS NOT NULL ORDER BY 1 DESC, 2 DESC
  LIMIT 1) AS memberships ON true
LEFT JOIN LATERAL (SELECT snapshot_lsn, lsn FROM source_epochs WHERE topic = $3 ORDER BY 1 DESC, 2 DESC LIMIT 1) AS joining ON true
WHERE p.partition = ANY($1)
""",
    ("smallint[]", "text", "text"),
)
"""A row a locked partition, with the same context. Not one statement with the lock: what it reads must be seen after that."""

_INVOICE_COLUMNS: Final = """
  i.id::text, i.customer_master_id, i.company, i.system_name, i.document, i.transaction_id, i.partition, i.rows::text, i.revision,
  i.awaiting_cause, i.as_of, i.terms_id, i.reward_group_id, i.reward, i.penalties, i.pending, i.at_risk, i.at_risk_on, i.billed, i.paid,
  i.open, i.due_on, i.deadline_on, i.settled_on, i.next_evaluation_on, i.oldest_snapshot_lsn, i.oldest_lsn
"""

READ_INVOICES: Final = Prepared(
    "read_invoices",
    f"""
SELECT {_INVOICE_COLUMNS} FROM unnest($1, $2) AS k (id, revision)
CROSS JOIN LATERAL (SELECT * FROM invoices WHERE invoices.id = k.id OFFSET 0) AS i
WHERE i.revision <> k.revision
""",  # noqa: S608 -- columns of ours
    ("uuid[]", "bigint[]"),
)

READ_INVOICES_OF: Final = Prepared(
    "read_invoices_of",
    f"""
SELECT {_INVOICE_COLUMNS} FROM invoices AS i WHERE i.customer_master_id = ANY($1)
""",  # noqa: S608 -- columns of ours
    ("text[]",),
)

READ_MEMBERSHIPS: Final = Prepared(
    "read_memberships",
    """
SELECT m.customer_master_id, m.rows, m.revision FROM unnest($1, $2) AS k (customer_master_id, revision)
CROSS JOIN LATERAL (SELECT * FROM memberships WHERE memberships.customer_master_id = k.customer_master_id OFFSET 0) AS m
WHERE m.revision <> k.revision
""",
    ("text[]", "bigint[]"),
)

COPY_INVOICES: Final = "COPY incoming_invoices FROM STDIN"
COPY_ENTRIES: Final = "COPY incoming_entries FROM STDIN"

_WRITTEN: Final = [
    "customer_master_id",
    "company",
    "system_name",
    "document",
    "transaction_id",
    "partition",
    "rows",
    "oldest_snapshot_lsn",
    "oldest_lsn",
    "revision",
    "awaiting",
    "awaiting_cause",
    "as_of",
    "terms_id",
    "reward_group_id",
    "reward",
    "penalties",
    "points",
    "pending",
    "at_risk",
    "at_risk_on",
    "billed",
    "paid",
    "open",
    "due_on",
    "deadline_on",
    "settled_on",
    "next_evaluation_on",
]

WRITE_INVOICES: Final = Prepared(
    "write_invoices",
    f"""
WITH written AS (
  INSERT INTO invoices (id, {", ".join(_WRITTEN)}) SELECT id, {", ".join(_WRITTEN)} FROM incoming_invoices
  ON CONFLICT (id) DO UPDATE SET {", ".join(f"{c} = EXCLUDED.{c}" for c in _WRITTEN)}, updated_at = now()
  WHERE invoices.revision = EXCLUDED.revision - 1
  RETURNING revision, xmax = 0 AS inserted
)
SELECT count(*) FILTER (WHERE NOT inserted OR revision = 1) FROM written
""",  # noqa: S608 -- columns of ours
)

WRITE_ENTRIES: Final = Prepared(
    "write_entries",
    """
INSERT INTO point_entries (invoice_id, reward_group_id, customer_master_id, company, document, kind, stage, points_before,
  points_after, delta, effective_on, cause, source_transaction, part, committed_at, facts, cause_data)
SELECT n.invoice_id, n.reward_group_id, n.customer_master_id, n.company, n.document, n.kind, n.stage, n.points_before,
  n.points_after, n.points_after - n.points_before, n.effective_on, n.cause, n.source_transaction,
  COALESCE(earlier.part + 1, 0), n.committed_at, n.facts, n.cause_data
FROM incoming_entries AS n
LEFT JOIN LATERAL (
  SELECT max(e.part) AS part FROM point_entries AS e
  WHERE e.invoice_id = n.invoice_id AND e.kind = n.kind AND e.stage = n.stage AND e.reward_group_id = n.reward_group_id
    AND e.source_transaction = n.source_transaction OFFSET 0) AS earlier ON true
ORDER BY n.ordinal
RETURNING id, part, recorded_at
""",
)

WRITE_CUSTOMER_POINTS: Final = Prepared(
    "write_customer_points",
    """
INSERT INTO customer_points AS c (customer_master_id, company, points, pending, at_risk)
SELECT * FROM unnest($1, $2, $3, $4, $5)
ON CONFLICT (customer_master_id, company) DO UPDATE SET points = c.points + EXCLUDED.points,
  pending = c.pending + EXCLUDED.pending, at_risk = c.at_risk + EXCLUDED.at_risk, updated_at = now()
""",
    ("text[]", "text[]", "bigint[]", "bigint[]", "bigint[]"),
)

WRITE_GROUP_TOTALS: Final = Prepared(
    "write_group_totals",
    """
INSERT INTO reward_group_totals AS g (reward_group_id, company, earned, pending)
SELECT * FROM unnest($1, $2, $3, $4) AS n (reward_group_id, company, earned, pending)
ORDER BY n.reward_group_id, n.company  -- two workers' batches may share a group: they lock its rows in the same order
ON CONFLICT (reward_group_id, company) DO UPDATE SET earned = g.earned + EXCLUDED.earned, pending = g.pending + EXCLUDED.pending
""",
    ("bigint[]", "text[]", "bigint[]", "bigint[]"),
)

WRITE_MEMBERSHIPS: Final = Prepared(
    "write_memberships",
    """
INSERT INTO memberships AS m
  (customer_master_id, rows, revision, oldest_snapshot_lsn, oldest_lsn, reward_group_id, enrolled_on)
SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (customer_master_id) DO UPDATE SET rows = EXCLUDED.rows, revision = EXCLUDED.revision,
  oldest_snapshot_lsn = EXCLUDED.oldest_snapshot_lsn, oldest_lsn = EXCLUDED.oldest_lsn,
  reward_group_id = EXCLUDED.reward_group_id, enrolled_on = EXCLUDED.enrolled_on
WHERE m.revision = EXCLUDED.revision - 1
""",
    ("text[]", "jsonb[]", "bigint[]", "bigint[]", "bigint[]", "bigint[]", "date[]"),
)

READ_TOTALS: Final = Prepared(
    "read_totals",
    """
SELECT c.customer_master_id, c.company, c.points, c.pending, c.at_risk FROM unnest($1) AS k (customer_master_id)
CROSS JOIN LATERAL (SELECT * FROM customer_points AS p WHERE p.customer_master_id = k.customer_master_id OFFSET 0) AS c
""",
    ("text[]",),
)

WRITE_PROGRESS: Final = Prepared(
    "write_progress",
    """
UPDATE partition_progress AS p SET snapshot_lsn = n.snapshot_lsn, snapshot_offset = n.snapshot_offset,
  snapshot_done = n.snapshot_done, next_offset = n.next_offset,
  last_transaction = n.last_transaction,
  mark = greatest(p.mark, n.mark),
  mark_snapshot_lsn = CASE WHEN n.mark > p.mark THEN n.mark_snapshot_lsn ELSE p.mark_snapshot_lsn END,
  mark_lsn = CASE WHEN n.mark > p.mark THEN n.mark_lsn ELSE p.mark_lsn END,
  marked_at = CASE WHEN n.mark > p.mark THEN n.marked_at ELSE p.marked_at END,
  reloaded_at = greatest(p.reloaded_at, n.reloaded_at), ignored_rows = p.ignored_rows + n.ignored_rows,
  bad_records = n.bad_records, halted_reason = n.halted_reason,
  halted_at = CASE WHEN n.halted_reason IS NOT NULL THEN COALESCE(p.halted_at, now()) END
FROM unnest($1, $2, $3, $4, $5, $6, $7, $8,
  $9, $10, $11, $12, $13, $14, $15) AS n (topic, partition, snapshot_lsn,
  snapshot_offset, snapshot_done, next_offset, last_transaction, mark, mark_snapshot_lsn, mark_lsn, marked_at, reloaded_at,
  ignored_rows, bad_records, halted_reason)
WHERE p.topic = n.topic AND p.partition = n.partition
""",
    (
        "text[]", "smallint[]", "bigint[]", "bigint[]", "boolean[]", "bigint[]", "text[]", "bigint[]", "bigint[]", "bigint[]",
        "timestamptz[]", "timestamptz[]", "bigint[]", "jsonb[]", "text[]",
    ),
)  # fmt: skip

WRITE_EPOCH: Final = """
INSERT INTO source_epochs (topic, snapshot_lsn, lsn, kind, happened_at) VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""

SEED_PROGRESS: Final = """
INSERT INTO partition_progress (topic, partition) SELECT t, p FROM unnest(%s::text[]) AS t, generate_series(0, %s - 1) AS p
ON CONFLICT DO NOTHING
"""

NOTIFY: Final = Prepared(
    "notify_changed", "SELECT pg_notify($1, payload) FROM unnest($2) AS payload", ("text", "text[]")
)

PREPARED: Final = (
    NOTIFY,
    LOCK_PARTITIONS,
    READ_CONTEXT,
    READ_INVOICES,
    READ_INVOICES_OF,
    READ_MEMBERSHIPS,
    WRITE_INVOICES,
    WRITE_ENTRIES,
    WRITE_CUSTOMER_POINTS,
    WRITE_GROUP_TOTALS,
    WRITE_MEMBERSHIPS,
    READ_TOTALS,
    WRITE_PROGRESS,
)
