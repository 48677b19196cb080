"""The balance view, what each role may do, what is captured, and the program's default terms."""

from __future__ import annotations

import json
from typing import Final

import sqlalchemy as sa
from alembic import op

from streams.calculator.terms import DEFAULT_TERMS

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# The roles themselves come with the server (connectors/local, docker/), for they need passwords.
APPLICATION: Final = "rewards_app"
CAPTURE: Final = "debezium"

VIEW: Final = """
CREATE VIEW reward_group_balances AS
SELECT g.id AS reward_group_id,
  f.balance::bigint AS balance,
  CASE WHEN g.status = 'open'
    THEN greatest(0, least(f.balance, f.redeem_factor * f.earned_of_company - f.redeemed))::bigint ELSE 0 END AS redeemable,
  f.pending::bigint AS pending
FROM reward_groups AS g
CROSS JOIN LATERAL (SELECT settings FROM program_terms ORDER BY id DESC LIMIT 1) AS terms
CROSS JOIN LATERAL (
  SELECT coalesce(sum(earned), 0) AS earned, coalesce(sum(pending), 0) AS pending,
    coalesce(sum(earned) FILTER (WHERE company = terms.settings ->> 'redeem_company'), 0) AS earned_of_company
  FROM reward_group_totals AS t WHERE t.reward_group_id = g.id) AS invoices
CROSS JOIN LATERAL (
  SELECT coalesce(sum(delta), 0) AS delta, coalesce(-sum(delta) FILTER (WHERE kind = 'redemption'), 0) AS redeemed
  FROM point_entries AS e WHERE e.reward_group_id = g.id AND e.kind NOT IN ('reward', 'penalty')) AS office
CROSS JOIN LATERAL (
  SELECT invoices.earned + office.delta AS balance, invoices.pending, invoices.earned_of_company, office.redeemed,
    (terms.settings ->> 'redeem_factor')::bigint AS redeem_factor) AS f
"""


def upgrade() -> None:
    op.execute("CREATE SEQUENCE rewards_watermark_marks")
    op.execute(VIEW)
    for table in ("customers_reward_groups", "rewards_watermarks"):
        op.execute(f"ALTER TABLE {table} REPLICA IDENTITY FULL")
    op.execute("CREATE PUBLICATION rewards_memberships FOR TABLE customers_reward_groups, rewards_watermarks")
    _grant()
    _default_terms()


def _grant() -> None:
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {APPLICATION}")
    op.execute(f"GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA public TO {APPLICATION}")
    op.execute(
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {APPLICATION}"
    )
    op.execute(f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO {APPLICATION}")
    # The log is append-only for whoever the application is.
    op.execute(f"REVOKE UPDATE, DELETE ON point_entries FROM {APPLICATION}")
    op.execute(f"REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM {APPLICATION}")
    op.execute(f"GRANT SELECT ON customers_reward_groups, rewards_watermarks TO {CAPTURE}")
    op.execute(f"GRANT UPDATE ON rewards_watermarks TO {CAPTURE}")
    op.execute(f"GRANT USAGE ON SEQUENCE rewards_watermark_marks TO {CAPTURE}")


def _default_terms() -> None:
    settings = DEFAULT_TERMS.to_settings()
    scheme = settings.pop("penalty_scheme")
    connection = op.get_bind()
    connection.execute(
        sa.text("INSERT INTO program_terms (penalty_scheme, settings) VALUES (:scheme, CAST(:settings AS jsonb))"),
        {"scheme": scheme, "settings": json.dumps(settings)},
    )
    for rate in DEFAULT_TERMS.rates:
        connection.execute(
            sa.text(
                "INSERT INTO rates (company, product_line, points_per_dollar, effective_on) VALUES (:company, :line, :points, :on)"
            ),
            {
                "company": rate.company,
                "line": rate.product_line,
                "points": rate.points_per_dollar,
                "on": rate.effective_on,
            },
        )
    connection.execute(
        sa.text("INSERT INTO business_day (business_date) VALUES ((now() AT TIME ZONE :zone)::date)"),
        {"zone": DEFAULT_TERMS.timezone},
    )


def downgrade() -> None:
    op.execute("DROP PUBLICATION rewards_memberships")
    op.execute("DROP VIEW reward_group_balances")
    op.execute("DROP SEQUENCE rewards_watermark_marks")
    for table in ("business_day", "rates", "program_terms"):
        op.execute(f"DELETE FROM {table}")
