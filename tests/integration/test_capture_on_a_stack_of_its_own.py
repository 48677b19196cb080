"""What Debezium puts into the topics: of texts of any size, and over kills of Connect. No worker reads it here.

tests/capture_kills.py has the kills, and runs many more by hand.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition

from streams import topics
from tests import capture_kills
from tests.capture_kills import Topic, Writer, copy, insert
from tests.stack import Stack, eventually, temporary_stack

MEGABYTE = 1_100_000
RULES_READ = (
    "transaction_description", "customer_master_id", "company_abbreviation", "system_name", "product_line_name",
)  # fmt: skip
NOT_CAPTURED = ("transaction_contract", "customer_id", "name")
KEPT = 4_000
KEPT_OF_A_NAME = 200
BEFORE_THE_SNAPSHOT = 700_000
KILLS_OF_THE_BROKER = 3


def _large_row(cursor: Any, number: int, column: str, text: str) -> None:
    cursor.execute(
        "INSERT INTO invoice_transactions (transaction_id, transaction_type_rewards_invoice, transaction_amount) VALUES (%s, true, 10)",
        (number,),
    )
    cursor.execute(f"UPDATE invoice_transactions SET {column} = %s WHERE transaction_id = %s", (text, number))


def _text(size: int) -> str:
    """Text that Postgres cannot pack: it stands in the table's TOAST."""
    return secrets.token_hex(size // 2)


@pytest.fixture(scope="module")
def capture() -> Iterator[Stack]:
    """Postgres, Kafka and Connect, with rows in the warehouse that are larger than a record may be, before the first snapshot."""
    with temporary_stack() as started:
        started.up("--only", capture_kills.CAPTURE_ONLY.removesuffix(",connectors"))
        with started.cursor("warehouse") as cursor:
            # Without the index that bounds a customer's id: a warehouse of one's own may have none.
            cursor.execute("DROP INDEX ix_invoice_transactions_customer_master_id")
            for place, column in enumerate((*RULES_READ, "customer_name", *NOT_CAPTURED)):
                _large_row(cursor, BEFORE_THE_SNAPSHOT + place, column, _text(MEGABYTE))
        started.command("connectors", "apply")
        yield started


def _records(stack: Stack, numbers: set[int]) -> list[tuple[Any, dict[str, Any]]]:
    """Key and value of every record about these rows, a row's in their order; tombstones aside."""
    consumer = KafkaConsumer(**stack.kafka.options(), enable_auto_commit=False)
    try:
        partitions = [TopicPartition(topics.INVOICES.name, number) for number in range(topics.PARTITIONS)]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        found = []
        while any(consumer.position(one) < ends[one] for one in partitions):
            for batch in consumer.poll(timeout_ms=500).values():
                for record in batch:
                    value = json.loads(record.value) if record.value else {}
                    row = value.get("after") or value.get("before") or {}
                    if row.get("transaction_id") in numbers:
                        found.append((json.loads(record.key), value))
        return sorted(found, key=lambda one: one[1]["source"]["lsn"])
    finally:
        consumer.close()


def _fence(stack: Stack) -> None:
    topic = Topic(stack.kafka)
    with topic.reading():
        Writer(stack, topic).fence()


def _assert_cut(row: dict[str, Any], column: str, text: str) -> None:
    if column in NOT_CAPTURED:
        assert column not in row
    else:
        assert row[column] == text[: KEPT_OF_A_NAME if column == "customer_name" else KEPT]


def test_snapshot_has_texts_cut_and_no_column_that_nobody_reads(capture: Stack) -> None:
    _fence(capture)
    columns = (*RULES_READ, "customer_name", *NOT_CAPTURED)
    numbers = dict(enumerate(columns, start=BEFORE_THE_SNAPSHOT))
    with capture.cursor("warehouse") as cursor:
        cursor.execute(
            f"SELECT transaction_id, {', '.join(columns)} FROM invoice_transactions WHERE transaction_id = ANY (%s)",
            (list(numbers),),
        )
        texts = {row[0]: row[1:] for row in cursor.fetchall()}

    records = _records(capture, set(numbers))

    assert [value["op"] for _, value in records] == ["r"] * len(numbers)
    for _, value in records:
        number = value["after"]["transaction_id"]
        _assert_cut(value["after"], numbers[number], texts[number][columns.index(numbers[number])])


@pytest.mark.parametrize(("column", "size"), [
    *((column, MEGABYTE) for column in (*RULES_READ, "customer_name", "name")), ("transaction_contract", 5_000_000),
])  # fmt: skip
def test_large_text_is_cut_before_and_after_in_every_kind_of_change(capture: Stack, column: str, size: int) -> None:
    number = 800_000 + [*RULES_READ, "customer_name", *NOT_CAPTURED].index(column)
    first, second = _text(size), _text(size)
    changes = (
        (f"UPDATE invoice_transactions SET {column} = %(second)s WHERE transaction_id = %(number)s", first, second),
        # The text stays in the TOAST: Postgres sends no new value of it.
        ("UPDATE invoice_transactions SET transaction_amount = 11 WHERE transaction_id = %(number)s", second, second),
        ("DELETE FROM invoice_transactions WHERE transaction_id = %(number)s", second, None),
    )
    with capture.cursor("warehouse") as cursor:
        _large_row(cursor, number, column, first)
        for change, *_ in changes:
            cursor.execute(change, {"number": number, "second": second})
    _fence(capture)

    records = [(key, value) for key, value in _records(capture, {number}) if value["op"] != "c"]

    # Where the customer changes, its row is deleted under one key and created under the other.
    expected = [one for one in changes if column != "customer_master_id" or one[2] is None or one[1] == one[2]]
    for (_, before, after), (key, value) in zip(expected, records[-len(expected) :], strict=True):
        _assert_cut(value["before"], column, before)
        assert (value["after"] is None) == (after is None)
        if after is not None:
            _assert_cut(value["after"], column, after)
        if column == "customer_master_id":
            assert key == {"customer_master_id": before}, "a key is not cut: it would be another customer's"
    assert json.loads(capture.command("connectors", "status", "--json").stdout)[0]["tasks"] == ["RUNNING"]


def test_cut_between_the_halves_of_a_character_leaves_the_first_half(capture: Stack) -> None:
    # Java counts UTF-16 code units. Who reads the record must not take it for broken.
    with capture.cursor("warehouse") as cursor:
        _large_row(cursor, 810_000, "customer_name", "x" * (KEPT_OF_A_NAME - 1) + "🏠")
    _fence(capture)

    _, value = _records(capture, {810_000})[-1]

    assert value["after"]["customer_name"] == "x" * (KEPT_OF_A_NAME - 1) + "\ud83c"


@pytest.mark.parametrize(("moment", "write", "rows"), [
    (capture_kills.between, copy, 500),
    (capture_kills.during, insert, 3_000),
    (capture_kills.during, copy, 20_000),
    (capture_kills.while_open, insert, 3_000),
])  # fmt: skip
def test_every_row_is_in_the_topic_after_a_kill_of_connect(
    capture: Stack, moment: capture_kills.Moment, write: capture_kills.Write, rows: int
) -> None:
    topic = Topic(capture.kafka)
    with topic.reading():
        writer = Writer(capture, topic)
        writer.flushed()

        moment(writer, topic, write, rows, 0.5)

        outcome = writer.take()
    assert outcome.rows >= rows
    assert outcome.missing == 0
    assert outcome.late == 0, "what is sent again would be taken for a later transaction, or the other way round"
    # What the worker relies on where it counts a transaction's events. That an event which is sent again has the same number is true of
    # most restarts only: Debezium may number it one higher, or number the rest anew after another BEGIN.
    assert outcome.short_without_a_word == 0
    assert outcome.ends >= outcome.transactions


def _answers(address: str) -> bool:
    host, port = address.split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def test_kills_of_the_broker_leave_every_row_in_the_topic(capture: Stack) -> None:
    topic = Topic(capture.kafka)
    writer = Writer(capture, topic)
    with topic.reading():
        writer.flushed()
    # Nobody reads meanwhile: kafka-python leaves sockets open where nobody answers.
    for _ in range(KILLS_OF_THE_BROKER):
        for _ in range(300):
            writer.commit(insert, writer.numbers(20))
        pid = capture.process("kafka")["pid"]
        os.kill(pid, signal.SIGKILL)
        eventually(lambda pid=pid: capture.process("kafka")["pid"] not in {pid, None}, timeout=120)
        eventually(lambda: _answers(capture.address("kafka")), timeout=120)

    with topic.reading():
        outcome = writer.take()

    assert (outcome.missing, outcome.late) == (0, 0)
