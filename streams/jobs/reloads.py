"""`rewards reload`: shows truncates and snapshots that are not over, and takes a person's word that what they lack is gone."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

from streams.postgres.epochs import TABLES, accept, open_epochs, retirement
from streams.postgres.session import connect, faults
from streams.state.epochs import RECORDS, OpenEpoch

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

NOT_YET = (
    "not every partition has passed it, so that nobody can know what is missing:"
    " `rewards lag --once` shows how far each one is; try again when it has"
)


class Answer(NamedTuple):
    """What came of a person's word on one truncate or snapshot."""

    epoch: OpenEpoch
    accepted: bool
    """What is missing is gone by this word or an earlier one; False: it cannot be said yet."""
    said: str
    retired: int
    """Invoices (or memberships) that are being retired."""
    points: int
    """What the invoices concerned are worth now."""
    pending: int


def read_reloads(database_url: str) -> list[OpenEpoch]:
    """Return truncates and snapshots that are not over."""
    with _cursor(database_url) as cursor:
        return open_epochs(cursor)


def accept_reloads(database_url: str, topic: str | None, by: str) -> list[Answer]:
    """Take it that what is missing is gone: of one topic (by its name, or as invoices or memberships), or of all."""
    with _cursor(database_url) as cursor:
        # Of a topic the latest alone: it says all that an earlier one could.
        latest = {epoch.topic: epoch for epoch in open_epochs(cursor) if topic in {None, epoch.topic, epoch.what}}
        return [_accept(cursor, epoch, by) for epoch in latest.values()]


def topic_names() -> list[str]:
    """What `accept_reloads` takes for a topic."""
    return [*TABLES.values(), *TABLES]


def describe(epoch: OpenEpoch) -> dict[str, Any]:
    """For programs: the figures, and what is said to a person."""
    said = {"waits_for_a_word": epoch.waits_for_a_word, "sentence": epoch.sentence, "remedy": epoch.remedy}
    return asdict(epoch) | said


def this_user() -> str:
    """Who runs this process, as the system knows him."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user {os.getuid()}"


def _accept(cursor: Cursor, epoch: OpenEpoch, by: str) -> Answer:
    count, points, pending = retirement(cursor, epoch)
    worth = f"{points:,} points and {pending:,} pending"
    if epoch.waits_for in {None, RECORDS} and not epoch.over:
        return Answer(epoch, False, f"{epoch.sentence}. Nothing is accepted: {NOT_YET}.", count, points, pending)
    if accept(cursor, epoch, by):
        said = f"{count:,} {epoch.what} that the {epoch.kind} of {epoch.topic} did not show again are retired: up to {worth} are taken."
    elif epoch.accepted_at is not None:
        said = (
            f"Accepted already, by {epoch.accepted_by} at {epoch.accepted_at:%Y-%m-%d %H:%M:%S %Z}: {epoch.sentence}."
        )
    else:
        said = f"There is nothing to accept: {epoch.sentence}."
    return Answer(epoch, True, said, count, points, pending)


@contextmanager
def _cursor(database_url: str) -> Iterator[Cursor]:
    connection = connect(database_url, name="rewards reload")
    try:
        with faults(), connection, connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()
