"""Draws the balance over time: from the points by day to the shapes and texts of an inline SVG. Pure.

The page stretches the line to its width. What must not be stretched (texts, the marker) is placed by percent of the drawing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Literal

from api.core import formatting

WIDTH: Final = 1000
HEIGHT: Final = 240
MOST_STEPS: Final = 240
"""More cannot be told apart on a screen, and each is a row of the page."""
TICKS_WANTED: Final = 4
MOST_DATES: Final = 5
"""So many dates stand side by side below the drawing on a phone."""
EDGE_PERCENT: Final = 8
"""A date this near to an end of the drawing would reach beyond it if it was centred."""
MONTHS: Final = 12


@dataclass(frozen=True, slots=True)
class Tick:
    """A value of the scale; `y` in percent of the height, from the top."""

    value: int
    y: float


@dataclass(frozen=True, slots=True)
class DateTick:
    """A date below the drawing; `x` in percent of the width, `anchor` as SVG's text-anchor."""

    text: str
    x: float
    anchor: Literal["start", "middle", "end"]


@dataclass(frozen=True, slots=True)
class Step:
    """The balance from a day on, and where it stands: `x` and `y` in percent of the drawing, from the upper left."""

    day: dt.date
    balance: int
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Chart:
    """The shapes: lines in a drawing of WIDTH x HEIGHT, what is not stretched in percent of it."""

    line: str
    area: str
    ticks: tuple[Tick, ...]
    """From the top down."""
    dates: tuple[DateTick, ...]
    """From the left."""
    first_on: dt.date
    last_on: dt.date
    first: int
    last: int
    lowest: int
    highest: int
    steps: tuple[Step, ...]
    """The days on which the balance changed, from the left: all of them, or MOST_STEPS."""
    days: int
    """On how many days it changed."""


def balance_chart(points_by_day: Sequence[tuple[int, int]], until: dt.date | None) -> Chart | None:
    """Draw the running sum as steps up to `until` (or the last day); None where there is nothing to draw.

    Args:
        points_by_day: days in their order, as numbers in the calendar (`dt.date.toordinal`), with their points.
        until: the business date.

    """
    if not points_by_day:
        return None
    days = [day for day, _ in points_by_day]
    balances = list(accumulate(points for _, points in points_by_day))
    first, last = days[0], max(days[-1], 0 if until is None else until.toordinal())
    lowest, highest = min(balances), max(balances)
    scale = _scale(min(0, lowest), max(0, highest))
    top, bottom = scale[0], scale[-1]
    span_days = max(1, last - first)

    def x(day: int) -> float:
        return round(100 * (day - first) / span_days, 2)

    def y(value: float) -> float:
        return round(100 * (top - value) / (top - bottom), 2)

    steps = tuple(Step(dt.date.fromordinal(day), value, x(day), y(value)) for day, value in _thinned(days, balances))
    first_on, last_on = dt.date.fromordinal(first), dt.date.fromordinal(last)
    zero = _of(HEIGHT, y(0))
    line = f"M0 {zero}" + "".join(f"H{_of(WIDTH, s.x)}V{_of(HEIGHT, s.y)}" for s in steps) + f"H{WIDTH}"
    return Chart(
        line=line,
        area=f"{line}V{zero}H0Z",
        ticks=tuple(Tick(value, y(value)) for value in scale),
        dates=tuple(_date_tick(text, x(day.toordinal())) for day, text in _dates(first_on, last_on)),
        first_on=first_on,
        last_on=last_on,
        first=balances[0],
        last=balances[-1],
        lowest=lowest,
        highest=highest,
        steps=steps,
        days=len(days),
    )


def _of(length: int, percent: float) -> float:
    return round(length * percent / 100, 1)


def _date_tick(text: str, x: float) -> DateTick:
    return DateTick(text, x, "start" if x < EDGE_PERCENT else "end" if x > 100 - EDGE_PERCENT else "middle")


def _thinned(days: Sequence[int], balances: Sequence[int]) -> list[tuple[int, int]]:
    """Return at most MOST_STEPS of the steps: first and last, and the lowest and highest between, so that no peak is lost."""
    kept = set(range(len(days)))
    if len(kept) > MOST_STEPS:
        stretch = -(-len(days) // (MOST_STEPS // 2 - 1))
        kept = {0, len(days) - 1}
        for start in range(0, len(days), stretch):
            among = range(start, min(start + stretch, len(days)))
            kept |= {min(among, key=balances.__getitem__), max(among, key=balances.__getitem__)}
    return [(days[i], balances[i]) for i in sorted(kept)]


def _scale(lowest: int, highest: int) -> list[int]:
    """Return round values from the top down that span `lowest`, 0 and `highest`."""
    span = max(1, highest - lowest)
    step = 1
    # The step is the first of 1, 2, 5, 10, 20, 50, … that needs few lines.
    for exponent in range(len(str(span)) + 1):
        step = next((m * 10**exponent for m in (1, 2, 5) if span / (m * 10**exponent) <= TICKS_WANTED), 0)
        if step:
            break
    top = -(-highest // step) * step
    bottom = lowest // step * step
    if top == bottom:
        top += step
    return list(range(top, bottom - 1, -step))


def _dates(first_on: dt.date, last_on: dt.date) -> list[tuple[dt.date, str]]:
    """Return round dates from `first_on` to `last_on` with their texts: days, Mondays, firsts of months or of years."""
    for days in (1, 2, 3, 7, 14):
        if (last_on - first_on).days < days * MOST_DATES:
            # Day 1 of the calendar was a Monday.
            first = first_on.toordinal() + (1 - first_on.toordinal()) % days
            found = map(dt.date.fromordinal, range(first, last_on.toordinal() + 1, days))
            return [(day, formatting.day(day, year=False)) for day in found]
    months = 1
    while len(list(_months(first_on, last_on, months))) > MOST_DATES:
        months = {1: 2, 2: 3, 3: 6, 6: 12}.get(months, 2 * months)
    return [
        (day, f"{formatting.MONTH_NAMES[day.month - 1]} {day.year}" if months < MONTHS else f"{day.year}")
        for day in _months(first_on, last_on, months)
    ]


def _months(first_on: dt.date, last_on: dt.date, months: int) -> Iterator[dt.date]:
    """Yield the firsts of every `months`-th month, counted from the year 0."""
    number = -(-(first_on.year * MONTHS + first_on.month - (first_on.day == 1)) // months) * months
    while number < (dt.MAXYEAR + 1) * MONTHS:
        day = dt.date(number // MONTHS, number % MONTHS + 1, 1)
        if day > last_on:
            return
        yield day
        number += months
