"""Kills Kafka Connect while transactions are written, and counts every row of them in the topic.

The integration test runs a few kills. `python -m tests.capture_kills FOLDER --kills 30` runs many on a stack that is started in FOLDER, and
prints what was missing, what was sent twice, and what became of Debezium's transaction metadata.
"""

from __future__ import annotations

import argparse
import datetime as dt
import itertools
import json
import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from kafka import KafkaConsumer, TopicPartition
from psycopg2.extras import execute_values

from streams import topics
from streams.kafka_access import KafkaAccess
from tests.stack import Stack, eventually

CAPTURE_ONLY = "postgres,kafka,databases,upgrade,topics,connect,connectors"
"""What a stack needs to fill the topics: nobody reads them here but the test."""
COLUMNS = (
    "transaction_id", "transaction_date", "transaction_type_rewards_invoice", "transaction_description", "transaction_amount",
    "customer_master_id", "company_abbreviation", "system_name",
)  # fmt: skip
CUSTOMERS = 40
BACK_SECONDS = 120
Write = Callable[[Any, list[int]], None]
"""Writes the rows of these transaction ids with a cursor."""


class Event(NamedTuple):
    """A row's `c` record, as it stood in the topic."""

    source_transaction: str
    total_order: int


@dataclass(slots=True)
class Topic:
    """Everything that was read of the topic of invoices and of the topic of transaction ends."""

    kafka: KafkaAccess
    rows: dict[int, list[Event]] = field(default_factory=dict)
    """transaction_id -> its records, in the order of the topic."""
    begins: Counter[str] = field(default_factory=Counter)
    """Source transaction -> its BEGIN records."""
    ends: dict[str, list[int]] = field(default_factory=dict)
    """Source transaction -> `event_count` of each of its END records."""
    marks: dict[int, int] = field(default_factory=dict)
    """Partition -> the watermarks' latest mark."""
    commits: dict[int, int] = field(default_factory=dict)
    """Partition -> the highest LSN of a last commit (the first of `sequence`) that a record bore."""
    late: set[int] = field(default_factory=set)
    """Rows that came for the first time, in any partition, after a later transaction: what is sent again could not be told by its LSN."""
    _consumer: Any = None
    _read_until: dict[TopicPartition, int] = field(default_factory=dict)

    @contextmanager
    def reading(self) -> Iterator[Topic]:
        """Read on from the present ends, or from where it was read until before."""
        invoices = [TopicPartition(topics.INVOICES.name, number) for number in range(topics.PARTITIONS)]
        partitions = [*invoices, TopicPartition(topics.TRANSACTIONS[0].name, 0)]
        self._consumer = KafkaConsumer(
            **self.kafka.options(), enable_auto_commit=False, fetch_max_wait_ms=20, max_poll_records=50_000
        )
        try:
            self._consumer.assign(partitions)
            self._consumer.seek_to_end(*partitions)
            for partition, offset in self._read_until.items():
                self._consumer.seek(partition, offset)
            for partition in partitions:
                self._consumer.position(partition)
            yield self
            self._read_until = {partition: self._consumer.position(partition) for partition in partitions}
        finally:
            self._consumer.close()

    def read(self) -> None:
        """Take what has come."""
        for partition, records in self._consumer.poll(timeout_ms=20).items():
            for record in records:
                if record.value is not None:
                    self._take(partition, orjson.loads(record.value))

    def _take(self, partition: TopicPartition, value: dict[str, Any]) -> None:
        if partition.topic != topics.INVOICES.name:
            transaction = value["id"].partition(":")[0]
            if value["status"] == "BEGIN":
                self.begins[transaction] += 1
            else:
                self.ends.setdefault(transaction, []).append(value["event_count"])
        elif value["source"]["table"] == "rewards_watermarks":
            self.marks[partition.partition] = max(value["after"]["mark"], self.marks.get(partition.partition, 0))
        elif value["op"] == "r":
            # A kill before the first offsets were committed: Debezium takes its snapshot again.
            self.rows.setdefault(value["after"]["transaction_id"], [])
        elif value["op"] == "c":
            block = value["transaction"]
            event = Event(block["id"].partition(":")[0], block["total_order"])
            events = self.rows.setdefault(value["after"]["transaction_id"], [])
            commit, highest = (
                int(orjson.loads(value["source"]["sequence"])[0]),
                self.commits.get(partition.partition, 0),
            )
            if commit < highest and not events:
                self.late.add(value["after"]["transaction_id"])
            self.commits[partition.partition] = max(commit, highest)
            events.append(event)

    def until(self, reached: Callable[[], bool]) -> None:
        """Read until it is so."""

        def ask() -> bool:
            self.read()
            return reached()

        eventually(ask, timeout=BACK_SECONDS, interval=0)

    def has_passed(self, mark: int) -> bool:
        """Whether this mark or a later one came in every partition."""
        return len(self.marks) == topics.PARTITIONS and min(self.marks.values()) >= mark

    def seen(self, numbers: list[int]) -> int:
        """How many of these rows were read."""
        return sum(number in self.rows for number in numbers)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a kill did to the rows that were written around it."""

    rows: int
    missing: int
    late: int
    """Rows that came for the first time after a later transaction, by the LSN of the last commit."""
    sent_twice: int
    reordered: int
    """Rows sent more than once whose `total_order` differed between the times."""
    transactions: int
    ends: int
    wrong_ends: int
    """END records whose `event_count` is not the number of the transaction's rows."""
    wrong_orders: int
    """Transactions whose distinct `total_order`s are not as many as their rows."""
    short_without_a_word: int
    """END records that count fewer events than the transaction has rows, where it began only once and no row of it came again: Debezium
    numbered the rest anew, and nothing says so."""


