"""Lag as a real broker tells it: offsets, owners, ages, and what retention takes away."""

from __future__ import annotations

import contextlib
import datetime as dt
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

from streams import topics
from streams.errors import TransientError
from streams.kafka_access import KafkaAccess
from streams.lag.measure import Measurement, Meter
from streams.lag.offsets import BrokerReader
from tests.stack import Stack, eventually

PROJECT = Path(__file__).resolve().parents[2]
TOPIC = "lag-tests"
"""Of the tests' own, and read by no worker: on a shared stack nobody else is disturbed."""
AGENTS = {TOPIC: "invoices"}


def rewards(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "cli", *arguments], cwd=PROJECT, check=True, capture_output=True, timeout=240)


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaAccess]:
    """A broker and nothing else of the stack."""
    folder = tmp_path_factory.mktemp("lag")
    try:
        rewards("up", "--detach", "--data", str(folder), "--only", "kafka")
        access = Stack(folder).kafka
        admin = KafkaAdminClient(**access.options())
        admin.create_topics([NewTopic(TOPIC, topics.PARTITIONS, 1)])
        admin.close()
        yield access
    finally:
        Stack(folder).discard()


@pytest.fixture
def reader(kafka: KafkaAccess) -> Iterator[BrokerReader]:
    reader = BrokerReader(kafka)
    yield reader
    reader.close()


@pytest.fixture
def producer(kafka: KafkaAccess) -> Iterator[KafkaProducer]:
    producer = KafkaProducer(**kafka.options())
    yield producer
    producer.close()


@pytest.fixture
def group(request: pytest.FixtureRequest) -> str:
    """A consumer group of the test's own."""
    return str(request.node.name)


def measured(reader: BrokerReader, group: str) -> dict[int, Measurement]:
    """By partition, once everything that waits could be read."""
    return complete(Meter(group, AGENTS), reader)


def complete(meter: Meter, reader: BrokerReader) -> dict[int, Measurement]:
    """The first measurement that left nothing out.

    The first call after a broker's start may find no coordinator yet, and a busy machine may take longer than a measurement
    waits for records: it says so in `unmeasured`.
    """
    deadline = time.monotonic() + 60
    while True:
        assert time.monotonic() < deadline, "no coordinator, or records that cannot be read"
        with contextlib.suppress(TransientError):
            found = meter.measure(reader, dt.datetime.now(dt.UTC))
            if not any(measurement.unmeasured for measurement in found):
                return {measurement.partition: measurement for measurement in found}
        time.sleep(0.1)


def append(producer: KafkaProducer, partition: int, count: int) -> None:
    for _ in range(count):
        producer.send(TOPIC, value=b"x", partition=partition)
    producer.flush()


@contextlib.contextmanager
def consumed(kafka: KafkaAccess, group: str) -> Iterator[KafkaConsumer]:
    """A consumer that has joined, read and committed everything."""
    consumer = KafkaConsumer(
        **kafka.options(), group_id=group, client_id="worker",
        auto_offset_reset="earliest", enable_auto_commit=False,
    )  # fmt: skip
    with contextlib.closing(consumer):
        # It would join before it has heard of the topic, be assigned nothing, and may never join again.
        eventually(lambda: consumer.partitions_for_topic(TOPIC))
        consumer.subscribe([TOPIC])
        catch_up(consumer)
        yield consumer


def catch_up(consumer: KafkaConsumer) -> None:
    """Read and commit everything."""
    deadline = time.monotonic() + 60
    while not consumer.assignment():
        assert time.monotonic() < deadline, "the consumer joins no group"
        consumer.poll(timeout_ms=200)
    ends = consumer.end_offsets(list(consumer.assignment()))
    while left := {each: end for each, end in ends.items() if consumer.position(each) < end}:
        assert time.monotonic() < deadline, f"the consumer does not reach {left}"
        consumer.poll(timeout_ms=200)
    consumer.commit()


def test_every_partition_is_measured_as_its_agent(reader: BrokerReader, group: str) -> None:
    found = measured(reader, group)
    assert set(found) == set(range(topics.PARTITIONS))
    assert {(each.agent, each.topic, each.consumer_group) for each in found.values()} == {("invoices", TOPIC, group)}


def test_group_that_never_read_is_behind_by_everything(
    reader: BrokerReader, producer: KafkaProducer, group: str
) -> None:
    append(producer, 2, 5)
    found = measured(reader, group)[2]
    assert (found.committed_offset, found.lag_records, found.status) == (None, found.end_offset, "unowned")
    assert 0 < found.lag_seconds < 60


def test_committed_group_has_no_lag_and_an_owner_until_more_comes(
    kafka: KafkaAccess, reader: BrokerReader, producer: KafkaProducer, group: str
) -> None:
    append(producer, 3, 4)
    with consumed(kafka, group):
        found = measured(reader, group)
        assert {each.lag_records for each in found.values()} == {0}
        assert {each.lag_seconds for each in found.values()} == {0.0}
        assert all((each.member or "").startswith("worker@127.0.0.1#") for each in found.values())
        append(producer, 3, 7)
        found = measured(reader, group)
        assert (found[3].lag_records, found[3].member is None) == (7, False)
        assert found[4].lag_records == 0
    assert measured(reader, group)[3].status == "unowned"


def test_all_partitions_are_read_again_as_the_group_moves(
    kafka: KafkaAccess, reader: BrokerReader, producer: KafkaProducer, group: str
) -> None:
    meter = Meter(group, AGENTS)
    with consumed(kafka, group) as consumer:
        for _ in range(5):
            consumer.poll(timeout_ms=200)
            consumer.commit()
            for partition in range(topics.PARTITIONS):
                append(producer, partition, 3)
            assert all(each.lag_records >= 3 for each in complete(meter, reader).values())


def test_deleted_records_are_no_lag(
    kafka: KafkaAccess, reader: BrokerReader, producer: KafkaProducer, group: str
) -> None:
    with consumed(kafka, group):
        pass
    append(producer, 6, 10)
    end = measured(reader, group)[6].end_offset
    admin = KafkaAdminClient(**kafka.options())
    admin.delete_records({TopicPartition(TOPIC, 6): end - 2})
    admin.close()
    found = measured(reader, group)[6]
    assert found.lag_records == 2
    assert (found.committed_offset or 0) < end - 2


def test_missing_topic_is_not_measured(reader: BrokerReader, group: str) -> None:
    measured(reader, group)
    assert reader.offsets(group, ["no.such.topic"]) == []


def test_absent_broker_is_a_transient_error() -> None:
    with pytest.raises(TransientError):
        BrokerReader(KafkaAccess("127.0.0.1:1"))
