"""What each run of the migration moved is known to the next one; the keys of its report can be changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "migration_rows",
        sa.Column("table_name", sa.Text(), nullable=False, comment="The new table."),
        sa.Column("key", sa.Text(), nullable=False, comment="The row's key in it, as text."),
        sa.Column(
            "digest",
            sa.BigInteger(),
            nullable=False,
            comment="Of the values that the run gave it (migration/changes.py).",
        ),
        sa.Column(
            "added",
            sa.Boolean(),
            nullable=False,
            comment="Whether a run has put it there: others stood there already.",
        ),
    )
    # Written by the owner's own commands. `rewards encryption rotate` works as the application.
    op.execute("REVOKE INSERT, UPDATE, DELETE ON migration_rows FROM rewards_app")
    op.execute("GRANT UPDATE (old) ON migration_findings TO rewards_app")
    op.execute("GRANT UPDATE (content) ON migration_rejects TO rewards_app")


def downgrade() -> None:
    op.execute("REVOKE UPDATE (old) ON migration_findings FROM rewards_app")
    op.execute("REVOKE UPDATE (content) ON migration_rejects FROM rewards_app")
    op.drop_table("migration_rows")
