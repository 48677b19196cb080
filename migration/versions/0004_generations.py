"""State belongs to a generation; causes are data; terms are versions; records, reloads and topics wait for a word; sources are checked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

RENAMED = (
    ("partition_progress", "generation", "snapshot_lsn"),
    ("partition_progress", "generation_offset", "snapshot_offset"),
    ("partition_progress", "mark_generation", "mark_snapshot_lsn"),
    ("source_epochs", "generation", "snapshot_lsn"),
    ("invoices", "oldest_generation", "oldest_snapshot_lsn"),
    ("memberships", "oldest_generation", "oldest_snapshot_lsn"),
)

ADDED = (
    ("invoices", sa.Column("terms_id", sa.BigInteger())),
    (
        "point_entries",
        sa.Column(
            "cause_data", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
    ),
    ("partition_progress", sa.Column("topic_id", sa.Text())),
    ("partition_progress", sa.Column("halted_at", sa.DateTime(timezone=True))),
    ("partition_progress", sa.Column("halted_reason", sa.Text())),
    ("partition_progress", sa.Column("accept_bad_until", sa.BigInteger(), server_default="0", nullable=False)),
    (
        "partition_progress",
        sa.Column(
            "bad_records",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
    ),
    ("source_epochs", sa.Column("missing", sa.BigInteger())),
    ("source_epochs", sa.Column("live", sa.BigInteger())),
    ("source_epochs", sa.Column("counted_at", sa.DateTime(timezone=True))),
    ("source_epochs", sa.Column("waits_for", sa.Text())),
    ("source_epochs", sa.Column("waits_until", sa.DateTime(timezone=True))),
    ("source_epochs", sa.Column("accepted_at", sa.DateTime(timezone=True))),
    ("source_epochs", sa.Column("accepted_by", sa.Text())),
    ("dead_letters", sa.Column("topic_id", sa.Text())),
    ("dead_letters", sa.Column("row_id", sa.BigInteger())),
    ("dead_letters", sa.Column("status", sa.Text(), server_default="open", nullable=False)),
    ("dead_letters", sa.Column("retry_requested_at", sa.DateTime(timezone=True))),
    ("dead_letters", sa.Column("attempts", sa.BigInteger(), server_default="1", nullable=False)),
    ("dead_letters", sa.Column("decided_at", sa.DateTime(timezone=True))),
    ("dead_letters", sa.Column("decided_by", sa.Text())),
    ("dead_letters", sa.Column("note", sa.Text())),
)

# Entries from before say what caused them in English alone: this is the one place that reads it.
CAUSES = r"""
UPDATE point_entries SET cause_data = CASE
  WHEN cause LIKE '% of the legacy program' THEN jsonb_build_object('kind', 'legacy')
  WHEN cause ~ '^day \d{4}-\d{2}-\d{2}$' THEN jsonb_build_object('kind', 'day', 'business_date', substr(cause, 5))
  WHEN cause LIKE 'reload after the truncate at %' THEN jsonb_build_object('kind', 'reload', 'lsn', substr(cause, 30))
  WHEN cause LIKE 'snapshot at %' THEN jsonb_build_object('kind', 'snapshot', 'lsn', substr(cause, 13))
  WHEN cause LIKE 'enrolment%' THEN jsonb_build_object('kind', 'enrolment', 'text', cause)
  WHEN cause ~ '^change of rows? ' THEN jsonb_build_object('kind', 'rows',
    'rows', to_jsonb(regexp_split_to_array(substring(cause FROM '^change of rows? ([0-9, -]+?)(?: and \d+ more)? at '), ', ')::bigint[]),
    'row_count', cardinality(regexp_split_to_array(substring(cause FROM '^change of rows? ([0-9, -]+?)(?: and \d+ more)? at '), ', '))
      + COALESCE(substring(cause FROM ' and (\d+) more at ')::bigint, 0),
    'lsn', substring(cause FROM ' at ([0-9A-F]+/[0-9A-F]+)$'))
  ELSE jsonb_build_object('kind', 'office') END
"""

# What waits to be evaluated bears its cause as the stream keeps it.
AWAITED = """
UPDATE invoices SET awaiting_cause = awaiting_cause - 'text' || jsonb_build_object(
  'kind', CASE WHEN awaiting_cause ->> 'text' LIKE 'enrolment%' THEN 'enrolment'
    WHEN awaiting_cause ->> 'text' IS NULL THEN 'rows' ELSE 'transaction' END,
  'details', CASE WHEN awaiting_cause ->> 'text' IS NULL THEN '{}'::jsonb
    ELSE jsonb_build_object('text', awaiting_cause ->> 'text') END)
WHERE awaiting_cause IS NOT NULL
"""

# One number stands for all terms and rates: a new rate makes a new version, and what an invoice was evaluated under is told by it.
VERSIONS = """
CREATE FUNCTION rewards_terms_are_versions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% of % is refused: what was evaluated under it would no longer say so', TG_OP, TG_TABLE_NAME
    USING HINT = 'Insert another row: of rates one with its effective_on, of program_terms one with all settings; the latest counts.';
END $$;
CREATE TRIGGER versions_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON rates
  FOR EACH STATEMENT EXECUTE FUNCTION rewards_terms_are_versions();
CREATE TRIGGER versions_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON program_terms
  FOR EACH STATEMENT EXECUTE FUNCTION rewards_terms_are_versions();
CREATE FUNCTION rewards_rates_make_a_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO program_terms (penalty_scheme, settings) SELECT penalty_scheme, settings FROM program_terms ORDER BY id DESC LIMIT 1;
  RETURN NULL;
END $$;
CREATE TRIGGER make_a_version AFTER INSERT ON rates FOR EACH STATEMENT EXECUTE FUNCTION rewards_rates_make_a_version();
"""


def upgrade() -> None:
    for table, old, new in RENAMED:
        op.alter_column(table, old, new_column_name=new)
    for table, column in ADDED:
        op.add_column(table, column)
    op.drop_constraint(op.f("uq_dead_letters_topic_partition_offset"), "dead_letters", type_="unique")
    op.create_unique_constraint(
        op.f("uq_dead_letters_topic_topic_id_partition_offset"),
        "dead_letters",
        ["topic", "topic_id", "partition", "offset"],
        postgresql_nulls_not_distinct=True,
    )
    op.create_check_constraint(
        op.f("ck_dead_letters_status"),
        "dead_letters",
        "status IN ('open', 'accepted', 'retried', 'discarded', 'superseded')",
    )
    op.create_index(
        "ix_dead_letters_open",
        "dead_letters",
        ["topic", "partition", "row_id"],
        postgresql_where=sa.text("status = 'open'"),
    )
    op.create_index(
        "ix_dead_letters_retry", "dead_letters", ["id"], postgresql_where=sa.text("retry_requested_at IS NOT NULL")
    )
    op.create_index("ix_memberships_oldest_position", "memberships", ["oldest_snapshot_lsn", "oldest_lsn"])
    op.create_table(
        "source_checks",
        sa.Column("id", sa.SmallInteger(), server_default="1", autoincrement=False, nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stale_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_source_checks_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source_checks")),
    )
    op.create_table(
        "source_findings",
        sa.Column("number", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("connector", sa.Text()),
        sa.Column("topic", sa.Text()),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("remedy", sa.Text(), nullable=False),
        sa.Column("hides_others", sa.Boolean(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_source_findings")),
    )
    op.execute(CAUSES)
    op.execute(AWAITED)
    op.execute(VERSIONS)
