"""PURE: what a check of the captured sources found, and what of it is known still after the next check.

A check that could not see a source says so, and then nothing that was known of that source is over: cannot know is not nothing to do.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

TEXT_MAX: Final = 2_000
"""Longer texts are cut: they quote what servers say."""
CHECK_FAILED: Final = "check_failed"
_FIGURES: Final = re.compile(r"\d+(?:[.,]\d+)*")


@dataclass(frozen=True, slots=True)
class SourceFinding:
    """One thing that is wrong with a captured source, or could not be seen."""

    connector: str | None
    """None where it is about every source."""
    topic: str | None
    """Where the source's changes go to; None with `connector`."""
    severity: Literal["error", "warning"]
    """An error makes points wrong or late."""
    code: str
    """One name a kind of finding."""
    message: str
    remedy: str
    hides_others: bool = False
    """The source could not be seen, so that what was wrong with it before may be wrong still."""

    @property
    def place(self) -> tuple[str | None, str, str]:
        """What tells it from others, however the figures in its message move."""
        return (self.connector, self.code, "" if self.hides_others else _FIGURES.sub("#", self.message))

    @property
    def sentence(self) -> str:
        """What is wrong where, and what leads out."""
        return f"{self.connector or 'every source'}: {self.message}. Remedy: {self.remedy}"

    def concerns(self, topic: str) -> bool:
        """Whether it is about the source of a topic."""
        return self.topic in {None, topic}

    def cut(self) -> SourceFinding:
        """Return it with texts that have a bound."""
        return replace(self, message=_cut(self.message), remedy=_cut(self.remedy))


@dataclass(frozen=True, slots=True)
class KnownFinding:
    """A finding with its history."""

    finding: SourceFinding
    since: dt.datetime
    """When it was seen first."""
    seen_at: dt.datetime
    """When it was seen last; earlier than the last check where that could not see its source."""


def failed(reason: str) -> SourceFinding:
    """Return what is found where nothing could be looked at."""
    remedy = "see the log of `rewards lag`, and what `rewards connectors status` says"
    return SourceFinding(
        None, None, "error", CHECK_FAILED, f"the sources could not be checked: {reason}", remedy, hides_others=True
    )


def merged(before: Iterable[KnownFinding], found: Sequence[SourceFinding], now: dt.datetime) -> list[KnownFinding]:
    """Return what is known after a check: what it found, since when, and what it could not see to be over.

    Args:
        before: what was known.
        found: what the check found.
        now: when it was made.
    """
    known = {one.finding.place: one for one in before}
    seen = {
        one.place: KnownFinding(one.cut(), known[one.place].since if one.place in known else now, now) for one in found
    }
    hidden = {one.connector for one in found if one.hides_others}
    kept = {
        place: one
        for place, one in known.items()
        if place not in seen and hidden & {None, one.finding.connector} and not one.finding.hides_others
    }
    return list((seen | kept).values())


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_MAX else f"{text[: TEXT_MAX - 1]}…"
