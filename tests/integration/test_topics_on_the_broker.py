"""`rewards topics` on the broker of the shared stack: topics of an earlier version get today's settings, and take the largest records."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic

from streams.topic_admin import ensure_topics
from streams.topics import RECORD_BYTES_MAX, TopicSpec
from streams.worker.publisher import Publisher
from tests.stack import Stack

OVERHEAD = 1_024
"""Of a batch with a single record, and of the record."""


@pytest.fixture
def admin(stack: Stack) -> Iterator[Any]:
    client = KafkaAdminClient(**stack.kafka.options())
    yield client
    client.close()


@pytest.fixture
def topic(admin: Any) -> Iterator[TopicSpec]:
    """A topic as an earlier version made it, with a setting by whoever runs the broker."""
    name = f"test.topics.{secrets.token_hex(4)}"
    settings = {
        "cleanup.policy": "delete",
        "retention.ms": "-1",
        "max.message.bytes": "1048588",
        "segment.ms": "7000000",
    }
    admin.create_topics([NewTopic(name, 1, 1, topic_configs=settings)])
    yield TopicSpec(name, retention_days=1, partitions=1)
    admin.delete_topics([name])


def test_topic_of_an_earlier_version_gets_what_differs_and_keeps_the_rest(
    stack: Stack, admin: Any, topic: TopicSpec
) -> None:
    first, second = (ensure_topics(stack.kafka, [topic]) for _ in range(2))

    assert first == ([], {topic.name: {"max.message.bytes": str(RECORD_BYTES_MAX), "retention.ms": "86400000"}})
    assert second == ([], {})
    found = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic.name)])["topic"][topic.name]
    wanted = {"retention.ms": "86400000", "max.message.bytes": str(RECORD_BYTES_MAX), "segment.ms": "7000000"}
    assert wanted.items() <= {name: setting["value"] for name, setting in found.items()}.items()


def test_largest_record_is_taken_and_read_by_who_asks_for_less(stack: Stack, topic: TopicSpec) -> None:
    access = stack.kafka
    ensure_topics(access, [topic])
    largest = secrets.token_bytes(RECORD_BYTES_MAX - OVERHEAD)

    async def publish() -> None:
        publisher = Publisher(access, client_id="test")
        await publisher.start()
        try:
            await publisher.publish(topic.name, [(0, b"small", b"1"), (0, b"large", largest), (0, b"small", b"2")])
        finally:
            await publisher.stop()

    asyncio.run(publish())

    consumer = KafkaConsumer(**access.options(), max_partition_fetch_bytes=512 * 1024)
    try:
        partition = TopicPartition(topic.name, 0)
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        found: list[bytes] = []
        while consumer.position(partition) < 3:
            found += [record.value for batch in consumer.poll(timeout_ms=1000).values() for record in batch]
    finally:
        consumer.close()
    assert found == [b"1", largest, b"2"]
