"""Makes the topics of topics.py exist before anything starts, with kafka-python's admin client."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic
from kafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError, TopicAlreadyExistsError

from streams.errors import InvariantError, TransientError, TransientKind
from streams.kafka_access import KafkaAccess
from streams.retry_policy import GaveUpError, Policy, Retries
from streams.topics import RECORD_BYTES_MAX, TopicSpec

if TYPE_CHECKING:
    from collections.abc import Iterable

logger = logging.getLogger(__name__)

DAY_MS: Final = 86_400_000
COMPACTED: Final = {"segment.bytes": "1048576", "segment.ms": "600000", "min.cleanable.dirty.ratio": "0.1"}
"""A worker reads all of a changelog before it begins, and the segment that is being written is never compacted: Kafka's own limits, a
gigabyte or a week, would keep it from work for minutes."""


class Ensured(NamedTuple):
    """What was not as topics.py has it, and is now."""

    created: list[str]
    altered: dict[str, dict[str, str]]
    """Topic -> the settings that differed, with the values that they have now."""


def ensure_topics(kafka: KafkaAccess, topics: Iterable[TopicSpec], *, timeout_seconds: float = 60.0) -> Ensured:
    """Create the topics that are missing, and give the others the settings that a new one would have.

    Raises:
        TransientError: no broker answers in time.
        InvariantError: a topic exists with another number of partitions: its customers' keys would be spread differently.
    """
    admin = _connect(kafka, timeout_seconds)
    try:
        created: list[str] = []
        existing: list[TopicSpec] = []
        for topic in topics:
            try:
                admin.create_topics([_new_topic(topic)])
                created.append(topic.name)
            except TopicAlreadyExistsError:
                _check_partitions(admin, topic)
                existing.append(topic)
        return Ensured(created, _alter(admin, existing))
    except KafkaError as error:
        raise TransientError(f"Kafka: {error}") from error
    finally:
        admin.close()


def _connect(kafka: KafkaAccess, timeout_seconds: float) -> Any:  # noqa: ANN401 -- kafka-python has no types
    retries = Retries(
        failing=f"no Kafka broker answers at {kafka.bootstrap}",
        working="a Kafka broker answers",
        logger=logger,
        on=(KafkaConnectionError, KafkaTimeoutError),
        policies={TransientKind.AWAY: Policy(0.25, 2.0, seconds_max=timeout_seconds)},
    )
    try:
        return retries.call(lambda: KafkaAdminClient(**kafka.options()))
    except GaveUpError as error:
        raise TransientError(f"no Kafka broker answers at {kafka.bootstrap}: {error.__cause__}") from error


def _new_topic(topic: TopicSpec) -> Any:  # noqa: ANN401 -- kafka-python has no types
    return NewTopic(
        topic.name, num_partitions=topic.partitions, replication_factor=-1, topic_configs=topic_settings(topic)
    )


def topic_settings(topic: TopicSpec) -> dict[str, str]:
    """Return what a topic is created with; the connector files have the same for the topics that Connect may create."""
    retention = -1 if topic.retention_days is None else topic.retention_days * DAY_MS
    return {"cleanup.policy": topic.cleanup_policy, "max.message.bytes": str(RECORD_BYTES_MAX)} | (
        {"retention.ms": str(retention)} if topic.cleanup_policy == "delete" else COMPACTED
    )


def _alter(admin: Any, topics: list[TopicSpec]) -> dict[str, dict[str, str]]:  # noqa: ANN401 -- kafka-python has no types
    """Set what differs from topics.py; what it does not name is whoever's runs the broker."""
    wanted = {topic.name: topic_settings(topic) for topic in topics}
    if not wanted:
        return {}
    asked = [ConfigResource(ConfigResourceType.TOPIC, name, settings) for name, settings in wanted.items()]
    found = admin.describe_configs(asked, config_filter="all")["topic"]
    differing = {
        name: {setting: value for setting, value in settings.items() if found[name][setting]["value"] != value}
        for name, settings in wanted.items()
    }
    altered = {name: settings for name, settings in differing.items() if settings}
    if altered:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, *one) for one in altered.items()])
    return altered


def _check_partitions(admin: Any, topic: TopicSpec) -> None:  # noqa: ANN401 -- kafka-python has no types
    described = admin.describe_topics([topic.name])[0]
    found = len(described["partitions"])
    if found != topic.partitions:
        raise InvariantError(
            f"topic {topic.name} has {found} partitions, and {topic.partitions} are expected; it cannot be changed in place."
            f" Delete it (kafka-topics.sh --delete --topic {topic.name}), then run `rewards topics`, `rewards topics adopt` and"
            " `rewards connectors resnapshot`"
        )
