"""Draws the balance over time: from the points by day to the shapes of an inline SVG. Pure.

The page stretches the drawing to its width, so it holds lines only; the texts stand beside it in HTML.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 1000
HEIGHT: Final = 240
MOST_STEPS: Final = 400
TICKS_WANTED: Final = 4


@dataclass(frozen=True, slots=True)
class Tick:
    """A value of the scale and its height in the drawing."""

    value: int
    y: float


@dataclass(frozen=True, slots=True)
class Chart:
    """The shapes, in a drawing of WIDTH x HEIGHT."""

    line: str
    area: str
    ticks: tuple[Tick, ...]
    """From the top down."""
    zero_y: float
    first_on: dt.date
    last_on: dt.date
    first: int
    last: int
    lowest: int
    highest: int
    steps: tuple[tuple[str, int, float, float], ...]
    """ISO date, balance from that date on, and x and y of it, from the left."""


def balance_chart(points_by_day: Sequence[tuple[dt.date, int]], until: dt.date | None) -> Chart | None:
    """Draw the running sum as steps up to `until` (or the last day); None where there is nothing to draw."""
    if not points_by_day:
        return None
    days = [day for day, _ in points_by_day]
    balances = []
    balance = 0
    for _, points in points_by_day:
        balance += points
        balances.append(balance)
    first_on, last_on = days[0], max(days[-1], until or days[-1])
    kept = _thinned(list(zip(days, balances, strict=True)))
    ticks = _scale(min(0, *balances), max(0, *balances))
    top, bottom = ticks[0], ticks[-1]
    span_days = max(1, (last_on - first_on).days)

    def x(day: dt.date) -> float:
        return round((day - first_on).days / span_days * WIDTH, 1)

    def y(value: float) -> float:
        return round((top - value) / (top - bottom) * HEIGHT, 1)

    line = f"M0 {y(0)}" + "".join(f"H{x(day)}V{y(value)}" for day, value in kept) + f"H{WIDTH}"
    return Chart(
        line=line,
        area=f"{line}V{y(0)}H0Z",
        ticks=tuple(Tick(value, y(value)) for value in ticks),
        zero_y=y(0),
        first_on=first_on,
        last_on=last_on,
        first=balances[0],
        last=balances[-1],
        lowest=min(balances),
        highest=max(balances),
        steps=tuple((day.isoformat(), value, x(day), y(value)) for day, value in kept),
    )


def _thinned(steps: list[tuple[dt.date, int]]) -> list[tuple[dt.date, int]]:
    """Return at most MOST_STEPS + 1 of the steps, evenly chosen, the last always among them."""
    if len(steps) <= MOST_STEPS:
        return steps
    every = len(steps) / MOST_STEPS
    return [*(steps[int(i * every)] for i in range(MOST_STEPS)), steps[-1]]


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
