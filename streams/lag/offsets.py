"""What the broker knows of offsets and owners, by kafka-python. Only reads: it joins no group and commits nothing."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import KafkaError, UnknownTopicOrPartitionError

from streams.errors import TransientError
from streams.kafka_access import KafkaAccess
from streams.lag.status import Offsets
from streams.topic_state import reach_one

CLIENT_ID: Final = "rewards-lag"
REQUEST_TIMEOUT_MS: Final = 5_000
READ_SECONDS_MAX: Final = 0.5
"""How long one measurement waits for the first records; what is missing then is read the next time."""
FETCH_BYTES: Final = 512 * 1024
"""Of a partition at a time; one record is wanted, and the broker sends whole batches (256 KB at most from Connect)."""


@contextmanager
def faults() -> Iterator[None]:
    """Every error of the broker or of the way to it is the world's: measured again later."""
    try:
        yield
    except (KafkaError, OSError) as error:
        raise TransientError(f"Kafka: {error}") from error


class BrokerReader:
    """Two clients: one that asks for offsets and groups, one that reads single records.

    Raises:
        TransientError: from every method, when the broker does not answer.
    """

    def __init__(self, kafka: KafkaAccess) -> None:
        access = kafka.options()
        with faults():
            # kafka-python leaves a thread behind for every client that finds nobody, so nobody is looked for in vain.
            reach_one(kafka.servers)
            self._admin = KafkaAdminClient(
                **access,
                client_id=CLIENT_ID,
                request_timeout_ms=REQUEST_TIMEOUT_MS,
                bootstrap_timeout_ms=REQUEST_TIMEOUT_MS,
                reconnect_backoff_max_ms=2_000,
            )
            self._consumer = KafkaConsumer(
                **access,
                client_id=CLIENT_ID,
                group_id=None,
                enable_auto_commit=False,
                allow_auto_create_topics=False,
                auto_offset_reset="earliest",
                max_partition_fetch_bytes=FETCH_BYTES,
                # What was fetched ahead for the last measurement is thrown away bit by bit in the next one: a fetch or
                # a pause of the default lengths in between would take longer than there is.
                fetch_max_wait_ms=5,
                retry_backoff_ms=5,
                request_timeout_ms=REQUEST_TIMEOUT_MS,
                bootstrap_timeout_ms=REQUEST_TIMEOUT_MS,
                reconnect_backoff_max_ms=2_000,
            )

    def close(self) -> None:
        """Close both clients."""
        with faults():
            self._consumer.close(timeout_ms=1_000)
            self._admin.close()

    def offsets(self, group: str, topics: Iterable[str]) -> list[Offsets]:
        """Offsets of every partition of the topics that exist, in the order of topic and partition."""
        with faults():
            partitions = self._partitions(topics)
            if not partitions:
                return []
            # Committed offsets first and ends last: a group that moves meanwhile never seems to be ahead of the end.
            committed = self._admin.list_group_offsets({group: partitions})[group]
            beginnings = self._admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.EARLIEST))
            ends = self._admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.LATEST))
        return [
            Offsets(
                topic=partition.topic,
                partition=partition.partition,
                beginning=beginnings[partition].offset,
                end=ends[partition].offset,
                committed=_known(committed, partition),
            )
            for partition in partitions
        ]

    def owners(self, group: str) -> dict[tuple[str, int], str]:
        """Which client reads which partition: its name, its machine and the end of its member id."""
        with faults():
            members: list[dict[str, Any]] = self._admin.describe_groups([group])[group]["members"]
        return {
            (assigned["topic"], partition): _name(member)
            for member in members
            if member["member_assignment"]
            for assigned in member["member_assignment"]["assigned_partitions"]
            for partition in assigned["partitions"]
        }

    def written_at(self, starts: Mapping[tuple[str, int], int]) -> dict[tuple[str, int], dt.datetime]:
        """When the first record at or after each offset was written; what cannot be read at once is left out."""
        found: dict[tuple[str, int], dt.datetime] = {}
        if not starts:
            return found
        with faults():
            self._assign({TopicPartition(*partition) for partition in starts})
            for partition, offset in starts.items():
                self._consumer.seek(TopicPartition(*partition), offset)
                self._consumer.resume(TopicPartition(*partition))
            deadline = time.monotonic() + READ_SECONDS_MAX
            waiting = set(starts)
            while waiting and (left := deadline - time.monotonic()) > 0:
                for partition, records in self._consumer.poll(timeout_ms=int(left * 1000), max_records=1).items():
                    # One record is enough: the others' turn comes sooner without this one.
                    self._consumer.pause(partition)
                    waiting.discard((partition.topic, partition.partition))
                    if records[0].timestamp >= 0:
                        moment = dt.datetime.fromtimestamp(records[0].timestamp / 1000, dt.UTC)
                        found[partition.topic, partition.partition] = moment
            self._consumer.pause(*(TopicPartition(*partition) for partition in waiting))
        return found

    def _assign(self, partitions: set[TopicPartition]) -> None:
        """Have at least these partitions, paused. An assignment costs a round of metadata, so it is only widened."""
        assigned: set[TopicPartition] = self._consumer.assignment()
        if not partitions <= assigned:
            self._consumer.assign(sorted(partitions | assigned))
            self._consumer.pause(*self._consumer.assignment())

    def _partitions(self, topics: Iterable[str]) -> list[TopicPartition]:
        described: list[dict[str, Any]] = self._admin.describe_topics(list(topics))
        for topic in described:
            if topic["error_code"] not in {0, UnknownTopicOrPartitionError.errno}:
                raise TransientError(f"Kafka: topic {topic['name']} cannot be read now (error {topic['error_code']})")
        return sorted(
            TopicPartition(topic["name"], partition["partition_index"])
            for topic in described
            for partition in topic["partitions"]
        )


def _known(committed: Mapping[TopicPartition, Any], partition: TopicPartition) -> int | None:
    """The committed offset; the broker answers -1 for none."""
    found = committed.get(partition)
    return None if found is None or found.offset < 0 else int(found.offset)


def _name(member: Mapping[str, Any]) -> str:
    return f"{member['client_id']}@{member['client_host'].lstrip('/')}#{member['member_id'][-8:]}"
