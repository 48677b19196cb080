"""What each run of the migration moved is known to the next one; the keys of its report can be changed."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

VIEW: Final = """
CREATE VIEW migration_rows AS SELECT b.table_name, r.key, r.digest, b.added
FROM migration_row_blocks AS b CROSS JOIN LATERAL unnest(b.keys, b.digests) AS r (key, digest)
"""
"""A row for each row that was migrated."""


def upgrade() -> None:
    op.create_table(
        "migration_row_blocks",
        sa.Column("table_name", sa.Text(), nullable=False, comment="The new table."),
        sa.Column(
            "added",
            sa.Boolean(),
            nullable=False,
            comment="Whether a run has put the rows there: others stood there already.",
        ),
        sa.Column("keys", postgresql.ARRAY(sa.Text()), nullable=False, comment="The rows' keys in it, as text."),
        sa.Column(
            "digests",
            postgresql.ARRAY(sa.BigInteger()),
            nullable=False,
            comment="Of the values that the run gave each (migration/changes.py).",
        ),
    )
    op.execute(VIEW)
    # Written by the owner's own commands. `rewards encryption rotate` works as the application.
    op.execute("REVOKE INSERT, UPDATE, DELETE ON migration_row_blocks, migration_rows FROM rewards_app")
    op.execute("GRANT UPDATE (old) ON migration_findings TO rewards_app")
    op.execute("GRANT UPDATE (content) ON migration_rejects TO rewards_app")


def downgrade() -> None:
    op.execute("REVOKE UPDATE (old) ON migration_findings FROM rewards_app")
    op.execute("REVOKE UPDATE (content) ON migration_rejects FROM rewards_app")
    op.execute("DROP VIEW migration_rows")
    op.drop_table("migration_row_blocks")
