"""One worker and a backlog: 200,000 changes of 50,000 invoices, captured while no worker ran, worked off to the last.

The backlog is written and captured once. Before each run the invoices' side of the stream is put back to nothing: its
tables, the group's offsets and the Table's changelog topic. The customers have been members all along. The connectors
are stopped meanwhile, so that every run reads the same records.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from decimal import Decimal
from typing import Any, Final

import psycopg2
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition

from bench import drain
from bench.drain import Backlog, Drain
from bench.figures import Section, load_average
from bench.stack import BenchStack, until
from bench.workload import Document, Row, charge, enrol, insert, payment
from streams.generation import LIVE
from streams.topic_admin import ensure_topics
from streams.topics import CUSTOMER_POINTS_CHANGELOG, INVOICES, PARTITIONS
from tests.stack import PROJECT

UNITS: Final = "postgres,kafka,databases,upgrade,topics,day,connect,connectors"
INVOICES_OF_A_CUSTOMER: Final = 5
CHANGES_OF_AN_INVOICE: Final = 4
ROWS_OF_A_TRANSACTION: Final = 20
HEARTBEAT_BYTES: Final = 1_000_000
"""A connector that is so little behind in the log has sent all but its own heartbeats."""
SPARE_MEMORY: Final = {"REWARDS_BATCH_RECORDS": "40000", "REWARDS_CACHED_INVOICES": "100000"}
PROGRESS: Final = (
    f"SELECT coalesce(sum(next_offset), 0)::bigint FROM partition_progress WHERE topic = '{INVOICES.name}'"
)
EMPTY: Final = f"""
TRUNCATE invoices, point_entries, customer_points, reward_group_totals, dead_letters, consumer_lag;
DELETE FROM partition_progress WHERE topic = '{INVOICES.name}';
DELETE FROM source_epochs WHERE topic = '{INVOICES.name}';
"""
TOTALS: Final = """
SELECT (SELECT count(*) FROM invoices), (SELECT sum(points) FROM customer_points),
  (SELECT sum(delta) FROM point_entries), (SELECT sum(earned) FROM reward_group_totals), (SELECT count(*) FROM dead_letters)
"""


def measure(stack: BenchStack, backlog: Backlog, runs: int) -> Section:
    """Work the backlog off `runs` times with the default settings, and with memory to spare."""
    default = [_run(stack, backlog, {}) for _ in range(runs)]
    spare = [_run(stack, backlog, SPARE_MEMORY) for _ in range(runs)]
    return Section(
        "One worker, whole job with sink, a backlog",
        [
            *drain.figures("default settings", default, rate=8_000, memory=300),
            *drain.figures("memory to spare", spare),
        ],
        [
            describe(backlog),
            f"memory to spare: {', '.join(f'{name}={value}' for name, value in SPARE_MEMORY.items())}",
            f"after each run invoices, points, entries and group totals were what they must be;"
            f" load average at the end {load_average()}",
        ],
    )


def describe(backlog: Backlog) -> str:
    """One line on what was worked off."""
    return (
        f"{backlog.changes:,} changes of {backlog.invoices:,} invoices in transactions of {ROWS_OF_A_TRANSACTION} rows"
        f" ({backlog.records:,} records with the watermarks), {backlog.points:,} points in the end"
    )


def write(stack: BenchStack, invoice_count: int) -> Backlog:
    """Enrol the customers while a worker runs, end it, change the invoices, and wait until all of it is captured."""
    documents = [
        Document(10 * (i + 1), f"B-{i % (invoice_count // INVOICES_OF_A_CUSTOMER)}", Decimal(100 + i % 977))
        for i in range(invoice_count)
    ]
    with worker(stack, {}):
        enrol(stack, sorted({document.customer for document in documents}))
    before = end_offset(stack)
    with closing(psycopg2.connect(stack.address("warehouse"))) as connection, connection.cursor() as cursor:
        rows = list(_changes(documents))
        for start in range(0, len(rows), ROWS_OF_A_TRANSACTION):
            insert(cursor, rows[start : start + ROWS_OF_A_TRANSACTION])
            connection.commit()
        # As the next heartbeat would: it closes the last transaction of each partition.
        cursor.execute("UPDATE public.rewards_watermarks SET marked_at = clock_timestamp()")
        connection.commit()
    until("the backlog is captured", lambda: end_offset(stack) >= before + len(rows) + PARTITIONS and _captured(stack))
    stack.stop_capture()
    points = sum(int(document.amount * 5 / 4) for document in documents)
    return Backlog(end_offset(stack), len(rows), invoice_count, points)


def _changes(documents: list[Document]) -> Iterator[Row]:
    """Two charges and two payments an invoice, each in another order of the invoices."""
    chance = random.Random(1)
    for step in range(CHANGES_OF_AN_INVOICE):
        for document in chance.sample(documents, len(documents)):
            quarter = document.amount / 4
            match step:
                case 0:
                    yield charge(document)
                case 1:
                    yield charge(document, quarter, line=2, product_line="Concrete")
                case 2:
                    yield payment(document)
                case _:
                    yield payment(document, quarter, line=6)


def _captured(stack: BenchStack) -> bool:
    """The connector has confirmed everything up to now, or all but the last heartbeats."""
    ((behind,),) = stack.execute(
        "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn) FROM pg_replication_slots"
        " WHERE slot_name = 'rewards_warehouse'"
    )
    return bool(behind < HEARTBEAT_BYTES)


def end_offset(stack: BenchStack) -> int:
    """Records in the invoices' topic."""
    consumer = KafkaConsumer(**stack.kafka.options())
    try:
        return sum(consumer.end_offsets(_partitions()).values())
    finally:
        consumer.close()


def _partitions() -> list[Any]:
    return [TopicPartition(INVOICES.name, partition) for partition in range(PARTITIONS)]


@contextmanager
def worker(stack: BenchStack, settings: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """`rewards worker` with the stack's settings and these; its log beside those of the stack."""
    command = [sys.executable, "-m", "cli", "worker", "--data", str(stack.folder)]
    with (stack.files.logs / "bench-worker.log").open("ab") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, cwd=PROJECT, env=os.environ | dict(settings)
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def _run(stack: BenchStack, backlog: Backlog, settings: Mapping[str, str]) -> Drain:
    _reset(stack)
    with worker(stack, settings) as process:
        found = drain.watch(stack, process, PROGRESS, backlog)
    _check(stack, backlog)
    return found


def _reset(stack: BenchStack) -> None:
    """Put the invoices' side of the stream back to nothing; no worker runs."""
    stack.execute(EMPTY)
    stack.execute("CHECKPOINT")
    admin = KafkaAdminClient(**stack.kafka.options())
    try:
        admin.delete_group_offsets(LIVE.application_id, _partitions())
        admin.delete_topics([CUSTOMER_POINTS_CHANGELOG.name])
        until("the changelog topic is gone", lambda: CUSTOMER_POINTS_CHANGELOG.name not in admin.list_topics())
    finally:
        admin.close()
    ensure_topics(stack.kafka, [CUSTOMER_POINTS_CHANGELOG])


def _check(stack: BenchStack, backlog: Backlog) -> None:
    (found,) = stack.execute(TOTALS)
    expected = (backlog.invoices, backlog.points, backlog.points, backlog.points, 0)
    if found != expected:
        raise RuntimeError(f"invoices, points, entries, group totals, dead letters are {found}, and must be {expected}")
