"""What the broker says of topics that are read: which one stands under a name, and what it holds. By kafka-python; reads no record."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import GroupIdNotFoundError, KafkaError, NoError, UnknownTopicOrPartitionError

from streams.errors import TransientError
from streams.kafka_access import KafkaAccess

if TYPE_CHECKING:
    from collections.abc import Collection

REQUEST_MS: Final = 5_000


@dataclass(frozen=True, slots=True)
class PartitionState:
    """A partition of a topic."""

    earliest: int
    """Offset of the first record that is there."""
    end: int
    """Offset that the next record gets."""


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as it stands. Made anew under the same name, it has another id."""

    id: str
    partitions: dict[int, PartitionState]


class TopicReader:
    """Asks the broker; the connection is kept between questions. Not for two threads at once."""

    def __init__(self, kafka: KafkaAccess) -> None:
        self._kafka = kafka
        self._admin: Any = None

    def read(self, names: Collection[str]) -> dict[str, TopicState]:
        """Return those of the topics that exist.

        Raises:
            TransientError: the broker does not answer; the next question connects anew.
        """
        try:
            admin = self._connected()
            described = admin.describe_topics(list(names))
            unreadable = [one for one in described if one["error_code"] not in {0, UnknownTopicOrPartitionError.errno}]
            if unreadable:
                raise TransientError(
                    f"Kafka: topic {unreadable[0]['name']} cannot be read now (error {unreadable[0]['error_code']})"
                )
            there = [one for one in described if not one["error_code"]]
            places = [
                TopicPartition(one["name"], part["partition_index"]) for one in there for part in one["partitions"]
            ]
            found = {one["name"]: TopicState(str(one["topic_id"]), {}) for one in there}
            if places:
                earliest = admin.list_partition_offsets(dict.fromkeys(places, OffsetSpec.EARLIEST))
                ends = admin.list_partition_offsets(dict.fromkeys(places, OffsetSpec.LATEST))
                for place in places:
                    state = PartitionState(earliest[place].offset, ends[place].offset)
                    found[place.topic].partitions[place.partition] = state
        except (KafkaError, OSError) as error:
            self.close()
            raise TransientError(f"Kafka at {self._kafka.bootstrap}: {error}") from error
        return found

    def members(self, group: str) -> list[str]:
        """Return who reads as a consumer group now, by client and machine.

        Raises:
            TransientError: the broker does not answer.
        """
        try:
            found = self._connected().describe_groups([group])[group]["members"]
        except (KafkaError, OSError) as error:
            self.close()
            raise TransientError(f"Kafka at {self._kafka.bootstrap}: {error}") from error
        return [f"{member['client_id']}@{member['client_host'].lstrip('/')}" for member in found]

    def forget_offsets(self, group: str, places: Collection[tuple[str, int]]) -> None:
        """Delete what a group has committed of these partitions; of no effect where nothing is.

        Raises:
            TransientError: the broker does not answer, or refuses since the group has members again.
        """
        try:
            answers = self._connected().delete_group_offsets(group, [TopicPartition(*place) for place in places])
        except GroupIdNotFoundError:
            return
        except (KafkaError, OSError) as error:
            self.close()
            raise TransientError(f"Kafka at {self._kafka.bootstrap}: {error}") from error
        refused = [f"{place.topic}/{place.partition}" for place, error in answers.items() if error is not NoError]
        if refused:
            raise TransientError(f"Kafka did not forget the committed offsets of {', '.join(refused)}")

    def close(self) -> None:
        """End the connection; the next question makes another."""
        admin, self._admin = self._admin, None
        if admin is not None:
            admin.close()

    def _connected(self) -> Any:  # noqa: ANN401 -- kafka-python has no types
        if self._admin is None:
            # kafka-python leaves a thread behind for every client that finds nobody, so nobody is looked for in vain.
            reach_one(self._kafka.servers)
            self._admin = KafkaAdminClient(
                **self._kafka.options(),
                request_timeout_ms=REQUEST_MS,
                bootstrap_timeout_ms=REQUEST_MS,
            )
        return self._admin


def reach_one(servers: list[str]) -> None:
    """Return once one of the addresses accepts a connection; raises the last one's OSError."""
    for place, server in enumerate(servers, start=1):
        host, _, port = server.strip().rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=2).close()
        except OSError:
            if place == len(servers):
                raise
        else:
            return
