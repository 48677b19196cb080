"""Computes all points from the warehouse's rows as they stand, by the oracle, and compares with what stands in `sunroc_rewards`.

Shares no code with the stream but the shapes of facts and terms: another reading of program-terms.md.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from decimal import Decimal
from typing import Any

import psycopg2

from streams.calculator.facts import InvoiceRow, Membership
from streams.calculator.terms import Terms
from streams.postgres.terms import read_terms
from tests.properties import oracle

ROWS = """
SELECT transaction_id, transaction_date, transaction_type_rewards_invoice AS is_invoice, transaction_type_rewards_payment AS is_payment,
  transaction_description AS description, transaction_amount AS amount, transaction_retainage AS retainage,
  transaction_due_date AS due_on, customer_master_id AS customer, company_abbreviation AS company, system_name AS system,
  product_line_name AS product_line
FROM invoice_transactions
"""


def differences(warehouse_url: str, rewards_url: str) -> list[str]:
    """Return what differs, in words; empty when all points, pending and the log are right."""
    with psycopg2.connect(rewards_url) as rewards, rewards.cursor() as cursor:
        cursor.execute("SELECT business_date FROM business_day")
        (as_of,) = cursor.fetchone()
        terms = read_terms(cursor)
        cursor.execute("SELECT customer_master_id, reward_group_id, enrolled_at FROM customers_reward_groups")
        members = {customer: Membership(group, enrolled) for customer, group, enrolled in cursor.fetchall()}
        expected = _expected(_invoices(warehouse_url), members, terms, as_of)
        cursor.execute(
            "SELECT customer_master_id, company, points, pending FROM customer_points WHERE points <> 0 OR pending <> 0"
        )
        totals = {(customer, company): (points, pending) for customer, company, points, pending in cursor.fetchall()}
        cursor.execute(
            "SELECT customer_master_id, company, system_name, document, transaction_id, points, pending, reward, at_risk,"
            " (SELECT COALESCE(sum(delta), 0) FROM point_entries e WHERE e.invoice_id = i.id) FROM invoices i"
        )
        found = {tuple(row[:5]): tuple(row[5:]) for row in cursor.fetchall()}
        cursor.execute("SELECT reward_group_id, sum(delta) FROM point_entries GROUP BY 1 HAVING sum(delta) <> 0")
        by_entries = dict(cursor.fetchall())
        cursor.execute(
            "SELECT reward_group_id, sum(earned) FROM reward_group_totals GROUP BY 1 HAVING sum(earned) <> 0"
        )
        by_totals = dict(cursor.fetchall())
    problems = []
    wanted_totals: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    wanted_groups: dict[int, int] = defaultdict(int)
    for key, worth in expected.items():
        points = worth["reward"] + sum(taken for _, _, taken in worth["penalties"])
        wanted_totals[key[0], key[1]][0] += points
        wanted_totals[key[0], key[1]][1] += worth["pending"]
        if worth["reward_group_id"] is not None:
            wanted_groups[worth["reward_group_id"]] += points
        wanted = (points, worth["pending"], worth["reward"], worth["at_risk"], points)
        if found.pop(key, (0, 0, 0, 0, 0)) != wanted:
            problems.append(f"invoice {key}: wanted (points, pending, reward, at risk, entries) {wanted}")
    problems += [f"invoice {key} has no rows, and {values}" for key, values in found.items() if any(values)]
    wanted = {key: tuple(values) for key, values in wanted_totals.items() if any(values)}
    problems += [
        f"totals of {key}: wanted {wanted.get(key)}, found {totals.get(key)}"
        for key in wanted.keys() | totals.keys()
        if wanted.get(key) != totals.get(key)
    ]
    groups = {group: points for group, points in wanted_groups.items() if points}
    if groups != by_entries or groups != by_totals:
        problems.append(f"reward groups: wanted {groups}, by entries {by_entries}, by totals {by_totals}")
    return problems


def _invoices(warehouse_url: str) -> dict[tuple[Any, ...], list[InvoiceRow]]:
    invoices: dict[tuple[Any, ...], list[InvoiceRow]] = defaultdict(list)
    with psycopg2.connect(warehouse_url) as warehouse, warehouse.cursor() as cursor:
        cursor.execute(ROWS)
        for (
            number,
            on,
            is_invoice,
            is_payment,
            description,
            amount,
            retainage,
            due_on,
            customer,
            company,
            system,
            line,
        ) in cursor:
            if not customer or bool(is_invoice) == bool(is_payment):
                continue
            if on is None or amount is None or amount.is_nan() or not company or not system:
                continue
            if (retainage is not None and retainage.is_nan()) or (due_on is not None and due_on < dt.date(2000, 1, 1)):
                continue
            key = (
                (customer, company, system, description, None)
                if description
                else (customer, company, system, None, number)
            )
            facts = InvoiceRow(number, bool(is_payment), on, amount, retainage or Decimal(0), due_on, line)
            invoices[key].append(facts)
    return invoices


def _expected(
    invoices: dict[tuple[Any, ...], list[InvoiceRow]], members: dict[str, Membership], terms: Terms, as_of: dt.date
) -> dict[tuple[Any, ...], dict[str, Any]]:
    return {key: oracle.worth(key[1], rows, members.get(key[0]), terms, as_of) for key, rows in invoices.items()}
