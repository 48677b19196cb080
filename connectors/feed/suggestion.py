"""What to try on a stack with sample data: a row of the warehouse whose change shows on a sample login's page. Writes nothing."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any, Final

import psycopg2

from connectors.feed.catalog import SAMPLE_CUSTOMERS

CUSTOMER: Final = SAMPLE_CUSTOMERS[0][0]
DOLLARS: Final = 100
POLL_SECONDS: Final = 0.5
SETTLED: Final = """
    SELECT max(transaction_id) FILTER (WHERE transaction_type_rewards_invoice AND transaction_amount >= 3 * %(dollars)s)
    FROM invoice_transactions
    WHERE customer_master_id = %(customer)s AND transaction_description IS NOT NULL
    GROUP BY company_abbreviation, system_name, transaction_description
    HAVING bool_and(transaction_date <= %(today)s AND product_line_name <> 'Construction')
        AND max(transaction_date) <= min(transaction_due_date)
        AND sum(CASE WHEN transaction_type_rewards_invoice THEN transaction_amount - coalesce(transaction_retainage, 0)
            WHEN transaction_type_rewards_payment THEN transaction_amount END) = 0
    ORDER BY 1 DESC NULLS LAST LIMIT 1
"""
"""A line of an invoice that was paid in time, on which a dollar is a point: with less to pay it stays paid."""


def settled_line(warehouse_url: str, today: dt.date, wait_seconds: float) -> int | None:
    """The `transaction_id` of a line of CUSTOMER's that DOLLARS can be taken off; None where there is none.

    Args:
        warehouse_url: of the stack.
        today: the business date.
        wait_seconds: so long a feed that has only just begun is waited for.

    """
    deadline = time.monotonic() + wait_seconds
    try:
        connection = psycopg2.connect(warehouse_url, connect_timeout=5)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                while True:
                    cursor.execute(SETTLED, {"dollars": DOLLARS, "customer": CUSTOMER, "today": today})
                    found: Any = cursor.fetchone()
                    if (found and found[0] is not None) or time.monotonic() > deadline:
                        return found[0] if found else None
                    time.sleep(POLL_SECONDS)
        finally:
            connection.close()
    except psycopg2.Error:
        return None


def command(line: int) -> str:
    """What takes DOLLARS off a line, as `rewards` is told it."""
    change = f"SET transaction_amount = transaction_amount - {DOLLARS} WHERE transaction_id = {line}"
    return f'psql warehouse -c "UPDATE invoice_transactions {change}"'
