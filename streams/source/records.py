"""A record of a source topic after decoding: where it stands, what it says, and what is wrong with it.

Place on the data's way: decode.py makes these; the partition buffers cut them into source transactions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from streams.errors import RecordError
from streams.state.changes import MembershipChange, Reevaluation, RowChange


class SourceRecord(Protocol):
    """As much of a consumer's record as decoding looks at."""

    @property
    def offset(self) -> int:
        """Its offset in its partition."""

    @property
    def key(self) -> bytes | None:
        """Its key's bytes."""

    @property
    def value(self) -> bytes | None:
        """Its value's bytes; None is a tombstone."""


class Watermark(NamedTuple):
    """The heartbeat's row: everything that the source committed before it has come by in this partition."""

    mark: int


@dataclass(slots=True)
class ChangeEvent:
    """One record: where it stands in the source, and what it says."""

    transaction: str
    """The source's transaction; all records of a snapshot are one."""
    lsn: int
    snapshot: bool
    committed_ms: int
    """Milliseconds since 1970, time of the source."""
    order: int = 0
    """The event's place in its transaction, from 1; 0 where the connector does not say."""
    last_commit_lsn: int = 0
    """LSN of the commit before the event's transaction: higher in each later one; 0 where the connector does not say."""
    sent_again: bool = False
    """A later transaction has come by before it: it was sent again after a fault, and says nothing of what is complete."""
    rows: tuple[RowChange, ...] = ()
    memberships: tuple[MembershipChange, ...] = ()
    is_watermark: bool = False
    """The event is of the watermarks' table, and of no row that counts."""
    watermark: Watermark | None = None
    truncated: bool = False
    ignored: bool = False
    error: RecordError | None = None
    row_id: int | None = None
    """Of the row that cannot be used or says nothing that counts, where the event still says it."""

    def row_ids(self) -> Iterator[int]:
        """Yield the rows that the event is about, by their numbers in the source."""
        if self.row_id is not None:
            yield self.row_id
        for change in self.rows:
            yield change.transaction_id
        for membership in self.memberships:
            yield membership.row_id


@dataclass(slots=True)
class DecodedRecord:
    """A record after decoding; a tombstone has neither content nor error."""

    offset: int
    event: ChangeEvent | None = None
    reevaluation: Reevaluation | None = None
    error: RecordError | None = None
    key: bytes | None = None
    value: bytes | None = None
    """Key and bytes only where there is an error to keep them with."""


DETAIL_CHARACTERS_MAX = 500
"""Of what is said of an error: it may name a value of any length."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that cannot be used, with its place, its bytes and the reason."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    reason: str
    detail: str
    row_id: int | None = None
