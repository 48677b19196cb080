"""Registers the Debezium connectors with Kafka Connect, and waits until they run.

The connector files stand here as deployed. Where the databases are, and the password, are placeholders that the Connect
worker resolves from its own environment (`${env:REWARDS_CAPTURE_…}`), so that the same files serve the embedded stack
and the containers.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from connectors import watermarks
from connectors.errors import ConnectError
from connectors.kafka_access import KafkaAccess
from connectors.rest import ConnectRest
from connectors.retry_policy import until
from connectors.settings import ConnectorSettings

FILES: Final = tuple(Path(__file__).with_name(name) for name in ("warehouse.json", "memberships.json"))
POLL_SECONDS: Final = 0.1
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Connector:
    """A connector as deployed."""

    name: str
    configuration: dict[str, str]

    @property
    def wanted(self) -> dict[str, str]:
        """The configuration as Connect gives it back."""
        return self.configuration | {"name": self.name}

    @property
    def topic(self) -> str:
        """Where the captured table's changes go, and the watermarks with them."""
        return self.configuration["transforms.watermarks.replacement"]


@dataclass(frozen=True, slots=True)
class ConnectorState:
    """What Connect says of a connector. `state` is MISSING where it is not registered."""

    name: str
    state: str
    tasks: tuple[str, ...] = ()
    trace: str | None = None
    """The first lines of Connect's stack trace, where something failed."""

    @property
    def running(self) -> bool:
        """The connector and all of its tasks run, and there is one."""
        return self.state == "RUNNING" and bool(self.tasks) and set(self.tasks) == {"RUNNING"}

    @property
    def failed(self) -> bool:
        """The connector or a task ended with an error."""
        return "FAILED" in (self.state, *self.tasks)


def deployed() -> list[Connector]:
    """The connectors, in the order in which they are registered."""
    found = [json.loads(file.read_text(encoding="utf-8")) for file in FILES]
    return [Connector(one["name"], one["config"]) for one in found]


def states(rest: ConnectRest) -> list[ConnectorState]:
    """State of each of our connectors."""
    known = rest.connectors()
    return [state_of(one.name, known.get(one.name)) for one in deployed()]


def is_as_deployed(rest: ConnectRest, connector: Connector) -> bool:
    """Whether Connect has the connector as its file says."""
    return rest.configuration(connector.name) == connector.wanted


def is_past_snapshot(rest: ConnectRest, name: str) -> bool | None:
    """Whether a connector has a place in the WAL that it goes on from; None where Connect cannot say."""
    try:
        offsets = rest.offsets(name)
    except ConnectError:
        return None
    # Debezium marks what it keeps during a snapshot.
    return any(one["offset"] is not None and "snapshot" not in one["offset"] for one in offsets)


def apply(
    settings: ConnectorSettings, timeout_seconds: float = 60, names: Collection[str] | None = None
) -> list[ConnectorState]:
    """Seed the watermarks, register what is missing or different, and wait until all run. Nothing the second time.

    Args:
        settings: where everything is.
        timeout_seconds: for all of it.
        names: of the connectors; None for all.

    Raises:
        ConnectError: a topic is missing, Connect refused a configuration, or a task failed or did not start in time.

    """
    rest = ConnectRest(settings.connect_url, settings.connect_tls_file)
    deadline = time.monotonic() + timeout_seconds
    addresses = {"warehouse": settings.warehouse_url, "rewards": settings.database_url}
    connectors = [one for one in deployed() if names is None or one.name in names]
    partitions = _partitions(settings.kafka, [one.topic for one in connectors])
    for connector in connectors:
        # Before registration: the rows must be in the first snapshot, since they end it in each partition.
        watermarks.seed(addresses[connector.name].get_secret_value(), partitions[connector.topic])
        patiently(partial(_register, rest, connector), deadline)
    return _wait(rest, deadline, [one.name for one in connectors], retry_failed=True)


def restart(settings: ConnectorSettings, timeout_seconds: float = 60) -> list[ConnectorState]:
    """Restart every connector with its tasks and wait until they run."""
    rest = ConnectRest(settings.connect_url, settings.connect_tls_file)
    deadline = time.monotonic() + timeout_seconds
    for connector in deployed():
        patiently(partial(rest.restart, connector.name, only_failed=False), deadline)
    return _wait(rest, deadline, [one.name for one in deployed()], retry_failed=False)


def delete(settings: ConnectorSettings) -> list[ConnectorState]:
    """Take the connectors away. Slots and what was sent stay: applied again, they go on where they stopped."""
    rest = ConnectRest(settings.connect_url, settings.connect_tls_file)
    deadline = time.monotonic() + 30
    for state in states(rest):
        if state.state != "MISSING":
            patiently(partial(rest.delete, state.name), deadline)
    return states(rest)


def _register(rest: ConnectRest, connector: Connector) -> None:
    if not is_as_deployed(rest, connector):
        rest.register(connector.name, connector.wanted)


def _wait(rest: ConnectRest, deadline: float, names: Collection[str], *, retry_failed: bool) -> list[ConnectorState]:
    """Wait until those connectors run. A task that has failed before (its database was away, say) is given one more start."""
    restarted: set[str] = set()
    while True:
        found = [one for one in patiently(partial(states, rest), deadline) if one.name in names]
        if all(one.running for one in found):
            return found
        for one in found:
            if one.failed and (one.name in restarted or not retry_failed):
                raise ConnectError(f"connector {one.name} failed: {one.trace or 'Connect gives no reason'}")
            if one.failed:
                restarted.add(one.name)
                patiently(partial(rest.restart, one.name, only_failed=True), deadline)
        if time.monotonic() > deadline:
            raise ConnectError(
                "not running in time: " + ", ".join(f"{one.name} is {one.state}" for one in found if not one.running)
            )
        time.sleep(POLL_SECONDS)


def patiently(call: Callable[[], T], deadline: float) -> T:
    """Call again while Connect is rebalancing or not there yet, until the deadline (of the monotonic clock)."""
    return until(deadline)(call)


def state_of(name: str, status: dict[str, Any] | None) -> ConnectorState:
    """What Connect's answer says of a connector; None where it is not registered."""
    if status is None:
        return ConnectorState(name, "MISSING")
    traces = [one["trace"] for one in (status["connector"], *status["tasks"]) if one.get("trace")]
    trace = _shortened(traces[0]) if traces else None
    return ConnectorState(name, status["connector"]["state"], tuple(one["state"] for one in status["tasks"]), trace)


def _shortened(trace: str) -> str:
    """A Java trace without its frames: what went wrong, and what caused it."""
    lines = [line.strip() for line in trace.splitlines() if line and not line.startswith(("\tat ", "\t..."))]
    return " / ".join(lines).rstrip(".")


def _partitions(kafka: KafkaAccess, topics: list[str]) -> dict[str, int]:
    """Partition count of topics that must exist: Connect would make a missing one, with a single partition."""
    from kafka import KafkaAdminClient

    client = KafkaAdminClient(**kafka.options())
    try:
        found = {one["name"]: len(one["partitions"]) for one in client.describe_topics(topics)}
    finally:
        client.close()
    missing = [topic for topic in topics if not found.get(topic)]
    if missing:
        raise ConnectError(f"missing topics: {', '.join(missing)}; create them with `rewards topics`")
    return found