class Writer:
    """Writes rows, each under a number of its own."""

    _numbers = itertools.count(1)

    def __init__(self, stack: Stack, topic: Topic) -> None:
        self._stack = stack
        self._topic = topic
        self.written: list[list[int]] = []
        """The rows of each transaction that was committed."""

    def numbers(self, count: int) -> list[int]:
        return list(itertools.islice(self._numbers, count))

    @contextmanager
    def transaction(self, numbers: list[int]) -> Iterator[Any]:
        """A transaction that writes these rows."""
        with self._stack.cursor("warehouse") as cursor:
            yield cursor
        self.written.append(numbers)

    def commit(self, write: Write, numbers: list[int]) -> None:
        with self.transaction(numbers) as cursor:
            write(cursor, numbers)

    def kill_connect(self) -> None:
        """As a machine's out-of-memory killer would. The supervisor starts it again."""
        os.kill(self._stack.process("connect")["pid"], signal.SIGKILL)

    def fence(self) -> None:
        """Until everything that was committed has come by, if it ever does: a later mark came in every partition."""
        mark = self.mark()
        self._topic.until(lambda: self._topic.has_passed(mark))

    def mark(self) -> int:
        """Commit a mark in every partition's watermark."""
        with self._stack.cursor("warehouse") as cursor:
            cursor.execute("SELECT nextval('rewards_watermark_marks')")
            mark: int = cursor.fetchone()[0]
            cursor.execute("UPDATE rewards_watermarks SET mark = %s, marked_at = clock_timestamp()", (mark,))
        return mark

    def flushed(self) -> None:
        """Until Connect has committed offsets behind everything that is written now: Debezium then moves its slot on."""

        def ask() -> bool:
            with self._stack.cursor("warehouse") as cursor:
                cursor.execute(
                    "SELECT confirmed_flush_lsn > %s FROM pg_replication_slots WHERE slot_name = 'rewards_warehouse'",
                    (here,),
                )
                moved: bool = cursor.fetchone()[0]
            return moved

        with self._stack.cursor("warehouse") as cursor:
            cursor.execute("SELECT pg_current_wal_insert_lsn()")
            (here,) = cursor.fetchone()
        self.fence()
        eventually(ask)

    def take(self) -> Outcome:
        """Read everything, count it, and forget it."""
        self.fence()
        transactions, self.written = self.written, []
        outcome = count(self._topic, transactions)
        self._topic.rows.clear()
        self._topic.late.clear()
        self._topic.ends.clear()
        self._topic.begins.clear()
        return outcome


def copy(cursor: Any, numbers: list[int]) -> None:
    lines = "".join("\t".join(str(value) for value in _row(number)) + "\n" for number in numbers)
    cursor.copy_expert(f"COPY invoice_transactions ({', '.join(COLUMNS)}) FROM STDIN", StringIO(lines))


def insert(cursor: Any, numbers: list[int]) -> None:
    execute_values(
        cursor,
        f"INSERT INTO invoice_transactions ({', '.join(COLUMNS)}) VALUES %s",
        [_row(number) for number in numbers],
        page_size=len(numbers),
    )


