"""Checks and readings of single terms: each refuses a wrong value in a sentence that names the field."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import TypeGuard
from zoneinfo import ZoneInfo

from streams.errors import SettingsError

Check = Callable[[str, object], None]
"""Takes a field's name and value; raises `SettingsError` where the value is wrong."""


def is_int(value: object) -> TypeGuard[int]:
    """Tell whether a value is a whole number: to Python a bool is an int, but `true` days are a mistake."""
    return isinstance(value, int) and not isinstance(value, bool)


def a_date(name: str, value: object) -> None:
    """Refuse what is no date (a datetime is none: its zone would be open to guess)."""
    if type(value) is not date:
        raise SettingsError(f"{name}: {value!r} is not a date")


def int_between(least: int, most: int) -> Check:
    """Make a check that refuses what is no whole number from `least` to `most`."""

    def check(name: str, value: object) -> None:
        if not is_int(value) or not least <= value <= most:
            raise SettingsError(f"{name}: {value!r} is not a whole number from {least} to {most}")

    return check


def decimal_between(least: Decimal, most: Decimal) -> Check:
    """Make a check that refuses what is no Decimal from `least` to `most`."""

    def check(name: str, value: object) -> None:
        if not isinstance(value, Decimal) or not value.is_finite() or not least <= value <= most:
            raise SettingsError(f"{name}: {value!r} is not a decimal from {least} to {most}")

    return check


def rising_days(name: str, value: object) -> None:
    """Refuse what is no tuple of rising whole days."""
    if (
        not isinstance(value, tuple)
        or not all(is_int(days) and days >= 1 for days in value)
        or any(sooner >= later for sooner, later in pairwise(value))
    ):
        raise SettingsError(f"{name}: {value!r} is not a rising list of whole days, each 1 or more")


def one_of(*allowed: str) -> Check:
    """Make a check that refuses all but the given texts."""

    def check(name: str, value: object) -> None:
        if value not in allowed:
            raise SettingsError(f"{name}: {value!r} is not one of {', '.join(allowed)}")

    return check


def a_zone(name: str, value: object) -> None:
    """Refuse what is no name of a time zone."""
    a_text(name, value)
    try:
        ZoneInfo(str(value))
    except (KeyError, ValueError, OSError) as error:
        raise SettingsError(f"{name}: {value!r} is not a time zone such as America/Denver") from error


def a_text(name: str, value: object) -> None:
    """Refuse what is no text, and the empty text."""
    if not isinstance(value, str) or not value:
        raise SettingsError(f"{name}: {value!r} is not a text")


def as_it_is(_name: str, value: object) -> object:
    """Read a value that JSON holds in the type that it has here."""
    return value


def read_date(name: str, value: object) -> date:
    """Read an ISO date."""
    try:
        return date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError as error:
        raise SettingsError(f"{name}: {value!r} is not a date such as 2011-01-31") from error


def read_decimal(name: str, value: object) -> Decimal:
    """Read a decimal from text or a whole number; other JSON numbers were floats on the way and may be off."""
    if isinstance(value, str) or is_int(value):
        try:
            return Decimal(value)
        except InvalidOperation:
            pass
    raise SettingsError(f'{name}: {value!r} is not a decimal as text, such as "0.5"')


def read_list(name: str, value: object) -> tuple[object, ...]:
    """Read a JSON list."""
    if not isinstance(value, list):
        raise SettingsError(f"{name}: {value!r} is not a list")
    return tuple(value)
