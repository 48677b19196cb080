"""The rules in MySQL's SQL: which values are plain, so that nothing is to be decided about them, and how COPY reads them.

Place on the data's way: the loader's reading (lines.py). A condition here may be too narrow at the cost of time, and never too
wide: tests and `rewards migrate verify` hold the rules in SQL and those in Python against each other.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache, singledispatch
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from migration.acceptance import Acceptance
from migration.catalog import LegacyColumn
from migration.rules.dates import Date, EnrolledOn, Moment, MomentWhenTrue
from migration.rules.encrypted import Encrypted
from migration.rules.numbers import BIGINT_MAX, Flag, Integer, Money
from migration.rules.references import Reference
from migration.rules.rule import Rule
from migration.rules.texts import Choice, Email, MasterAccount, Status, Text

YEARS: Final = range(1970, 2038)
"""Of changes of the clock; other years' moments are all looked at."""
MINUTES: Final = (0, 1, 15, 30, 45, 59)
"""Of an hour, when clocks were ever changed, and the last before."""
GAPS_MAX: Final = 20_000
"""A condition names so many missing ids at most; where more are missing, no row is plain."""


@dataclass(frozen=True, slots=True)
class Source:
    """A column of the legacy database in SQL."""

    sql: str
    legacy: LegacyColumn
    acceptance: Acceptance

    @property
    def null(self) -> str:
        """A condition that its value is NULL; `` where it cannot be."""
        return f"{self.sql} IS NULL" if self.legacy.nullable else ""


@dataclass(frozen=True, slots=True)
class Form:
    """A rule in SQL."""

    plain: str
    """Condition: true, never NULL, only for values about which there is nothing to decide; `` for all."""
    copied: str
    """The value of a plain row as COPY reads it."""
    null: str
    """Condition: whether it is NULL. NULL in `copied` may as well mean that the server could not compute it."""
    text: bool = False
    """Whether `copied` is text as it stands, about which more is to be decided."""


@singledispatch
def form(rule: Rule, *sources: Source) -> Form | None:
    """The rule in SQL; None where it has no such form, so that no row of the table is plain."""
    del rule, sources
    return None


@form.register
def _(rule: Integer, source: Source) -> Form:
    conditions = _present(source, required=rule.required)
    if "bigint" in source.legacy.data_type and "unsigned" in source.legacy.column_type:
        conditions.append(f"({source.sql} IS NULL OR {source.sql} <= {BIGINT_MAX})")
    return Form(" AND ".join(conditions), source.sql, source.null)


@form.register
def _(rule: Money, source: Source) -> Form:
    del rule
    fits = f"({source.sql} IS NULL OR ({source.sql} = ROUND({source.sql}, 2) AND ABS({source.sql}) < 100000000))"
    # Fewer digits after the point leave room for more before it.
    known = source.legacy.column_type.startswith("decimal(10,2)")
    return Form("" if known else fits, source.sql, source.null)


@form.register
def _(rule: Text, source: Source) -> Form:
    plain = " AND ".join(_present(source, required=rule.required))
    return Form(plain, f"CAST({source.sql} AS BINARY)", source.null, text=True)


@form.register
def _(rule: Email, source: Source) -> Form:
    # Its first and its last byte are ASCII and no spaces.
    ends = [f"ORD({end}(CAST({source.sql} AS BINARY), 1)) BETWEEN 33 AND 126" for end in ("LEFT", "RIGHT")]
    plain = " AND ".join([*_present(source, required=rule.required), *ends])
    return Form(plain, f"CAST({source.sql} AS BINARY)", source.null, text=True)


@form.register
def _(rule: MasterAccount, source: Source) -> Form | None:
    others = source.acceptance.context.spellings
    if len(others) > GAPS_MAX:
        return None
    conditions = _present(source, required=rule.required)
    if others:
        listed = ", ".join(f"0x{text.encode().hex()}" for text in others if text) or "0x00"
        told = f"CAST(CONVERT({source.sql} USING utf8mb4) AS BINARY) NOT IN ({listed})"
        conditions.append(f"({source.sql} IS NULL OR {told})" if source.legacy.nullable else told)
    return Form(" AND ".join(conditions), f"CAST({source.sql} AS BINARY)", source.null, text=True)


@form.register
def _(rule: Choice, source: Source) -> Form:
    del rule
    return Form(
        f"({source.sql} IS NULL OR {source.sql} <> '')", f"CAST({source.sql} AS BINARY)", source.null, text=True
    )


@form.register
def _(rule: Date, source: Source) -> Form:
    del rule
    return Form(f"({source.sql} IS NULL OR {_exists(source.sql)})", source.sql, source.null)


@form.register
def _(rule: Moment, source: Source) -> Form:
    del rule
    # COPY reads it in the legacy zone: the session's time zone is set to that.
    return Form(_moment(source), source.sql, "")


@form.register
def _(rule: EnrolledOn, source: Source) -> Form | None:
    del rule
    context = source.acceptance.context
    if context.legacy_zone.key != context.business_zone.key:
        return None
    # A membership whose group is missing is refused, so it has to be looked at.
    return Form(f"{source.sql} IS NOT NULL AND {_moment(source)}", f"DATE({source.sql})", "")


@form.register
def _(rule: MomentWhenTrue, flag: Source, moment: Source) -> Form:
    del rule
    return Form(f"{_flag(flag)} AND {_moment(moment)}", moment.sql, f"{flag.sql} = 0")


@form.register
def _(rule: Flag, source: Source) -> Form:
    del rule
    return Form(_flag(source), source.sql, "")


