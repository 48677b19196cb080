"""State belongs to a generation: a snapshot's LSN is called so, and no longer a generation."""

from __future__ import annotations

from alembic import op

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


def upgrade() -> None:
    for table, old, new in RENAMED:
        op.alter_column(table, old, new_column_name=new)
