"""The rules of dates and moments: zero dates, and wall clocks of the legacy zone that are read as moments.

Place on the data's way: from a DATE or DATETIME to a date or a moment in UTC. PURE, as the whole package: the zones are told, and
nobody asks what time it is.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from migration.errors import UncoveredError
from migration.rules.numbers import Flag
from migration.rules.rule import Cell, Finding, Raw, Rule, not_null

DEFAULT_DATE: Final = dt.date(2011, 1, 1)
"""Stands where a date must and none is known: the program's first day."""


@dataclass(frozen=True, slots=True)
class Date(Rule):
    """A date that need not be there."""

    TYPES = frozenset({"date"})

    def apply(self, raws: tuple[Raw, ...], cell: Cell, findings: list[Finding]) -> dt.date | None:
        """Source: "zero or part-zero date in a nullable target → NULL"."""
        raw = raws[0]
        if raw is None:
            return None
        text = raw.decode("ascii")
        if is_part_zero(text):
            findings.append(Finding(cell.column, "zero-date", raw, None))
            return None
        try:
            return dt.date.fromisoformat(text)
        except ValueError as error:
            raise UncoveredError(cell.column, f"{text} is no date of the calendar") from error


@dataclass(frozen=True, slots=True)
class Moment(Rule):
    """A DATETIME of the legacy zone that has to be there."""

    TYPES = frozenset({"datetime"})

    def apply(self, raws: tuple[Raw, ...], cell: Cell, findings: list[Finding]) -> dt.datetime:
        """Source: "DATETIME → timestamptz", and the default of a zero date."""
        raw = not_null(raws[0], cell)
        text = raw.decode("ascii")
        zone = cell.context.legacy_zone
        if is_part_zero(text):
            moment = dt.datetime.combine(DEFAULT_DATE, dt.time(), zone).astimezone(dt.UTC)
            findings.append(Finding(cell.column, "zero-date", raw, moment))
            return moment
        try:
            local = dt.datetime.fromisoformat(text)
        except ValueError as error:
            raise UncoveredError(cell.column, f"{text} is no moment of the calendar") from error
        try:
            moment, rule = first_reading(local, zone)
        except OverflowError as error:
            raise UncoveredError(cell.column, f"{text} lies outside of the years 1 to 9999 in UTC") from error
        if rule is not None:
            findings.append(Finding(cell.column, rule, raw, moment))
        return moment


@dataclass(frozen=True, slots=True)
class EnrolledOn(Rule):
    """The business date of a moment: of the group's `created_on` for a membership."""

    TYPES = Moment.TYPES

    def apply(self, raws: tuple[Raw, ...], cell: Cell, findings: list[Finding]) -> dt.date | None:
        """Source: "new `enrolled_at` = the group's `created_on`". No group: the row is refused for that anyway."""
        if raws[0] is None:
            return None
        found: list[Finding] = []
        date = Moment().apply(raws, cell, found).astimezone(cell.context.business_zone).date()
        findings += [Finding(finding.column, finding.rule, finding.old, date) for finding in found]
        return date


@dataclass(frozen=True, slots=True)
class MomentWhenTrue(Rule):
    """A flag and a moment become the moment, or nothing."""

    def types(self, place: int) -> frozenset[str]:
        """A flag, then a moment."""
        return (Flag.TYPES, Moment.TYPES)[place]

    def apply(self, raws: tuple[Raw, ...], cell: Cell, findings: list[Finding]) -> dt.datetime | None:
        """Source: "`terms_conditions_accepted_at` (its `created_on` when true)". The moment's own column reports it."""
        flag, moment = raws
        if flag is None or not Flag().apply((flag,), cell, findings):
            return None
        try:
            return Moment().apply((moment,), cell, [])
        except UncoveredError:
            # The moment's own column stops the load, and names itself.
            return None


def is_part_zero(text: str) -> bool:
    """Whether the year, the month or the day of `YYYY-MM-DD…` is zero."""
    return text[:4] == "0000" or text[5:7] == "00" or text[8:10] == "00"


def first_reading(local: dt.datetime, zone: ZoneInfo) -> tuple[dt.datetime, str | None]:
    """A wall clock's moment in UTC, and the rule where the clock does not tell it alone.

    A time that the clock leaps over moves forward by the leap; of a time that it shows twice, the first one counts.
    """
    first = local.replace(tzinfo=zone, fold=0)
    moment = first.astimezone(dt.UTC)
    if first.utcoffset() == local.replace(tzinfo=zone, fold=1).utcoffset():
        return moment, None
    exists = moment.astimezone(zone).replace(tzinfo=None) == local
    return moment, "ambiguous-time" if exists else "missing-time"