@form.register
def _(rule: Status, source: Source) -> Form:
    words = ", ".join(f"'{word}'" for word in rule.words)
    return Form(f"{source.sql} IS NOT NULL AND CAST({source.sql} AS BINARY) IN ({words})", source.sql, "")


@form.register
def _(rule: Reference, source: Source) -> Form | None:
    accepted = source.acceptance.context.accepted[rule.to]
    if rule.by_code:
        return _code(rule, source, {str(code): number for code, number in accepted.items()})
    conditions = _present(source, required=rule.required)
    same = {key for key, new in accepted.items() if key == new and isinstance(key, int)}
    among = _among(source.sql, same)
    if among is None:
        return None
    conditions.append(among if rule.required else f"({source.sql} IS NULL OR {among})")
    return Form(" AND ".join(conditions), source.sql, source.null)


@form.register
def _(rule: Encrypted, source: Source) -> Form | None:
    return form(rule.inner, source)


def _code(rule: Reference, source: Source, accepted: dict[str, int]) -> Form | None:
    codes = [code for code in accepted if code.isascii() and code.isalnum()]
    if not codes:
        return None
    # Compared as bytes, in capitals or without any, so that the server's collation has no say.
    names = ", ".join(f"'{code.upper()}', '{code}'" for code in codes)
    place = f"FIELD(CAST({source.sql} AS BINARY), {names})"
    conditions = _present(source, required=rule.required)
    conditions.append(f"{place} > 0" if rule.required else f"({source.sql} IS NULL OR {place} > 0)")
    numbers = ", ".join(f"{accepted[code]}, {accepted[code]}" for code in codes)
    return Form(" AND ".join(conditions), f"ELT({place}, {numbers})", source.null)


def _moment(source: Source) -> str:
    """A moment that the clock of the legacy zone shows once."""
    value = source.sql
    conditions = [*_present(source, required=True), _exists(value)]
    conditions.append(f"YEAR({value}) BETWEEN {YEARS.start} AND {YEARS.stop - 1}")
    # The clock is changed in few months, on few days of the week, at few hours: those moments are looked at one by one.
    months, weekdays, hours = _changes(source.acceptance.context.legacy_zone)
    if hours:
        conditions.append(
            f"NOT (HOUR({value}) IN ({_listed(hours)}) AND MONTH({value}) IN ({_listed(months)})"
            f" AND DAYOFWEEK({value}) IN ({_listed(weekdays)}))"
        )
    return " AND ".join(conditions)


def _flag(source: Source) -> str:
    return f"{source.sql} IS NOT NULL AND {source.sql} IN (0, 1)"


def _present(source: Source, *, required: bool) -> list[str]:
    return [f"{source.sql} IS NOT NULL"] if required and source.legacy.nullable else []


def _exists(value: str) -> str:
    """A date that Python and Postgres know too; 29 February is looked at."""
    return (
        f"(YEAR({value}) > 0 AND MONTH({value}) > 0 AND DAY({value}) > 0 AND (DAY({value}) <= 28"
        f" OR (DAY({value}) <= 30 AND MONTH({value}) <> 2) OR MONTH({value}) IN (1, 3, 5, 7, 8, 10, 12)))"
    )


def _among(value: str, ids: Collection[int]) -> str | None:
    """A condition for ids that are mostly without gaps, as those of an AUTO_INCREMENT are."""
    if not ids:
        return "0"
    first, last = min(ids), max(ids)
    if last - first + 1 - len(ids) > GAPS_MAX:
        return None
    gaps = [number for number in range(first, last + 1) if number not in ids]
    runs: list[list[int]] = []
    for number in gaps:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    conditions = [f"{value} BETWEEN {first} AND {last}"]
    conditions += [f"{value} NOT BETWEEN {run[0]} AND {run[-1]}" for run in runs if len(run) > 1]
    if single := [run[0] for run in runs if len(run) == 1]:
        conditions.append(f"{value} NOT IN ({_listed(single)})")
    return " AND ".join(conditions)


@lru_cache
def _changes(zone: ZoneInfo) -> tuple[set[int], set[int], set[int]]:
    """Months, weekdays (1 is Sunday, as MySQL counts) and hours in which the zone's clock was ever changed."""
    months: set[int] = set()
    weekdays: set[int] = set()
    hours: set[int] = set()
    for year in YEARS:
        for before, after in pairwise(datetime(year, 1, 1) + timedelta(days=day) for day in range(367)):  # noqa: DTZ001
            if before.replace(tzinfo=zone).utcoffset() == after.replace(tzinfo=zone).utcoffset():
                continue
            for moment in _unclear(before, after, zone):
                months.add(moment.month)
                weekdays.add(moment.isoweekday() % 7 + 1)
                hours.add(moment.hour)
    return months, weekdays, hours


def _unclear(before: datetime, after: datetime, zone: ZoneInfo) -> Sequence[datetime]:
    """Moments of the wall clock, around two midnights between which it was changed, that do not exist or come twice."""
    first = before - timedelta(hours=6)
    hours = (first + timedelta(hours=hour) for hour in range((after - before).days * 24 + 12))
    moments = (hour.replace(minute=minute) for hour in hours for minute in MINUTES)
    return [
        moment
        for moment in moments
        if moment.replace(tzinfo=zone, fold=0).utcoffset() != moment.replace(tzinfo=zone, fold=1).utcoffset()
    ]


def _listed(numbers: Collection[int]) -> str:
    return ", ".join(str(number) for number in sorted(numbers))
