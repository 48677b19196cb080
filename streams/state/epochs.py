"""When what a truncate or a new snapshot has not shown again is gone: decided from figures. Pure.

Place on the data's way: beside it. postgres/epochs.py reads the figures and notes the verdict; fold.py retires rows once it is over.
A reload that shows all but a little ends by silence. One that lacks much may have been interrupted, or what captures it may be broken:
that is no reason to take points, so it waits longer, and then for a person.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final, NamedTuple

RECORDS: Final = "records"
"""Not every partition has passed it."""
QUIET: Final = "quiet"
"""Rows came not long ago, so that more may come."""
TIME: Final = "time"
"""Much is missing: it is given longer."""
WORD: Final = "word"
"""Much is missing, and a person must say that it is gone."""

LITTLE_OF_AT_LEAST: Final = 100
"""A share of a small table is less than an invoice: a table of fewer rows counts as one of so many, up to half of it."""


@dataclass(frozen=True, slots=True)
class ReloadLimits:
    """How long a reload is waited for."""

    quiet: dt.timedelta
    """After the last row that it showed again, where little is missing."""
    patience: dt.timedelta
    """The same where much is missing; after that a person decides."""
    share_max: float
    """More than this share of the live rows is much."""


@dataclass(frozen=True, slots=True)
class EpochFigures:
    """What is known of a truncate or a snapshot that is not over. Times are the source's."""

    passed: bool
    """Every partition has come by it (by a snapshot's end)."""
    happened_at: dt.datetime
    shown_at: dt.datetime | None
    """When the source last showed again a row that stood there before."""
    seen_until: dt.datetime | None
    """Up to when every partition has been read."""
    missing: int | None
    """Invoices (or memberships) with a row that was not shown again; None while nobody has counted."""
    live: int | None
    """Invoices (or memberships) with a row that counts."""
    accepted: bool = False
    """A person said that what is missing is gone."""


class Verdict(NamedTuple):
    """Whether a reload is over: what is missing is gone then. Where it is not, what it waits for and until when."""

    over: bool
    waits_for: str | None = None
    until: dt.datetime | None = None


OVER: Final = Verdict(over=True)


def judge(figures: EpochFigures, limits: ReloadLimits) -> Verdict:
    """Return whether what is missing is gone."""
    if not figures.passed:
        return Verdict(over=False, waits_for=RECORDS)
    if figures.missing == 0 or figures.accepted:
        return OVER
    since = max(figures.happened_at, figures.shown_at or figures.happened_at)
    quiet_until = since + limits.quiet
    if figures.missing is None or figures.live is None or _is_before(figures.seen_until, quiet_until):
        return Verdict(over=False, waits_for=QUIET, until=quiet_until)
    if is_little(figures.missing, figures.live, limits.share_max):
        return OVER
    until = since + max(limits.quiet, limits.patience)
    if _is_before(figures.seen_until, until):
        return Verdict(over=False, waits_for=TIME, until=until)
    return Verdict(over=False, waits_for=WORD)


def is_little(missing: int, live: int, share_max: float) -> bool:
    """Whether so few of so many may go without a person's word."""
    if missing <= share_max * live:
        return True
    return missing <= share_max * LITTLE_OF_AT_LEAST and 2 * missing <= live


def _is_before(time: dt.datetime | None, other: dt.datetime) -> bool:
    return time is None or time < other


@dataclass(frozen=True, slots=True)
class OpenEpoch:
    """A truncate or a snapshot as it stands open, for people."""

    topic: str
    what: str
    """invoices or memberships."""
    kind: str
    snapshot_lsn: int
    lsn: int
    happened_at: dt.datetime
    over: bool
    """What it did not show is being retired."""
    missing: int | None
    live: int | None
    counted_at: dt.datetime | None
    waits_for: str | None
    waits_until: dt.datetime | None
    accepted_at: dt.datetime | None
    accepted_by: str | None

    @property
    def waits_for_a_word(self) -> bool:
        """Whether nothing but a person brings it on."""
        return not self.over and self.accepted_at is None and self.waits_for == WORD

    @property
    def sentence(self) -> str:
        """What is missing of what, and what it waits for."""
        name = f"the {self.kind} of {self.topic} at {self.happened_at:%Y-%m-%d %H:%M:%S %Z}"
        if self.over:
            return f"what {name} did not show again is being retired"
        if self.missing is None or self.live is None:
            shown = f"{name} has not shown all {self.what} again"
        else:
            shown = f"{name} has not shown {self.missing:,} of {self.live:,} {self.what} again"
        return f"{shown}; {self._waiting}"

    @property
    def _waiting(self) -> str:
        if self.accepted_at is not None:
            return f"{self.accepted_by} said at {self.accepted_at:%H:%M:%S} that they are gone"
        until = "" if self.waits_until is None else f" until {self.waits_until:%Y-%m-%d %H:%M:%S %Z}"
        match self.waits_for:
            case "quiet":
                return f"more may come{until}"
            case "time":
                return f"too many to be gone without a word, so it waits for them{until}"
            case "word":
                return "it waits for a person's word"
            case _:
                return "not every partition has passed it yet"

    @property
    def remedy(self) -> str | None:
        """What a person can do; None where it ends by itself."""
        if self.over or self.accepted_at is not None or self.waits_for not in {TIME, WORD}:
            return None
        return (
            "load the rows into the table, or find out by `rewards connectors status` whether capture is sound"
            " (`rewards connectors repair` mends it, `rewards connectors resnapshot` reads the table anew);"
            " `rewards reload accept` if they are gone"
        )
