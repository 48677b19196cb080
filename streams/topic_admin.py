"""Makes the topics of topics.py exist before anything starts, with kafka-python's admin client."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from kafka import KafkaAdminClient
from kafka.admin import NewTopic
from kafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError, TopicAlreadyExistsError

from streams.errors import InvariantError, TransientError
from streams.topics import TopicSpec

if TYPE_CHECKING:
    from collections.abc import Iterable

DAY_MS: Final = 86_400_000
COMPACTED: Final = {"segment.bytes": "1048576", "segment.ms": "600000", "min.cleanable.dirty.ratio": "0.1"}
"""A worker reads all of a changelog before it begins, and the segment that is being written is never compacted: Kafka's own limits, a
gigabyte or a week, would keep it from work for minutes."""


def ensure_topics(bootstrap: str, topics: Iterable[TopicSpec], *, timeout_seconds: float = 60.0) -> list[str]:
    """Create what is missing and return its names; what exists is checked.

    Raises:
        TransientError: no broker answers in time.
        InvariantError: a topic exists with another number of partitions: its customers' keys would be spread differently.
    """
    admin = _connect(bootstrap, timeout_seconds)
    try:
        created = []
        for topic in topics:
            try:
                admin.create_topics([_new_topic(topic)])
                created.append(topic.name)
            except TopicAlreadyExistsError:
                _check_partitions(admin, topic)
    except KafkaError as error:
        raise TransientError(f"Kafka: {error}") from error
    else:
        return created
    finally:
        admin.close()


def _connect(bootstrap: str, timeout_seconds: float) -> Any:  # noqa: ANN401 -- kafka-python has no types
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            return KafkaAdminClient(bootstrap_servers=bootstrap)
        except (KafkaConnectionError, KafkaTimeoutError) as error:
            if time.monotonic() > deadline:
                raise TransientError(f"no Kafka broker answers at {bootstrap}: {error}") from error
            time.sleep(0.5)


def _new_topic(topic: TopicSpec) -> Any:  # noqa: ANN401 -- kafka-python has no types
    retention = -1 if topic.retention_days is None else topic.retention_days * DAY_MS
    configs: dict[str, str] = {"cleanup.policy": topic.cleanup_policy}
    if topic.cleanup_policy == "delete":
        configs["retention.ms"] = str(retention)
    else:
        configs |= COMPACTED
    return NewTopic(topic.name, num_partitions=topic.partitions, replication_factor=-1, topic_configs=configs)


def _check_partitions(admin: Any, topic: TopicSpec) -> None:  # noqa: ANN401 -- kafka-python has no types
    described = admin.describe_topics([topic.name])[0]
    found = len(described["partitions"])
    if found != topic.partitions:
        raise InvariantError(
            f"topic {topic.name} has {found} partitions, and {topic.partitions} are expected; it cannot be changed in place"
        )
