from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from zoneinfo import ZoneInfo

import pytest

from migration import plain

ZONES = (
    "America/Denver", "America/New_York", "America/St_Johns", "America/Goose_Bay", "America/Havana", "America/Sao_Paulo",
    "America/Santiago", "America/Asuncion", "America/Caracas", "America/Scoresbysund", "Europe/Berlin", "Europe/London",
    "Europe/Dublin", "Europe/Lisbon", "Europe/Moscow", "Asia/Tehran", "Asia/Amman", "Asia/Beirut", "Asia/Gaza", "Asia/Kathmandu",
    "Asia/Pyongyang", "Africa/Cairo", "Africa/Casablanca", "Africa/Monrovia", "Antarctica/Troll", "Australia/Lord_Howe",
    "Pacific/Apia", "Pacific/Chatham", "Pacific/Kwajalein",
)  # fmt: skip
DAY = dt.timedelta(days=1)
SECOND = dt.timedelta(seconds=1)
MINUTE = dt.timedelta(minutes=1)


def _offset(moment: dt.datetime, zone: ZoneInfo) -> dt.timedelta:
    offset = moment.astimezone(zone).utcoffset()
    assert offset is not None
    return offset


def _unclear_minutes(zone: ZoneInfo) -> Iterator[dt.datetime]:
    """Minutes that the zone's clock left out or showed twice: between what it showed before a change and after it."""
    moment = dt.datetime(plain.YEARS.start, 1, 1, tzinfo=dt.UTC)
    while moment.year < plain.YEARS.stop - 1:
        before, after = _offset(moment, zone), _offset(moment + DAY, zone)
        if before != after:
            low, high = moment, moment + DAY
            while high - low > SECOND:
                middle = low + (high - low) / 2
                low, high = (middle, high) if _offset(middle, zone) == before else (low, middle)
            changed = high.replace(microsecond=0, tzinfo=None)
            shown, last = changed + min(before, after), changed + max(before, after)
            while shown < last:
                yield shown
                shown += MINUTE
        moment += DAY


@pytest.mark.parametrize("name", ZONES)
def test_every_unclear_minute_is_in_the_months_weekdays_and_hours_that_are_looked_at(name: str) -> None:
    zone = ZoneInfo(name)
    months, weekdays, hours = plain._changes(zone)

    overlooked = [
        minute
        for minute in _unclear_minutes(zone)
        if not (minute.month in months and minute.isoweekday() % 7 + 1 in weekdays and minute.hour in hours)
    ]

    assert overlooked == []


def test_zone_without_changes_has_nothing_to_look_at() -> None:
    assert plain._changes(ZoneInfo("UTC")) == (set(), set(), set())


def test_few_moments_of_denver_are_looked_at() -> None:
    _, weekdays, hours = plain._changes(ZoneInfo("America/Denver"))

    assert weekdays == {1}, "Sundays"
    assert hours == {1, 2}


@pytest.mark.parametrize(
    ("ids", "condition"),
    [
        ([], "0"),
        ([7], "x BETWEEN 7 AND 7"),
        ([1, 2, 3], "x BETWEEN 1 AND 3"),
        ([1, 3, 4, 6], "x BETWEEN 1 AND 6 AND x NOT IN (2, 5)"),
        ([1, 5, 9], "x BETWEEN 1 AND 9 AND x NOT BETWEEN 2 AND 4 AND x NOT BETWEEN 6 AND 8"),
        ([-2, 0], "x BETWEEN -2 AND 0 AND x NOT IN (-1)"),
    ],
)
def test_ids_become_a_range_without_its_gaps(ids: list[int], condition: str) -> None:
    assert plain._among("x", set(ids)) == condition


def test_ids_with_too_many_gaps_become_no_condition() -> None:
    assert plain._among("x", {1, plain.GAPS_MAX + 2}) is not None
    assert plain._among("x", {1, plain.GAPS_MAX + 3}) is None
