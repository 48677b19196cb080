"""The check of the source, for whoever asks: `rewards connectors status`, `rewards wait`, the lag process.

    with SourceCheck(ConnectorSettings()) as check:
        for one in check.look():
            one.findings  # none: the source, the connector and the way to the topic were seen to be well

A look takes some 50 ms and never more than a few seconds: every question has a limit. What does not answer is a finding.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final, Self

from connectors import registration
from connectors.errors import ConnectError
from connectors.registration import ConnectorState
from connectors.rest import ConnectRest
from connectors.settings import ConnectorSettings
from connectors.source import memory
from connectors.source.access import Access, all_access
from connectors.source.arrivals import judge_topic, record_age_seconds
from connectors.source.catalog import Catalog, SourceUnreadableError, opened, read
from connectors.source.findings import Code, Finding, Said, errors
from connectors.source.judgement import judge_catalog, judge_memory
from connectors.source.memory import Memory
from connectors.source.topic import Broker, BrokerUnreachableError, TopicState

CONNECT_TIMEOUT_SECONDS: Final = 3.0
UNKNOWN: Final = "UNKNOWN"
"""State of a connector where Connect does not answer."""
WHICH: Final = "`rewards status` names each process"
NOT_REMEMBERED: Final = frozenset({Code.SNAPSHOT_DUE, Code.TOPIC_MISSING})
"""Gaps that are written down already, or show in what comes after them."""


@dataclass(frozen=True, slots=True)
class Health:
    """How a connector is: what Connect says of it, and what was found wrong from the source to the topic."""

    name: str
    state: str
    tasks: tuple[str, ...]
    trace: str | None
    findings: tuple[Finding, ...]
    last_record_age_seconds: float | None
    """Of the partition that has waited longest for a record; None where it is not known, or one never had any."""
    catalog: Catalog | None = None
    memory: Memory | None = None
    topic: TopicState | None = None

    @property
    def well(self) -> bool:
        """Everything was seen, and nothing is wrong that can make points wrong or late."""
        return not errors(list(self.findings))

    def describe(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "name": self.name,
            "state": self.state,
            "tasks": list(self.tasks),
            "trace": self.trace,
            "last_record_age_seconds": self.last_record_age_seconds,
            "findings": [
                {"code": one.code, "severity": one.severity, "message": one.message, "remedy": one.remedy}
                for one in self.findings
            ],
        }


@dataclass(frozen=True, slots=True)
class Source:
    """What one captured database says; None where it does not answer."""

    catalog: Catalog | None
    memory: Memory | None
    refusal: str = ""


class SourceCheck:
    """Looks at every connector's source. The connection to Kafka is kept between looks; close it in the end."""

    def __init__(self, settings: ConnectorSettings) -> None:
        self.access = all_access(settings)
        self.rest = ConnectRest(settings.connect_url, settings.connect_tls_file, CONNECT_TIMEOUT_SECONDS)
        self.broker = Broker(settings.kafka)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection to Kafka."""
        self.broker.close()

    def findings(self) -> list[Finding]:
        """What is wrong with any connector, for who needs no more than that."""
        return [finding for one in self.look() for finding in one.findings]

    def look(self) -> list[Health]:
        """Look at every connector. A gap that is seen is written down, so that it is known after its cause has gone."""
        # The databases first: a snapshot that begins meanwhile must not be judged by what stood in the topic before it.
        sources = [_read(access) for access in self.access]
        try:
            described, unreachable = self.rest.described(), None
        except ConnectError as error:
            described, unreachable = {}, str(error)
        try:
            topics, silent = self.broker.topics([one.captured.topic for one in self.access]), None
        except BrokerUnreachableError as error:
            topics, silent = {}, str(error)
        found = []
        for access, source in zip(self.access, sources, strict=True):
            said = Said(access.name)
            entry = described.get(access.name, {})
            state = registration.state_of(access.name, entry.get("status"))
            if unreachable is None:
                is_different = bool(entry) and entry["info"]["config"] != access.connector.wanted
                _judge_state(said, state, is_different=is_different)
            else:
                state = ConnectorState(access.name, UNKNOWN)
                said.add(Code.CONNECT_UNREADABLE, unreachable, f"start Kafka Connect; {WHICH}")
            topic = topics.get(access.captured.topic)
            self._judge_source(said, access, state, source, topic)
            now_ms = time.time() * 1000
            if silent is None:
                identity = source.memory.identity if source.memory else None
                said.findings += judge_topic(access.captured, topic, identity, now_ms, running=state.running)
            else:
                said.add(Code.TOPIC_UNREADABLE, silent, f"start Kafka; {WHICH}")
            _remember(access, source.memory, said)
            found.append(
                Health(
                    state.name, state.state, state.tasks, state.trace, tuple(said.findings),
                    record_age_seconds(topic, now_ms) if topic else None, source.catalog, source.memory, topic,
                )
            )  # fmt: skip
        return found

    def _judge_source(
        self, said: Said, access: Access, state: ConnectorState, source: Source, topic: TopicState | None
    ) -> None:
        seen, known = source.catalog, source.memory
        if seen is None:
            said.add(
                Code.SOURCE_UNREADABLE,
                f"the database of the connector {access.name} cannot be seen: {source.refusal}",
                "start the database, or mend its address or the rights of our role",
            )
            return
        past_snapshot = self._is_past_snapshot(access, state, source, topic)
        if seen.slot is None and past_snapshot is not False:
            # The connector may have made its slot since the database was read.
            again = _read(access)
            seen, known = again.catalog or seen, again.memory or known
        partitions = len(topic.partitions) if topic else None
        # First what was made anew: the rest follows from it.
        said.findings += judge_memory(access.captured, seen, known)
        said.findings += [
            one
            for one in judge_catalog(access.captured, seen, partitions, past_snapshot=past_snapshot)
            # Nobody reads the slot of a connector that does not run: its state says so already.
            if one.code not in {Code.SLOT_INACTIVE, Code.SNAPSHOT_RUNNING} or state.running
        ]

    def _is_past_snapshot(
        self, access: Access, state: ConnectorState, source: Source, topic: TopicState | None
    ) -> bool | None:
        """Whether a connector needs the slot that it has, or had; None where that cannot be known."""
        slot = source.catalog.slot if source.catalog else None
        identity = source.memory.identity if source.memory else None
        if state.state == "MISSING" and identity is None:
            return False
        if slot is not None and slot.active:
            return True
        said = registration.is_past_snapshot(self.rest, access.name)
        if said is None and topic is not None:
            # Connect says nothing of a connector that is only just being registered. A snapshot brings each partition a record.
            before = (topic.id, dict.fromkeys(topic.ends, 0)) if identity is None else (identity.topic, identity.starts)
            return False if before == (topic.id, topic.ends) else None
        return said


def _read(access: Access) -> Source:
    try:
        with opened(access.address) as connection:
            # Before the catalogs, for the same reason.
            known = memory.load(connection, access.name)
            return Source(read(connection, access.captured, access.role), known)
    except SourceUnreadableError as error:
        return Source(None, None, str(error))


def _judge_state(said: Said, state: ConnectorState, *, is_different: bool) -> None:
    name = f"the connector {state.name}"
    if state.state == "MISSING":
        said.add(Code.CONNECTOR_MISSING, f"{name} is not registered")
    elif state.failed:
        said.add(Code.CONNECTOR_FAILED, f"{name} failed: {state.trace or 'Connect gives no reason'}")
    elif state.state in {"STOPPED", "PAUSED"}:
        said.add(Code.CONNECTOR_STOPPED, f"{name} is {state.state.lower()}")
    elif not state.running:
        tasks = ", ".join(state.tasks) or "none"
        said.add(Code.CONNECTOR_STARTING, f"{name} is {state.state}, its tasks: {tasks}")
    if is_different:
        said.add(Code.CONNECTOR_DIFFERENT, f"{name} is registered with another configuration than its file's")


def _remember(access: Access, known: Memory | None, said: Said) -> None:
    gaps = [one for one in said.findings if one.is_gap and one.code not in NOT_REMEMBERED]
    if not gaps or known is None or known.identity is None or known.due_because is not None:
        return
    try:
        with opened(access.address) as connection:
            memory.note_due(connection, access.name, gaps[0].message, known.begun_at)
    except SourceUnreadableError as error:
        said.add(
            Code.SNAPSHOT_NOT_RECORDED,
            f"that a new snapshot of {access.name} is due could not be written down: {error}",
        )
