"""The customers that the sample logins see: their balances move, and stay what a business could have."""

from __future__ import annotations

import datetime as dt
import itertools
from collections import defaultdict
from collections.abc import Iterable

import pytest

from connectors.feed.catalog import SAMPLE_CUSTOMERS, customers
from connectors.feed.changes import Row, is_bad, owed
from connectors.feed.generator import Generator
from connectors.feed.ledger import Ledger, invoice_key
from streams.calculator.facts import InvoiceRow, Membership
from streams.calculator.points import evaluate
from streams.calculator.terms import DEFAULT_TERMS

TODAY = dt.date(2026, 11, 22)
CHANGES_AN_HOUR = 20 * 60 * 60
"""At the feed's rate in `rewards up`."""
MEMBER = Membership(1, dt.date(2011, 1, 15))
NAMES = [master_id for master_id, _ in SAMPLE_CUSTOMERS]


def balances(rows: Iterable[Row]) -> dict[str, int]:
    """Points of each named customer as of today."""
    invoices: dict[object, list[Row]] = defaultdict(list)
    for row in rows:
        if row.customer_master_id in NAMES and not is_bad(row):
            invoices[invoice_key(row)].append(row)
    found = dict.fromkeys(NAMES, 0)
    for key, of_invoice in invoices.items():
        company = of_invoice[0].company_abbreviation
        assert isinstance(key, tuple)
        found[key[0]] += evaluate(company, map(fact, of_invoice), MEMBER, DEFAULT_TERMS, TODAY).points
    return found


def fact(row: Row) -> InvoiceRow:
    if not (row.transaction_type_rewards_invoice or row.transaction_type_rewards_payment):
        row = row._replace(transaction_amount=None)
    return InvoiceRow(
        row.transaction_id, row.transaction_type_rewards_payment, row.transaction_date, row.transaction_amount or owed(row),
        row.transaction_retainage or owed(row._replace(transaction_amount=None)), row.transaction_due_date, row.product_line_name,
    )  # fmt: skip


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_balance_of_a_named_customer_drifts_and_does_not_jump_in_an_hour(seed: int) -> None:
    ledger = Ledger()
    source = Generator(
        seed=seed, customers=customers(200), take_id=itertools.count(1).__next__, ledger=ledger, bad_share=0.001
    )
    list(source.history(4_000, TODAY))
    at_first = balances(ledger.all_rows())
    seen = [at_first]
    changes = 0
    while changes < CHANGES_AN_HOUR:
        before = changes
        changes += len(source.transaction(TODAY))
        if before // 6_000 < changes // 6_000:
            seen.append(balances(ledger.all_rows()))

    for name in NAMES:
        course = [one[name] for one in seen]
        assert min(course) > 5_000, f"{name}: {course}"
        assert max(abs(points - at_first[name]) for points in course) < at_first[name] * 0.4, f"{name}: {course}"
        assert len(set(course)) > 1, f"{name} stands still: {course}"
