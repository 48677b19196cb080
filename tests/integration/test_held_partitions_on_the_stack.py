"""One executor's sink is stuck: its partitions wait in the topic, and every other partition goes on."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

import psycopg2

from streams.keys import partition_of
from streams.settings import StreamSettings
from streams.topics import INVOICES
from tests import from_scratch
from tests.integration.invoices import enrol, insert, insert_with, points, query, row
from tests.stack import Stack, eventually

BILLED, PAID, DUE = dt.date(2026, 1, 5), dt.date(2026, 1, 20), dt.date(2026, 2, 25)
EXECUTORS = StreamSettings.model_fields["processors"].default
BATCH_RECORDS = StreamSettings.model_fields["batch_records"].default


def _customer(executor: int) -> str:
    """A customer whose partition is that executor's."""
    return next(
        name for number in itertools.count() if partition_of(name := f"C-held-{number}") % EXECUTORS == executor
    )


def _paid(customer: str, document: str, amount: int) -> list[dict[str, Any]]:
    return [
        row(customer, document, BILLED, f"{amount}.00", transaction_due_date=DUE),
        row(customer, document, PAID, f"-{amount}.00", payment=True),
    ]


def _total(stack: Stack, customer: str) -> int:
    found = query(stack, "SELECT points FROM customer_points WHERE customer_master_id = %s", customer)
    return found[0][0] if found else 0


def _next_offset(stack: Stack, partition: int) -> int:
    ((found,),) = query(
        stack,
        "SELECT next_offset FROM partition_progress WHERE topic = %s AND partition = %s",
        INVOICES.name,
        partition,
    )
    return int(found)


def test_partitions_of_a_stuck_executor_wait_and_the_others_go_on(stack: Stack) -> None:
    stuck, free = _customer(0), _customer(1)
    enrol(stack, stuck)
    enrol(stack, free)
    stack.wait()
    before = _next_offset(stack, partition_of(stuck))
    invoices = 4 * BATCH_RECORDS
    lock = psycopg2.connect(stack.address("rewards"))
    try:
        with lock.cursor() as cursor:
            cursor.execute("SELECT FROM partition_progress WHERE partition %% %s = 0 FOR UPDATE", (EXECUTORS,))
            with stack.cursor("warehouse") as warehouse:
                for first in range(0, invoices, 1_000):
                    many = [_paid(stuck, f"D-{number}", 1) for number in range(first, first + 1_000)]
                    insert_with(warehouse, *itertools.chain.from_iterable(many))
            pid = stack.process("worker")["pid"]
            for number in range(1, 11):
                insert(stack, *_paid(free, f"D-{number}", 100))
                eventually(lambda: _total(stack, free) == 100 * number, timeout=15)  # noqa: B023 -- asked at once
            assert _total(stack, stuck) == 0
            assert _next_offset(stack, partition_of(stuck)) == before
    finally:
        lock.close()

    assert points(stack, stuck) == {"SBM": (invoices, 0)}
    assert points(stack, free) == {"SBM": (1_000, 0)}
    assert stack.process("worker")["pid"] == pid, "it went on, and was not started anew"
    assert from_scratch.differences(stack.address("warehouse"), stack.address("rewards")) == []
