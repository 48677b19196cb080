"""A new snapshot of a connector: stop it, forget how far it has read, drop its slot, start it again, and wait for the snapshot's end.

Killed in the middle it can be run again: that a snapshot is due is written down first and taken back once the connector has been
started anew. What the new snapshot does not show again is retired by the worker, as after a reload.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from connectors import registration, watermarks
from connectors.errors import ConnectError, ConnectorsError
from connectors.kafka_access import KafkaAccess
from connectors.source import memory
from connectors.source.access import Access
from connectors.source.catalog import SourceUnreadableError, opened, read
from connectors.source.check import SourceCheck

POLL_SECONDS: Final = 0.2
STOP_SECONDS: Final = 60.0
PROGRESS_SECONDS: Final = 5.0
Say = Callable[[str], None]


class SnapshotError(ConnectorsError):
    """A new snapshot could not be taken, or was not through in time; the text says what to do."""


def take(check: SourceCheck, access: Access, kafka: KafkaAccess, timeout_seconds: float, say: Say) -> None:
    """Take a new snapshot and wait until each partition's last watermark of it is in the topic.

    Args:
        check: connections to Connect and Kafka.
        access: of the connector.
        kafka: how it is reached.
        timeout_seconds: for the snapshot itself.
        say: is told each step and the progress.

    Raises:
        SnapshotError: something refused, or it was not through in time.
        ConnectError: Connect refused, or the connector failed.

    """
    topic = access.captured.topic
    found = check.broker.topics([topic]).get(topic)
    if found is None:
        raise SnapshotError(f"there is no topic {topic}: create it with `rewards topics`, then run this again")
    _note_due(access)
    watermarks.seed(access.address, len(found.partitions))
    _stop(check, access, say)
    _patiently(partial(check.rest.forget_offsets, access.name))
    _drop_slot(access, say)
    # Nothing is sent any more: what comes from here on is the new snapshot.
    topics = check.broker.topics([topic])
    starts = topics[topic].ends
    with opened(access.address) as connection:
        seen = read(connection, access.captured, access.role)
        memory.begin(connection, access.name, memory.identity_of(access.captured, seen, topics[topic], starts))
    _patiently(partial(check.rest.resume, access.name))
    with opened(access.address) as connection:
        memory.begun(connection, access.name)
    say(f"{access.name}: started anew")
    records = _await_end(check, access, kafka, starts, timeout_seconds, say)
    say(f"{access.name}: the snapshot's end is in every partition ({records:,} records)")


def _note_due(access: Access) -> None:
    with opened(access.address) as connection:
        known = memory.load(connection, access.name)
        if known is None:
            raise SnapshotError(
                f"{access.name}: the table {memory.TABLE}, which says what is captured, is not there: `rewards connectors apply`"
                " makes it, as the owner (REWARDS_OWNER_DATABASE_URL)"
            )
        memory.note_due(connection, access.name, "one that was asked for did not begin", known.begun_at)


def _stop(check: SourceCheck, access: Access, say: Say) -> None:
    """Stop the connector and wait until it has no task; one that is not registered is registered as stopped."""
    if not registration.is_as_deployed(check.rest, access.connector):
        check.rest.register_stopped(access.name, access.connector.wanted)
    _patiently(partial(check.rest.stop, access.name))
    deadline = time.monotonic() + STOP_SECONDS
    while True:
        state = next((one for one in registration.states(check.rest) if one.name == access.name), None)
        if state is not None and state.state == "STOPPED" and not state.tasks:
            say(f"{access.name}: stopped")
            return
        if time.monotonic() > deadline:
            raise SnapshotError(
                f"the connector {access.name} does not stop; restart Kafka Connect, then run this again"
            )
        time.sleep(POLL_SECONDS)


def _patiently(call: Callable[[], None]) -> None:
    """Call again while Connect rebalances."""
    registration.patiently(call, time.monotonic() + STOP_SECONDS)


def _drop_slot(access: Access, say: Say) -> None:
    """Drop the slot: it holds what came before the snapshot, and decodes it with the catalogs of then."""
    import psycopg2
    import psycopg2.errors

    slot = access.captured.slot
    deadline = time.monotonic() + STOP_SECONDS
    while True:
        try:
            with opened(access.replication or access.owner) as connection, connection.cursor() as cursor:
                cursor.execute("SELECT active_pid FROM pg_replication_slots WHERE slot_name = %s", (slot,))
                found = cursor.fetchone()
                if found is None:
                    return
                try:
                    cursor.execute("SELECT pg_drop_replication_slot(%s)", (slot,))
                except psycopg2.errors.ObjectInUse:
                    # The walsender of a connector that was killed lives on until its connection is known to be dead.
                    if found[0] is not None and time.monotonic() > deadline - STOP_SECONDS + 5:
                        cursor.execute("SELECT pg_terminate_backend(%s)", (found[0],))
                else:
                    say(f"{access.name}: slot {slot} dropped")
                    return
        except SourceUnreadableError as error:
            raise SnapshotError(
                f"the slot {slot} could not be dropped: {error}. As a role with REPLICATION run"
                f" SELECT pg_drop_replication_slot('{slot}'), then run this again; or set REWARDS_CAPTURE_…_PASSWORD"
            ) from error
        if time.monotonic() > deadline:
            raise SnapshotError(f"the slot {slot} is in use by somebody else; end that process, then run this again")
        time.sleep(POLL_SECONDS)


def _await_end(
    check: SourceCheck, access: Access, kafka: KafkaAccess, starts: dict[int, int], timeout_seconds: float, say: Say
) -> int:
    """Read the topic from where the snapshot begins; return how many records came by."""
    from kafka import KafkaConsumer, TopicPartition

    keys = {watermarks.key_bytes(one) for one in watermarks.watermark_ids(len(starts))}
    consumer = KafkaConsumer(**kafka.options(), enable_auto_commit=False)
    try:
        places = [TopicPartition(access.captured.topic, number) for number in starts]
        consumer.assign(places)
        for place in places:
            consumer.seek(place, starts[place.partition])
        ended: set[int] = set()
        records = 0
        deadline, told = time.monotonic() + timeout_seconds, time.monotonic()
        while len(ended) < len(starts):
            for place, batch in consumer.poll(timeout_ms=500).items():
                records += len(batch)
                if any(_ends_snapshot(record) for record in batch if record.key in keys):
                    ended.add(place.partition)
            now = time.monotonic()
            if now > deadline:
                raise SnapshotError(
                    f"the snapshot of {access.name} was not through after {timeout_seconds:g} s ({records:,} records, its end in"
                    f" {len(ended)} of {len(starts)} partitions); it goes on, `rewards connectors status` says how it is"
                )
            if now > told + PROGRESS_SECONDS and len(ended) < len(starts):
                told = now
                _require_alive(check, access)
                say(f"{access.name}: {records:,} records, the end in {len(ended)} of {len(starts)} partitions")
        return records
    finally:
        consumer.close()


def _ends_snapshot(record: Any) -> bool:  # noqa: ANN401 - kafka-python has no types
    if record.value is None:
        return False
    value = json.loads(record.value)
    return bool(value["op"] == "r")


def _require_alive(check: SourceCheck, access: Access) -> None:
    state = next(one for one in registration.states(check.rest) if one.name == access.name)
    if state.failed:
        raise ConnectError(f"connector {access.name} failed: {state.trace or 'Connect gives no reason'}")