def _row(number: int) -> tuple[Any, ...]:
    on = dt.date(2026, 1, 5)
    return (number, on, True, f"D-{number}", "10.00", f"K-{number % CUSTOMERS}", "SBM", "BisTrack")


def during(writer: Writer, topic: Topic, write: Write, rows: int, share: float) -> None:
    """Kill while the records of a transaction come, when this share of them was seen."""
    numbers = writer.numbers(rows)
    writer.commit(write, numbers)
    topic.until(lambda: topic.seen(numbers) >= share * rows)
    writer.kill_connect()


def after(writer: Writer, topic: Topic, write: Write, rows: int, _share: float) -> None:
    """Kill when all records of a transaction were seen, before their offsets are committed."""
    during(writer, topic, write, rows, 1.0)


def between(writer: Writer, _topic: Topic, write: Write, rows: int, _share: float) -> None:
    """Kill when all is committed, and write the next transaction right behind the last one, before Connect is back."""
    writer.commit(write, writer.numbers(1))
    writer.flushed()
    writer.kill_connect()
    writer.commit(write, writer.numbers(rows))


def while_open(writer: Writer, topic: Topic, write: Write, rows: int, share: float) -> None:
    """Kill while a transaction is open and others were committed, and again while its records come."""
    first, second = writer.numbers(rows // 2), writer.numbers(rows - rows // 2)
    with writer.transaction([*first, *second]) as cursor:
        write(cursor, first)
        for _ in range(3):
            others = writer.numbers(rows // 5)
            writer.commit(write, others)
        topic.until(lambda: topic.seen(others) == len(others))
        writer.kill_connect()
        write(cursor, second)
        writer.commit(write, writer.numbers(rows // 5))
    # Where rows are lost they are never seen: then the mark comes.
    mark = writer.mark()
    topic.until(lambda: topic.seen([*first, *second]) >= share * rows or topic.has_passed(mark))
    writer.kill_connect()


Moment = Callable[[Writer, Topic, Write, int, float], None]
MOMENTS: tuple[Moment, ...] = (during, after, between, while_open)


def count(topic: Topic, transactions: list[list[int]]) -> Outcome:
    """Compare what was written with what came."""
    by_transaction: dict[str, set[int]] = {}
    orders: dict[str, set[int]] = {}
    for numbers in transactions:
        for number in numbers:
            for event in topic.rows.get(number, ()):
                by_transaction.setdefault(event.source_transaction, set()).add(number)
                orders.setdefault(event.source_transaction, set()).add(event.total_order)
    written = [number for numbers in transactions for number in numbers]
    again = [topic.rows[number] for number in written if len(topic.rows.get(number, ())) > 1]
    came_again = {event.source_transaction for events in again for event in events}
    ends = [(name, events) for name in by_transaction for events in topic.ends.get(name, ())]
    return Outcome(
        rows=len(written),
        missing=len(written) - topic.seen(written),
        late=len(topic.late),
        sent_twice=sum(len(events) - 1 for events in again),
        reordered=sum(len({event.total_order for event in events}) > 1 for events in again),
        transactions=len(by_transaction),
        ends=len(ends),
        wrong_ends=sum(events != len(by_transaction[name]) for name, events in ends),
        wrong_orders=sum(len(orders[name]) != len(rows) for name, rows in by_transaction.items()),
        short_without_a_word=sum(
            events < len(by_transaction[name]) and topic.begins[name] == 1 and name not in came_again
            for name, events in ends
        ),
    )


def main() -> None:
    """Run many kills by hand."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    stack = Stack(options.folder)
    stack.up("--no-feed", "--only", CAPTURE_ONLY)
    total: Counter[str] = Counter()
    try:
        with Topic(stack.kafka).reading() as topic:
            writer = Writer(stack, topic)
            writer.flushed()
            for kill, (moment, write, rows) in zip(
                range(options.kills),
                itertools.cycle(itertools.product(MOMENTS, (copy, insert), (500, 3_000, 20_000))),
                strict=False,
            ):
                share = chance.choice((0.01, 0.2, 0.5, 0.8, 0.99))
                moment(writer, topic, write, rows, share)
                outcome = writer.take()
                found = {name: getattr(outcome, name) for name in Outcome.__slots__}
                total.update(found)
                print(kill, moment.__name__, write.__name__, rows, share, json.dumps(found), flush=True)  # noqa: T201 -- by hand
        print("total", json.dumps(total))  # noqa: T201 -- by hand
    finally:
        stack.down()


if __name__ == "__main__":
    main()
