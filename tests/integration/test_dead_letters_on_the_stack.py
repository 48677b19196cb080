"""Rows that cannot be used, through Debezium, Kafka and the worker: kept, halted, seen by everybody who asks, and every way on."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from streams.keys import customer_key, partition_of
from streams.topics import DEAD_LETTERS, INVOICES
from streams.worker.outputs import LETTER_BYTES_MAX
from tests import from_scratch
from tests.conftest import STARTED_ON
from tests.integration.invoices import enrol, execute, insert, insert_with, points, query, row
from tests.stack import Stack, eventually

BILLED, PAID, DUE = dt.date(2026, 1, 5), dt.date(2026, 1, 20), dt.date(2026, 2, 25)
HALTED = "SELECT partition, halted_reason FROM partition_progress WHERE halted_at IS NOT NULL"


def without_amount(customer: str, count: int) -> list[dict[str, Any]]:
    return [
        row(customer, f"D-{n}", BILLED, "0", transaction_due_date=DUE) | {"transaction_amount": None}
        for n in range(count)
    ]


def payments(customer: str, count: int) -> list[dict[str, Any]]:
    return [row(customer, f"D-{n}", PAID, "-10.00", payment=True) for n in range(count)]


def elsewhere(customer: str) -> str:
    """A customer of another partition."""
    return next(
        name for n in itertools.count() if partition_of(name := f"{customer}-beside-{n}") != partition_of(customer)
    )


def correct(stack: Stack, customer: str) -> None:
    execute(
        stack,
        "warehouse",
        "UPDATE invoice_transactions SET transaction_amount = 10 WHERE customer_master_id = %s AND transaction_amount IS NULL",
        customer,
    )


def letters(stack: Stack, customer: str) -> list[tuple[Any, ...]]:
    return query(
        stack, "SELECT id, status, row_id, reason FROM dead_letters WHERE key = %s ORDER BY id", customer_key(customer)
    )


def statuses(stack: Stack, customer: str) -> list[str]:
    return [status for _, status, *_ in letters(stack, customer)]


def total(stack: Stack, customer: str) -> int:
    found = query(stack, "SELECT points FROM customer_points WHERE customer_master_id = %s", customer)
    return found[0][0] if found else 0


def listed(stack: Stack) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(stack.command("dead-letters", "list", "--json").stdout)
    return found


def halt(stack: Stack, customer: str, count: int = 20) -> list[int]:
    numbers = insert(stack, *without_amount(customer, count))
    eventually(lambda: query(stack, HALTED))
    return numbers


def test_screenful_of_bad_rows_halts_its_partition_alone_and_a_person_lets_it_go_on(stack: Stack) -> None:
    customer = "C-screenful"
    other = elsewhere(customer)
    enrol(stack, customer)
    enrol(stack, other)
    stack.wait()
    worker = stack.process("worker")["pid"]
    numbers = halt(stack, customer)

    ((partition, reason),) = query(stack, HALTED)
    assert partition == partition_of(customer)
    assert "10 rows in a row cannot be used" in reason
    assert statuses(stack, customer) == ["open"] * 10

    # Others go on, and everybody who asks is told.
    insert(stack, row(other, "D-1", BILLED, "90.00", transaction_due_date=DUE))
    insert(stack, row(other, "D-1", PAID, "-90.00", payment=True))
    eventually(lambda: total(stack, other) == 90)
    waited = stack.command("wait", "--timeout", "60", check=False)
    assert waited.returncode == 1
    assert f"{INVOICES.name}/{partition} is halted since" in waited.stderr
    assert "rewards dead-letters" in waited.stderr
    found = listed(stack)
    assert {(one["topic"], one["partition"]) for one in found if one["halted_at"]} == {(INVOICES.name, partition)}
    assert {one["row_id"] for one in found if one["halted_at"]} == set(numbers[:10])
    shown = stack.command("dead-letters", "list").stdout
    assert f"{INVOICES.name}/{partition} is halted since" in shown
    assert "missing_value: transaction_amount is NULL" in shown

    status = stack.command("status", "--json", check=False)
    assert status.returncode == 1
    assert [one["partition"] for one in json.loads(status.stdout)["halted_partitions"]] == [partition]
    assert "rewards dead-letters accept" in stack.command("status", check=False).stdout.replace("\n", " ")
    measured = json.loads(stack.command("lag", "--once", "--json").stdout)
    said = {(one["topic"], one["partition"]): one["status"] for one in measured}
    assert [place for place, word in said.items() if word == "halted"] == [(INVOICES.name, partition)]

    # Neither a restart nor another worker begins anew.
    stack.command("restart", "worker")
    eventually(lambda: stack.process("worker")["pid"] not in {None, worker})
    insert(stack, row(other, "D-2", BILLED, "5.00", transaction_due_date=DUE))
    insert(stack, row(other, "D-2", PAID, "-5.00", payment=True))
    eventually(lambda: total(stack, other) == 95, timeout=60)
    assert [found[0] for found in query(stack, HALTED)] == [partition]

    accepted = stack.command("dead-letters", "accept", "--all")
    assert accepted.stdout == "10 accepted.\n"
    stack.wait()
    assert query(stack, HALTED) == []
    assert statuses(stack, customer) == ["accepted"] * 10 + ["open"] * 10
    again = stack.command("dead-letters", "accept", *(str(number) for number, *_ in letters(stack, customer)[:10]))
    assert "10 were accepted before" in again.stdout

    insert(stack, *payments(customer, 20))
    correct(stack, customer)
    assert points(stack, customer) == {"SBM": (200, 0)}
    assert statuses(stack, customer) == ["accepted"] * 10 + ["superseded"] * 10
    assert from_scratch.differences(stack.address("warehouse"), stack.address("rewards")) == []


def test_stack_with_a_halted_partition_starts_and_bounds_what_waits_in_memory(stack: Stack) -> None:
    customer = "C-many-behind"
    other = elsewhere(customer)
    enrol(stack, customer)
    enrol(stack, other)
    stack.wait()
    halt(stack, customer)
    with stack.cursor("warehouse") as cursor:
        for first in range(0, 3_000, 1_000):
            many = [
                each
                for number in range(first, first + 1_000)
                for each in (
                    row(customer, f"M-{number}", BILLED, "2.00", transaction_due_date=DUE),
                    row(customer, f"M-{number}", PAID, "-2.00", payment=True),
                )
            ]
            insert_with(cursor, *many)
    stack.down()
    stack.up("--no-feed", "--business-date", STARTED_ON.isoformat())
    assert stack.process("worker")["state"] == "running"
    insert(stack, row(other, "D-1", BILLED, "90.00", transaction_due_date=DUE))
    insert(stack, row(other, "D-1", PAID, "-90.00", payment=True))
    eventually(lambda: total(stack, other) == 90, timeout=60)
    assert len(query(stack, HALTED)) == 1
    eventually(lambda: _lag(stack, customer) > 6_000)

    stack.command("dead-letters", "accept", "--all")
    assert points(stack, customer) == {"SBM": (6_000, 0)}
    execute(stack, "warehouse", "DELETE FROM invoice_transactions WHERE customer_master_id = %s", customer)
    assert points(stack, customer) == {"SBM": (0, 0)}
    assert "superseded" in statuses(stack, customer)
    assert "open" not in statuses(stack, customer)


def _lag(stack: Stack, customer: str) -> int:
    ((found,),) = query(
        stack,
        "SELECT lag_records FROM consumer_lag WHERE topic = %s AND partition = %s",
        INVOICES.name,
        partition_of(customer),
    )
    return int(found)


def test_rows_that_are_corrected_let_their_partition_go_on_by_itself(stack: Stack) -> None:
    customer = "C-corrected"
    enrol(stack, customer)
    stack.wait()
    halt(stack, customer)
    insert(stack, *payments(customer, 20))
    correct(stack, customer)
    assert points(stack, customer) == {"SBM": (200, 0)}
    assert query(stack, HALTED) == []
    assert statuses(stack, customer) == ["superseded"] * 20
    assert from_scratch.differences(stack.address("warehouse"), stack.address("rewards")) == []


def test_discarded_rows_need_a_reason_and_let_their_partition_go_on(stack: Stack) -> None:
    customer = "C-discarded"
    enrol(stack, customer)
    stack.wait()
    numbers = halt(stack, customer, 12)
    chosen = [str(number) for number, *_ in letters(stack, customer)]
    assert stack.command("dead-letters", "discard", *chosen, check=False).returncode == 2
    assert stack.command("dead-letters", "discard", *chosen, "--reason", " ", check=False).returncode == 1
    stack.command("dead-letters", "discard", *chosen, "--reason", "a trial of the ERP")
    stack.wait()
    assert query(stack, HALTED) == []
    assert statuses(stack, customer) == ["discarded"] * 10 + ["open"] * 2
    ((note, by),) = query(
        stack, "SELECT DISTINCT note, decided_by IS NOT NULL FROM dead_letters WHERE status = 'discarded'"
    )
    assert (note, by) == ("a trial of the ERP", True)
    otherwise = stack.command("dead-letters", "accept", chosen[0], check=False)
    assert otherwise.returncode == 1
    assert "it is discarded already" in otherwise.stderr
    execute(stack, "warehouse", "DELETE FROM invoice_transactions WHERE transaction_id = ANY(%s)", numbers)
    stack.wait()
    assert statuses(stack, customer) == ["discarded"] * 10 + ["superseded"] * 2


def test_letter_that_can_be_used_by_now_counts_when_it_is_tried_again(stack: Stack) -> None:
    customer = "C-retried"
    enrol(stack, customer)
    insert(stack, *without_amount(customer, 2), *payments(customer, 2))
    stack.wait()
    numbers = [str(number) for number, *_ in letters(stack, customer)]
    still = stack.command("dead-letters", "retry", *numbers, check=False)
    assert still.returncode == 1
    assert "it cannot be used still: missing_value" in still.stderr
    assert statuses(stack, customer) == ["open"] * 2

    # As if a new version of the program could read them.
    execute(
        stack,
        "rewards",
        "UPDATE dead_letters SET value = convert_to(replace(convert_from(value, 'UTF8'), '\"transaction_amount\":null',"
        " '\"transaction_amount\":\"10.00\"'), 'UTF8') WHERE key = %s",
        customer_key(customer),
    )
    stack.command("dead-letters", "retry", *numbers)
    assert statuses(stack, customer) == ["retried"] * 2
    assert points(stack, customer) == {"SBM": (20, 0)}
    correct(stack, customer)
    assert points(stack, customer) == {"SBM": (20, 0)}
    assert from_scratch.differences(stack.address("warehouse"), stack.address("rewards")) == []


def test_letter_without_bytes_names_the_command_that_sends_its_row_again(stack: Stack) -> None:
    customer = "C-touched"
    enrol(stack, customer)
    stack.wait()
    ((number),) = insert(stack, *without_amount(customer, 1))
    eventually(lambda: statuses(stack, customer) == ["open"])
    execute(stack, "rewards", "UPDATE dead_letters SET value = NULL WHERE key = %s", customer_key(customer))
    ((letter, *_),) = letters(stack, customer)
    refused = stack.command("dead-letters", "retry", str(letter), check=False)
    assert refused.returncode == 1
    command = refused.stderr.split("`")[1]
    assert str(number) in command
    execute(stack, "warehouse", command)
    eventually(lambda: statuses(stack, customer) == ["superseded", "open"])
    execute(stack, "warehouse", "DELETE FROM invoice_transactions WHERE transaction_id = %s", number)
    stack.wait()


def test_letter_of_a_record_above_a_megabyte_is_forwarded_with_its_size(stack: Stack) -> None:
    """A producer takes a megabyte: the worker tried to forward such a letter again and again, for ever."""
    customer = "C-large-letter"
    enrol(stack, customer)
    stack.wait()
    partition, size = partition_of(customer), 2 * LETTER_BYTES_MAX
    begin = _ends(stack)[partition]
    producer = KafkaProducer(**stack.kafka.options(), max_request_size=16_000_000)
    try:
        for bytes_ in (size, 3_000_000):
            producer.send(INVOICES.name, b'"' * bytes_, customer_key(customer), partition=partition).get(30)
    finally:
        producer.close()
    insert(stack, row(customer, "D-1", BILLED, "7.00", transaction_due_date=DUE))
    insert(stack, row(customer, "D-1", PAID, "-7.00", payment=True))
    assert points(stack, customer) == {"SBM": (7, 0)}
    eventually(lambda: _ends(stack)[partition] >= begin + 2)
    said = [json.loads(value)["value"] for value in _read(stack, partition, begin)]
    assert said == [{"bytes": size}, {"bytes": 3_000_000}]
    assert query(
        stack, "SELECT length(value) FROM dead_letters WHERE key = %s ORDER BY id", customer_key(customer)
    ) == [(size,), (3_000_000,)]
    shown = stack.command("dead-letters", "list", "--json").stdout
    assert len(shown) < 1_000_000
    stack.command("dead-letters", "accept", "--all")


def _ends(stack: Stack) -> dict[int, int]:
    consumer = KafkaConsumer(**stack.kafka.options())
    try:
        partitions = [TopicPartition(DEAD_LETTERS.name, number) for number in range(DEAD_LETTERS.partitions)]
        return {one.partition: end for one, end in consumer.end_offsets(partitions).items()}
    finally:
        consumer.close()


def _read(stack: Stack, partition: int, begin: int) -> list[bytes]:
    consumer = KafkaConsumer(**stack.kafka.options(), consumer_timeout_ms=3_000)
    try:
        place = TopicPartition(DEAD_LETTERS.name, partition)
        consumer.assign([place])
        consumer.seek(place, begin)
        return [record.value for record in consumer]
    finally:
        consumer.close()
