"""Writes invoices into the warehouse by plain SQL, and reads points back, for tests on the stack."""

from __future__ import annotations

import datetime as dt
import itertools
from decimal import Decimal
from typing import Any

from psycopg2.extras import execute_values

from tests.stack import Stack

_numbers = itertools.count(1_000_000)

COLUMNS = (
    "transaction_id", "transaction_date", "transaction_type_rewards_invoice", "transaction_type_rewards_payment",
    "transaction_description", "transaction_amount", "transaction_retainage", "transaction_due_date", "customer_master_id",
    "company_abbreviation", "name", "system_name", "product_line_name", "customer_name",
)  # fmt: skip


def row(customer: str, document: str | None, on: dt.date, amount: str, **columns: Any) -> dict[str, Any]:
    """A row of an invoice, or of a payment with `payment=True`."""
    payment = columns.pop("payment", False)
    return {
        "transaction_id": next(_numbers),
        "transaction_date": on,
        "transaction_type_rewards_invoice": not payment,
        "transaction_type_rewards_payment": payment,
        "transaction_description": document,
        "transaction_amount": Decimal(amount),
        "transaction_retainage": 0,
        "transaction_due_date": None,
        "customer_master_id": customer,
        "company_abbreviation": "SBM",
        "name": "Sunroc Building Materials, Inc.",
        "system_name": "BisTrack",
        "product_line_name": "Lumber",
        "customer_name": "A customer",
        **columns,
    }


def insert(stack: Stack, *rows: dict[str, Any]) -> list[int]:
    """Insert rows in one transaction; return their transaction ids."""
    with stack.cursor("warehouse") as cursor:
        insert_with(cursor, *rows)
    return [row["transaction_id"] for row in rows]


def insert_with(cursor: Any, *rows: dict[str, Any]) -> None:
    values = [tuple(row[column] for column in COLUMNS) for row in rows]
    execute_values(cursor, f"INSERT INTO invoice_transactions ({', '.join(COLUMNS)}) VALUES %s", values)


def execute(stack: Stack, database: str, statement: str, *values: Any) -> None:
    with stack.cursor(database) as cursor:
        cursor.execute(statement, values)


def query(stack: Stack, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Rows of sunroc_rewards."""
    with stack.cursor("rewards") as cursor:
        cursor.execute(statement, values)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def enrol(stack: Stack, customer: str, enrolled: dt.date = dt.date(2011, 1, 15)) -> int:
    """Enrol a customer in a reward group of its own; return the group's id."""
    with stack.cursor("rewards") as cursor:
        cursor.execute("INSERT INTO reward_groups (name) VALUES (%s) RETURNING id", (f"Group of {customer}",))
        group: int = cursor.fetchone()[0]
        cursor.execute(
            "INSERT INTO customers_reward_groups (customer_master_id, reward_group_id, enrolled_at) VALUES (%s, %s, %s)",
            (customer, group, enrolled),
        )
    return group


def points(stack: Stack, customer: str) -> dict[str, tuple[int, int]]:
    """company -> (points, pending), after everything committed so far has come through."""
    stack.wait()
    return {company: (points, pending) for company, points, pending in query(
        stack, "SELECT company, points, pending FROM customer_points WHERE customer_master_id = %s", customer)}  # fmt: skip


def log(stack: Stack, customer: str) -> list[tuple[Any, ...]]:
    """(kind, stage, before, after, cause) of the customer's entries, oldest first."""
    return query(
        stack,
        "SELECT kind, stage, points_before, points_after, cause FROM point_entries WHERE customer_master_id = %s ORDER BY id",
        customer,
    )
