"""From offsets to lag to a word for it. Pure: the time comes in as an argument.

Place on the data's way: beside it. offsets.py asks the broker, measure.py puts it together, sink.py writes it down.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final, Literal

Status = Literal["ok", "behind", "stalled", "unowned", "lost", "halted"]
"""halted: the partition waits for a person, since too many of its rows cannot be used; Postgres says so (process.py), whatever the lag."""

BEHIND_SECONDS: Final = 5.0
"""Offsets are committed every few seconds, so that a healthy agent shows a small lag between two commits."""
STALLED_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Offsets:
    """What the broker knows of one partition and of a group that reads it."""

    topic: str
    partition: int
    beginning: int
    """Offset of the first record that the broker still keeps."""
    end: int
    """Offset that the next record will get."""
    committed: int | None
    """Offset that the group reads next; None while it has committed none."""

    @property
    def is_lost(self) -> bool:
        """Whether what the group would read next is not in the topic: records were deleted, or the topic was made anew."""
        return self.committed is not None and not self.beginning <= self.committed <= self.end

    @property
    def next_read(self) -> int:
        """Offset of the first record that the group has not finished.

        Without a committed offset, or with one outside of what the broker keeps (records were deleted, or the topic was
        made anew), consumers of ours start at the first record.
        """
        if self.committed is None or self.is_lost:
            return self.beginning
        return self.committed

    @property
    def lag_records(self) -> int:
        """Records that are not finished; where the broker has compacted some away, fewer than this are left."""
        return self.end - self.next_read


@dataclass(frozen=True, slots=True)
class Standing:
    """Since when a group has stood at an offset with records after it."""

    offset: int
    since: dt.datetime


def follow(previous: Standing | None, offsets: Offsets, now: dt.datetime) -> Standing:
    """Where the group stands now: what it was before if it has not moved, else from now on."""
    if previous is not None and previous.offset == offsets.next_read and offsets.lag_records > 0:
        return previous
    return Standing(offsets.next_read, now)


def lag_seconds(offsets: Offsets, standing: Standing, written_at: dt.datetime | None, now: dt.datetime) -> float:
    """Age of the first record that is not finished, in seconds; 0 without one.

    Where it could not be read, at least as long as the group has been seen standing before it.
    """
    if offsets.lag_records == 0:
        return 0.0
    # Clocks of two machines may differ: nothing is older than now.
    return max(0.0, (now - (written_at or standing.since)).total_seconds())


def status(offsets: Offsets, lag_seconds: float, member: str | None, still_seconds: float) -> Status:
    """A word for one partition.

    lost: what comes next is not in the topic, and the lag says nothing (`rewards topics adopt`). unowned: no client reads it.
    stalled: records wait and the group has not moved for `still_seconds`, 30 s or more.
    behind: the first record that waits is 5 s old or more. ok: anything else.
    """
    if offsets.is_lost:
        return "lost"
    if member is None:
        return "unowned"
    if offsets.lag_records > 0 and still_seconds >= STALLED_SECONDS:
        return "stalled"
    return "behind" if lag_seconds >= BEHIND_SECONDS else "ok"
