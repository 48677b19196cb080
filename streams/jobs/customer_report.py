"""`rewards points`: what a customer has, and the log that explains it. Reads what the sink wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from psycopg2.extras import RealDictCursor

from streams.postgres.session import connect, faults

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812

_MEMBERSHIP: Final = """
SELECT m.reward_group_id, m.enrolled_on, g.name AS reward_group, g.status FROM memberships AS m
LEFT JOIN reward_groups AS g ON g.id = m.reward_group_id WHERE m.customer_master_id = %(customer)s AND m.reward_group_id IS NOT NULL
"""
_TOTALS: Final = """
SELECT company, points, pending, at_risk FROM customer_points WHERE customer_master_id = %(customer)s ORDER BY company
"""
_PENDING: Final = """
SELECT company, document, pending, deadline_on AS pay_by FROM invoices
WHERE customer_master_id = %(customer)s AND pending <> 0 ORDER BY deadline_on, company, document
"""
_AT_RISK: Final = """
SELECT company, document, at_risk, at_risk_on FROM invoices
WHERE customer_master_id = %(customer)s AND at_risk <> 0 ORDER BY at_risk_on, company, document
"""
_LOG: Final = """
SELECT id, company, document, kind, stage, points_before, points_after, delta, effective_on, recorded_at, cause, source_transaction,
  committed_at, facts FROM point_entries WHERE customer_master_id = %(customer)s ORDER BY id DESC LIMIT %(limit)s
"""


def customer_report(database_url: str, customer: str, *, log_limit: int) -> dict[str, Any]:
    """Return totals a company, what is pending and at risk, and the newest entries of the log."""
    connection = connect(database_url, name="rewards points")
    try:
        with faults(), connection:
            values = {"customer": customer, "limit": log_limit}
            membership, totals, pending, at_risk, log = (
                _rows(connection, question, values) for question in (_MEMBERSHIP, _TOTALS, _PENDING, _AT_RISK, _LOG)
            )
    finally:
        connection.close()
    return {
        "customer_master_id": customer,
        "membership": membership[0] if membership else None,
        "points": sum(row["points"] for row in totals),
        "pending": sum(row["pending"] for row in totals),
        "at_risk": sum(row["at_risk"] for row in totals),
        "companies": totals,
        "pending_invoices": pending,
        "at_risk_invoices": at_risk,
        "log": log,
    }


def _rows(connection: Connection, question: str, values: dict[str, object]) -> list[dict[str, Any]]:
    with connection.cursor(cursor_factory=RealDictCursor) as cursor:
        cursor.execute(question, values)
        return [dict(row) for row in cursor.fetchall()]
