"""`rewards connectors apply`, `repair` and `resnapshot`: what leads from findings to a source, connectors and topics that are well."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Final

from connectors import registration
from connectors.errors import ConnectError, ConnectorsError
from connectors.registration import patiently
from connectors.settings import ConnectorSettings
from connectors.source import memory, snapshot
from connectors.source.access import Access
from connectors.source.catalog import SourceUnreadableError, opened
from connectors.source.check import Health, SourceCheck
from connectors.source.findings import FOR_A_PERSON, GAPS, PASSING, Code, errors
from connectors.source.mending import NotMendedError, mend
from connectors.source.snapshot import Say

if TYPE_CHECKING:
    from collections.abc import Collection

SETTLE_SECONDS: Final = 0.3
UNSEEN: Final = frozenset({Code.SOURCE_UNREADABLE, Code.CONNECT_UNREADABLE, Code.TOPIC_UNREADABLE, Code.TOPIC_MISSING})


def apply(settings: ConnectorSettings, timeout_seconds: float) -> list[Health]:
    """Register connectors whose source is sound, wait until they run and a mark comes by, and say what is wrong.

    Raises:
        ConnectError: Connect does not answer, refused a configuration, or did not start a task in time.

    """
    deadline = time.monotonic() + timeout_seconds
    with SourceCheck(settings) as check:
        # Connect may just be starting.
        patiently(check.rest.connectors, deadline)
        found = _looked(check)
        unsound = FOR_A_PERSON | GAPS | _SHAPE | {Code.CONNECTOR_STOPPED}
        sound = [access for access, health in found if not _has(health, unsound)]
        for access, health in found:
            if access in sound:
                _record(access, health)
        if sound:
            try:
                registration.apply(settings, max(1.0, deadline - time.monotonic()), [one.name for one in sound])
            except ConnectError:
                failed = check.look()
                if not any(_has(one, {Code.CONNECTOR_FAILED}) for one in failed):
                    raise
                # The finding says why, and what leads out.
                return failed
        return _settled(check, deadline, {one.name for one in sound})


def repair(settings: ConnectorSettings, timeout_seconds: float, snapshot_seconds: float, say: Say) -> list[Health]:
    """Mend what can be mended, take a new snapshot where there was or may have been a gap; return how all is then.

    Raises:
        ConnectorsError: a snapshot could not be taken, or was not through in time; Connect refused something.

    """
    with SourceCheck(settings) as check:
        found = _looked(check)
        for access, health in found:
            if health.topic is not None and not _has(health, UNSEEN):
                _note_gap(access, health)
                try:
                    mend(access, errors(list(health.findings)), len(health.topic.partitions), say)
                except NotMendedError as error:
                    say(str(error))
        touched: set[str] = set()
        failures: list[ConnectorsError] = []
        for access, health in _looked(check):
            if not _has(health, FOR_A_PERSON | _SHAPE):
                try:
                    _lead_out(check, access, health, settings, snapshot_seconds, say)
                    touched.add(access.name)
                except ConnectorsError as error:
                    # The other connector is led out all the same.
                    failures.append(error)
        if failures:
            raise failures[0]
        return _settled(check, time.monotonic() + timeout_seconds, touched)


def resnapshot(
    settings: ConnectorSettings, names: Collection[str], timeout_seconds: float, snapshot_seconds: float, say: Say
) -> list[Health]:
    """Take a new snapshot of connectors whose source is sound.

    Raises:
        SnapshotError: a source is not sound, or the snapshot was not through in time.

    """
    with SourceCheck(settings) as check:
        for access, health in _looked(check):
            if access.name not in names:
                continue
            wrong = [one for one in health.findings if one.code in FOR_A_PERSON or one.code in _SHAPE]
            if wrong:
                raise snapshot.SnapshotError(
                    f"a new snapshot would not help: {wrong[0].message}. Remedy: {wrong[0].remedy}"
                )
            snapshot.take(check, access, settings.kafka, snapshot_seconds, say)
        return _settled(check, time.monotonic() + timeout_seconds, names)


_SHAPE: Final = frozenset(
    {
        Code.PUBLICATION_MISSING,
        Code.PUBLICATION_OPTIONS,
        Code.TABLE_NOT_PUBLISHED,
        Code.TABLE_FILTERED,
        Code.REPLICA_IDENTITY,
        Code.WATERMARK_TABLE,
        Code.ROLE_RIGHTS,
    }
)
"""What must be mended before a snapshot: the gap would open again behind it."""


def _lead_out(
    check: SourceCheck, access: Access, health: Health, settings: ConnectorSettings, snapshot_seconds: float, say: Say
) -> None:
    """Bring a connector whose source is sound to run as its file says, with a new snapshot where there was a gap."""
    wrong = errors(list(health.findings))
    codes = {one.code for one in wrong}
    if any(one.is_gap for one in wrong):
        reasons = sorted({one.message for one in wrong if one.is_gap})
        say(f"{access.name}: takes a new snapshot: {'; '.join(reasons)}")
        snapshot.take(check, access, settings.kafka, snapshot_seconds, say)
        return
    if Code.SNAPSHOT_NOT_RECORDED in codes:
        _record(access, health)
        say(f"{access.name}: what is captured is written down")
    if codes & {Code.CONNECTOR_MISSING, Code.CONNECTOR_DIFFERENT}:
        check.rest.register(access.name, access.connector.wanted)
        say(f"{access.name}: registered")
    if Code.CONNECTOR_STOPPED in codes:
        check.rest.resume(access.name)
        say(f"{access.name}: resumed")
    elif codes & {
        Code.CONNECTOR_FAILED,
        Code.CONNECTOR_STARTING,
        Code.RECORDS_OLD,
        Code.SLOT_INACTIVE,
        Code.SLOT_BEHIND,
    }:
        check.rest.restart(access.name, only_failed=False)
        say(f"{access.name}: restarted")


def _looked(check: SourceCheck) -> list[tuple[Access, Health]]:
    """Look, and make the table that what is captured is written down in, where there is none and we may."""
    found = check.look()
    missing = [
        access
        for access, health in zip(check.access, found, strict=True)
        if health.memory is None and health.catalog is not None
    ]
    for access in missing:
        try:
            with opened(access.owner) as connection:
                memory.create(connection, access.reader)
        except SourceUnreadableError:
            # The finding stays: it says that what is captured is not written down.
            continue
    if missing:
        found = check.look()
    return list(zip(check.access, found, strict=True))


def _record(access: Access, health: Health) -> None:
    """Write down what is captured where that was never done, as of now."""
    if health.catalog is None or health.memory is None or health.memory.identity is not None or health.topic is None:
        return
    starts = health.topic.ends if health.state == "MISSING" else health.topic.starts
    with opened(access.address) as connection:
        identity = memory.identity_of(access.captured, health.catalog, health.topic, starts)
        memory.begin(connection, access.name, identity)


def _note_gap(access: Access, health: Health) -> None:
    """Write down that a snapshot is due before what shows the gap is mended, also where none was ever written down."""
    gaps = [one for one in health.findings if one.is_gap and one.code is not Code.SNAPSHOT_DUE]
    captured_before = health.state != "MISSING" or (health.memory is not None and health.memory.identity is not None)
    if gaps and captured_before and health.memory is not None:
        with opened(access.address) as connection:
            memory.note_due(connection, access.name, gaps[0].message, health.memory.begun_at)


def _has(health: Health, codes: Collection[Code]) -> bool:
    return any(one.code in codes for one in health.findings)


def _settled(check: SourceCheck, deadline: float, names: Collection[str]) -> list[Health]:
    """Look until what a connector shows while it starts has passed. A mark is written, so that records come at once."""
    for access in check.access:
        if access.name in names:
            # A database that does not answer shows in the look.
            with (
                contextlib.suppress(SourceUnreadableError),
                opened(access.address) as connection,
                connection.cursor() as cursor,
            ):
                cursor.execute(access.connector.configuration["heartbeat.action.query"])
    while True:
        found = check.look()
        passing = [one for one in found if one.name in names and errors(list(one.findings)) and _only(one, PASSING)]
        if not passing or time.monotonic() > deadline:
            return found
        time.sleep(SETTLE_SECONDS)


def _only(health: Health, codes: Collection[Code]) -> bool:
    return all(one.code in codes for one in errors(list(health.findings)))
