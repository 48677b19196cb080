"""Texts of any length in the warehouse, through Debezium, Kafka and the worker: they stop nobody's points."""

from __future__ import annotations

import datetime as dt
import json
import secrets

from tests.integration.invoices import enrol, execute, insert, points, row
from tests.stack import Stack

BILLED = dt.date(2026, 1, 5)
DUE = dt.date(2026, 2, 25)
MEGABYTE = 1_100_000


def test_large_text_in_any_column_does_not_keep_others_from_their_points(stack: Stack) -> None:
    enrol(stack, "C-beside")
    # Without the index that bounds a customer's id: a warehouse of one's own may have none.
    execute(stack, "warehouse", "DROP INDEX ix_invoice_transactions_customer_master_id")
    columns = {
        "transaction_contract": 5 * MEGABYTE,
        **dict.fromkeys(("transaction_description", "customer_id", "customer_name", "customer_master_id"), MEGABYTE),
        **dict.fromkeys(("company_abbreviation", "name", "system_name", "product_line_name"), MEGABYTE),
    }
    expected = 0
    for column, size in columns.items():
        # Half of it can be packed, so that what the worker makes of it fits into its indexes, too.
        text = "x" * (size // 2) + secrets.token_hex(size // 4)
        (large,) = insert(stack, row("C-large-text", f"L-{column}", BILLED, "5.00", **{column: text}))
        insert(stack, row("C-beside", f"D-{column}", BILLED, "-3.00", transaction_due_date=DUE))
        execute(
            stack,
            "warehouse",
            f"UPDATE invoice_transactions SET {column} = %s || 'y' WHERE transaction_id = %s",
            text,
            large,
        )
        execute(
            stack,
            "warehouse",
            "UPDATE invoice_transactions SET transaction_amount = 6 WHERE transaction_id = %s",
            large,
        )
        execute(stack, "warehouse", "DELETE FROM invoice_transactions WHERE transaction_id = %s", large)
        expected -= 3

        assert points(stack, "C-beside") == {"SBM": (expected, 0)}, column

    execute(
        stack,
        "warehouse",
        "CREATE INDEX ix_invoice_transactions_customer_master_id ON public.invoice_transactions (customer_master_id)",
    )
    connectors = json.loads(stack.command("connectors", "status", "--json").stdout)
    assert [(one["state"], one["tasks"]) for one in connectors] == [("RUNNING", ["RUNNING"])] * 2
    assert "RecordTooLarge" not in (stack.folder / "logs" / "connect.log").read_text()
