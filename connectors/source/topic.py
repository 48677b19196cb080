"""Asks the broker about a connector's topic: which one it is, what stands in it, and when the last record came. Reads no record."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from typing import Any, Final

from connectors.errors import ConnectorsError
from connectors.kafka_access import KafkaAccess

REQUEST_MS: Final = 3000
BOOTSTRAP_MS: Final = 2000
LISTENER_SECONDS: Final = 1.0
MISSING: Final = 3
"""Kafka's UNKNOWN_TOPIC_OR_PARTITION."""
LATEST, EARLIEST, NEWEST = -1, -2, -3
"""What ListOffsets can be asked for: the end, the start, and the record with the largest timestamp."""


AGAIN: Final = 5
AGAIN_SECONDS: Final = 0.02


class BrokerUnreachableError(ConnectorsError):
    """Kafka does not answer."""


@dataclass(frozen=True, slots=True)
class PartitionState:
    """A partition of a topic."""

    start_offset: int
    end_offset: int
    newest_ms: int | None
    """When its last record was written (milliseconds since 1970); None where it holds none, or the broker does not say."""


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as it stands. Made anew under the same name, it has another id."""

    id: str
    partitions: dict[int, PartitionState]

    @property
    def ends(self) -> dict[int, int]:
        """Partition -> the offset that its next record gets."""
        return {number: one.end_offset for number, one in self.partitions.items()}

    @property
    def starts(self) -> dict[int, int]:
        """Partition -> the offset of its first record."""
        return {number: one.start_offset for number, one in self.partitions.items()}


class Broker:
    """A connection to Kafka that is kept between questions."""

    def __init__(self, kafka: KafkaAccess) -> None:
        self._kafka = kafka
        self._client: Any = None

    def topics(self, names: list[str]) -> dict[str, TopicState]:
        """Those of the topics that exist.

        Raises:
            BrokerUnreachableError: the broker does not answer; the next question connects anew.

        """
        from kafka import TopicPartition
        from kafka.errors import KafkaError, for_code

        try:
            client = self._connected()
            described = [one for one in client.describe_topics(names) if one["error_code"] != MISSING]
            for one in described:
                if one["error_code"]:
                    raise for_code(one["error_code"])(one["name"])
            places = [
                TopicPartition(one["name"], part["partition_index"]) for one in described for part in one["partitions"]
            ]
            start, end = (client.list_partition_offsets(dict.fromkeys(places, one)) for one in (EARLIEST, LATEST))
            newest = {place: found.timestamp for place, found in _newest(client, places).items()}
            # A record that is being written at this moment hides the one before it from this question.
            for _ in range(AGAIN):
                hidden = [one for one in places if newest[one] < 0 and end[one].offset > start[one].offset]
                if not hidden:
                    break
                time.sleep(AGAIN_SECONDS)
                newest |= {place: found.timestamp for place, found in _newest(client, hidden).items()}
        except (KafkaError, OSError) as error:
            self.close()
            raise BrokerUnreachableError(f"Kafka does not answer at {self._kafka.bootstrap}: {error}") from error
        found = {one["name"]: TopicState(str(one["topic_id"]), {}) for one in described}
        for place in places:
            at = newest[place]
            state = PartitionState(start[place].offset, end[place].offset, at if at >= 0 else None)
            found[place.topic].partitions[place.partition] = state
        return found

    def close(self) -> None:
        """End the connection; the next question makes another."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _connected(self) -> Any:  # noqa: ANN401 - kafka-python has no types
        from kafka import KafkaAdminClient

        if self._client is None:
            _require_listener(self._kafka.servers)
            self._client = KafkaAdminClient(
                **self._kafka.options(), request_timeout_ms=REQUEST_MS, bootstrap_timeout_ms=BOOTSTRAP_MS
            )
        return self._client


def _newest(client: Any, places: list[Any]) -> dict[Any, Any]:  # noqa: ANN401 - kafka-python has no types
    found: dict[Any, Any] = client.list_partition_offsets(dict.fromkeys(places, NEWEST))
    return found


def _require_listener(servers: list[str]) -> None:
    """Raise OSError where none of the brokers listens: the client takes its time to say so, and leaves sockets open."""
    refusals = []
    for address in servers:
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=LISTENER_SECONDS).close()
        except OSError as error:
            refusals.append(error)
        else:
            return
    raise refusals[0]
