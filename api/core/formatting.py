"""Formats numbers, money, dates and moments for a person. Pure; the templates use these functions as filters."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from zoneinfo import ZoneInfo

MINUS = "\u2212"
NONE = "\u2013"
MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
"""Not the locale's, which the texts beside them are not in either."""


def points(value: int) -> str:
    """`1,250`; negative ones with a real minus sign."""
    return f"{value:,}".replace("-", MINUS)


def signed_points(value: int) -> str:
    """`+1,250`, `0`; negative ones with a real minus sign."""
    return f"+{value:,}" if value > 0 else points(value)


def money(value: Decimal | str | None) -> str:
    """`$1,250.99`, a minus sign before it where it is negative; an en dash where there is none."""
    if value is None:
        return NONE
    amount = Decimal(value)
    return f"{MINUS if amount < 0 else ''}${abs(amount):,.2f}"


def day(value: dt.date | str | None, *, year: bool = True) -> str:
    """`Apr 10, 2026` or `Apr 10`; an en dash where there is none. Takes ISO text as well."""
    if value is None:
        return NONE
    date = dt.date.fromisoformat(value) if isinstance(value, str) else value
    month = MONTH_NAMES[date.month - 1]
    return f"{month} {date.day}, {date.year}" if year else f"{month} {date.day}"


def moment(value: dt.datetime | None, zone: ZoneInfo) -> str:
    """`Apr 10, 2026, 3:04:05 PM MDT` in the business zone; an en dash where there is none."""
    if value is None:
        return NONE
    local = value.astimezone(zone)
    return f"{day(local.date())}, {local.hour % 12 or 12}:{local:%M:%S %p %Z}"


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min`, `2 h`, `4 days`."""
    for limit, unit, name in ((120, 1, "s"), (7_200, 60, "min"), (172_800, 3_600, "h")):
        if seconds < limit:
            return f"{seconds:.1f} s" if seconds < 10 and unit == 1 else f"{seconds / unit:.0f} {name}"  # noqa: PLR2004
    return f"{seconds / 86_400:.0f} days"
