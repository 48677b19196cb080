"""The connectors of the shared stack: registered, idempotent, without a secret in sight, and what they send."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition

from connectors.rest import ConnectRest
from connectors.watermarks import partition_of
from streams import topics
from tests.stack import Stack, eventually

Places = dict[TopicPartition, int]
SNAPSHOT_RECORDS_MAX = 200
"""Of a partition: the shared stack starts with no rows, so that its snapshot holds little but the watermarks."""


def _ends(stack: Stack, topic: str) -> Places:
    """The end offsets of a topic's partitions."""
    consumer = KafkaConsumer(**stack.kafka.options(), enable_auto_commit=False)
    try:
        found: Places = consumer.end_offsets(
            [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
        )
        return found
    finally:
        consumer.close()


def _records(stack: Stack, since: Places, until: Places) -> list[Any]:
    """What stands in a topic between these offsets, by partition and offset."""
    consumer = KafkaConsumer(**stack.kafka.options(), enable_auto_commit=False)
    try:
        consumer.assign(list(since))
        for partition, offset in since.items():
            consumer.seek(partition, offset)
        found = []
        while any(consumer.position(one) < until[one] for one in since):
            found += [record for batch in consumer.poll(timeout_ms=500).values() for record in batch]
        return sorted(found, key=lambda record: (record.partition, record.offset))
    finally:
        consumer.close()


def _event(record: Any) -> dict[str, Any]:
    """The change event of a record; of a tombstone, and of what other tests wrote there that is none, one of no operation."""
    try:
        event: dict[str, Any] = json.loads(record.value or b"{}")
    except json.JSONDecodeError:
        event = {}
    return {"op": None, "after": None, **event}


def test_everything_runs(stack: Stack) -> None:
    status = stack.status

    states = {one["name"]: one["state"] for one in status["processes"]}
    assert states == dict.fromkeys(("supervisor", "postgres", "kafka", "connect", "worker", "lag", "api"), "running")
    assert status["state"] == "running"


def test_connectors_that_run_are_left_alone_by_another_apply(stack: Stack) -> None:
    applied = json.loads(stack.command("connectors", "apply", "--json").stdout)

    assert [(one["name"], one["state"], one["tasks"]) for one in applied] == [
        ("warehouse", "RUNNING", ["RUNNING"]),
        ("rewards", "RUNNING", ["RUNNING"]),
    ]
    said = json.loads(stack.command("connectors", "status", "--json").stdout)
    # All but the age of the last record.
    assert [one | {"last_record_age_seconds": 0} for one in said] == [
        one | {"last_record_age_seconds": 0} for one in applied
    ]
    assert [one["findings"] for one in said] == [[], []]
    assert all(0 <= one["last_record_age_seconds"] < 30 for one in said)


def test_no_password_leaves_the_connect_worker(stack: Stack) -> None:
    secrets = json.loads((stack.folder / "secrets.json").read_text())["passwords"]

    said = json.dumps(ConnectRest(stack.address("connect"), stack.files.tls_file).described())
    logs = "".join(path.read_text(errors="replace") for path in (stack.folder / "logs").iterdir())

    assert "${env:REWARDS_CAPTURE_WAREHOUSE_PASSWORD}" in said
    assert not [role for role, password in secrets.items() if password in said or password in logs]


@pytest.mark.parametrize("topic", [topics.INVOICES, topics.MEMBERSHIPS], ids=lambda topic: topic.name)
def test_watermark_ends_the_snapshot_in_every_partition(stack: Stack, topic: topics.TopicSpec) -> None:
    snapshot: dict[int, list[Any]] = {}
    ends = _ends(stack, topic.name)
    first = {partition: min(end, SNAPSHOT_RECORDS_MAX) for partition, end in ends.items()}
    for record in _records(stack, dict.fromkeys(ends, 0), first):
        value = _event(record)
        if value["op"] == "r":
            snapshot.setdefault(record.partition, []).append(value)

    assert sorted(snapshot) == list(range(topics.PARTITIONS))
    for values in snapshot.values():
        tables = [value["source"]["table"] for value in values]
        assert tables[-1] == "rewards_watermarks"
        assert tables.count("rewards_watermarks") == 1


def test_each_partition_gets_every_mark_about_once_a_second(stack: Stack) -> None:
    since = _ends(stack, topics.INVOICES.name)

    def marks() -> Counter[int]:
        found: Counter[int] = Counter()
        for record in _records(stack, since, _ends(stack, topics.INVOICES.name)):
            value = _event(record)
            if value["op"] == "u" and value["source"]["table"] == "rewards_watermarks":
                found[value["after"]["mark"]] += 1
                assert partition_of(value["after"]["customer_master_id"], topics.PARTITIONS) == record.partition
        return found

    assert eventually(lambda: {mark for mark, times in marks().items() if times == topics.PARTITIONS})


def test_connector_deleted_and_applied_again_goes_on_where_it_stopped(stack: Stack) -> None:
    since = _ends(stack, topics.INVOICES.name)

    def created() -> list[str]:
        values = [_event(one) for one in _records(stack, since, _ends(stack, topics.INVOICES.name))]
        return [one["op"] for one in values if (one["after"] or {}).get("transaction_id") == 990_017]

    stack.command("connectors", "delete")
    assert stack.command("connectors", "status", check=False).returncode == 1
    with stack.cursor("warehouse") as cursor:
        cursor.execute("INSERT INTO invoice_transactions (transaction_id) VALUES (990017)")

    stack.command("connectors", "apply")

    eventually(lambda: created() == ["c"])
    with stack.cursor("warehouse") as cursor:
        cursor.execute("DELETE FROM invoice_transactions WHERE transaction_id = 990017")
    stack.wait()
