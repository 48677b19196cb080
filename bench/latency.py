"""From commit in the warehouse to the row in `sunroc_rewards`: single changes, alone and beside a steady load.

Each probe is a transaction of its own that pays an invoice of a customer of its own. The clock starts immediately
before the commit is called and stops when the notification of the sink's commit arrives; the row is read then, and
counts only if it is right.
"""

from __future__ import annotations

import json
import select
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from decimal import Decimal
from typing import Final, NamedTuple

import psycopg2

from bench import load
from bench.figures import Figure, Section, load_average, percentile
from bench.stack import BenchStack
from bench.workload import Document, charge, enrol, insert, payment

RATE: Final = 20
"""Probes a second."""
LOAD_RATE: Final = 2_000
LOAD_RATE_LEAST: Final = 1_900
LOAD_WARM_UP_SECONDS: Final = 45
"""Until the load is steady: a Connect that has just started runs uncompiled code and falls behind first."""
WARM_UP: Final = 40
"""Probes that are not counted."""
ARRIVE_SECONDS: Final = 30
READ: Final = "SELECT customer_master_id, points FROM customer_points WHERE customer_master_id = ANY(%s)"


class Latencies(NamedTuple):
    """Of one run, in milliseconds."""

    p50: float
    p99: float
    longest: float


class Arrivals(threading.Thread):
    """Listens for changes of points and notes when each customer's total was right."""

    def __init__(self, url: str, expected: dict[str, int]) -> None:
        super().__init__(daemon=True)
        self._outstanding = dict(expected)
        self._connection = psycopg2.connect(url)
        self._connection.autocommit = True
        self._cursor = self._connection.cursor()
        self._cursor.execute("LISTEN points_changed")
        self.arrived: dict[str, float] = {}
        """Customer -> reading of the monotonic clock."""

    def run(self) -> None:
        """Listen until everything has arrived; late by `ARRIVE_SECONDS` after the last notification, give up."""
        while self._outstanding:
            if not select.select([self._connection], [], [], ARRIVE_SECONDS)[0]:
                return
            now = time.monotonic()
            self._connection.poll()
            named: set[str] = set()
            for notification in self._connection.notifies:
                named.update(self._outstanding if notification.payload == "*" else json.loads(notification.payload))
            self._connection.notifies.clear()
            self._note(named & self._outstanding.keys(), now)

    def close(self) -> None:
        """Close the connection; the thread has ended."""
        self._connection.close()

    def _note(self, customers: set[str], now: float) -> None:
        if customers:
            self._cursor.execute(READ, (list(customers),))
            for customer, points in self._cursor.fetchall():
                if points == self._outstanding[customer]:
                    del self._outstanding[customer]
                    self.arrived[customer] = now


def measure(stack: BenchStack, runs: int, probes: int) -> Section:
    """Measure alone, then beside the load, `runs` times each."""
    enrol(stack, load.CUSTOMERS)
    alone = [_probe(stack, _documents(stack, 2 * run, probes)) for run in range(runs)]
    loaded, rates = [], []
    averages = load_average()
    for run in range(runs):
        documents = _documents(stack, 2 * run + 1, probes)
        with load.running(stack.address("warehouse"), LOAD_RATE, 1_000_000_000 * (run + 1)) as generator:
            time.sleep(LOAD_WARM_UP_SECONDS)
            begin = time.monotonic()
            loaded.append(_probe(stack, documents))
            rate = generator.rate(begin, time.monotonic())
        if rate < LOAD_RATE_LEAST:
            raise RuntimeError(
                f"the load was {rate:,.0f} changes a second, not {LOAD_RATE:,}: nothing was measured under it"
            )
        rates.append(rate)
        stack.wait(120)
    return Section(
        "From commit in the warehouse to the row in sunroc_rewards",
        [
            *_figures("alone", alone, p50=30, p99=80),
            *_figures(f"beside {LOAD_RATE:,} changes a second", loaded, p50=None, p99=250),
            Figure("load that was held", "changes/s", rates, at_least=LOAD_RATE_LEAST),
        ],
        [
            f"{probes} probes a run at {RATE} a second after {WARM_UP} to warm up; the load in transactions of {load.ROWS} rows"
            f" on {load.CONNECTIONS} connections, {LOAD_WARM_UP_SECONDS} s before the first probe",
            f"load average after the runs alone {averages}, at the end {load_average()}",
        ],
    )


def _figures(how: str, runs: Sequence[Latencies], *, p50: float | None, p99: float | None) -> list[Figure]:
    return [
        Figure(f"{how}: p50", "ms", [one.p50 for one in runs], at_most=p50, digits=1),
        Figure(f"{how}: p99", "ms", [one.p99 for one in runs], at_most=p99, digits=1),
        Figure(f"{how}: longest", "ms", [one.longest for one in runs], digits=1),
    ]


def _documents(stack: BenchStack, run: int, probes: int) -> list[Document]:
    """Invoices that are billed and wait for their payment, each of a customer of its own."""
    documents = [
        Document(10_000_000 * (run + 1) + 10 * i, f"P-{run}-{i}", Decimal(100 + i)) for i in range(WARM_UP + probes)
    ]
    enrol(stack, [document.customer for document in documents])
    with stack.cursor("warehouse") as cursor:
        insert(cursor, [charge(document) for document in documents])
    stack.wait()
    return documents


def _probe(stack: BenchStack, documents: Sequence[Document]) -> Latencies:
    arrivals = Arrivals(stack.address("rewards"), {document.customer: document.points for document in documents})
    arrivals.start()
    committed: dict[str, float] = {}
    with closing(psycopg2.connect(stack.address("warehouse"))) as connection, connection.cursor() as cursor:
        due = time.monotonic()
        for document in documents:
            time.sleep(max(0.0, due - time.monotonic()))
            insert(cursor, [payment(document)])
            committed[document.customer] = time.monotonic()
            connection.commit()
            due += 1 / RATE
    arrivals.join(2 * ARRIVE_SECONDS)
    if missing := committed.keys() - arrivals.arrived.keys():
        raise RuntimeError(f"{len(missing)} of {len(documents)} changes did not arrive, {min(missing)} among them")
    arrivals.close()
    took = [1_000 * (arrivals.arrived[d.customer] - committed[d.customer]) for d in documents[WARM_UP:]]
    return Latencies(percentile(took, 0.5), percentile(took, 0.99), max(took))
