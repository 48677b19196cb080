"""`rewards day`: shows the business date, and moves it where it is moved by hand."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from streams.errors import SettingsError
from streams.postgres.session import connect, faults


class Day(NamedTuple):
    """The date that points are asked for."""

    business_date: dt.date
    manual: bool
    """Moved by `rewards day --to` instead of by the clock."""


def read_day(database_url: str) -> Day:
    """Return the business date."""
    return _change(database_url, "UPDATE business_day SET id = id WHERE false", ())


def start_day(database_url: str, date: dt.date) -> Day:
    """Begin on a date of one's own; from then on only `move_day` moves it. A date that was reached before stays."""
    statement = (
        "UPDATE business_day SET manual = true, opened_at = now(),"
        " business_date = CASE WHEN manual THEN greatest(business_date, %s) ELSE %s END"
    )
    return _change(database_url, statement, (date, date))


def move_day(database_url: str, date: dt.date) -> Day:
    """Open a later date.

    Raises:
        SettingsError: the stack runs by the clock, or the date is not later.
    """
    day = read_day(database_url)
    if not day.manual:
        raise SettingsError(
            "this stack's business date follows the clock; only one started with --business-date can be moved"
        )
    if date < day.business_date:
        raise SettingsError(f"the business date is {day.business_date} already and cannot go back to {date}")
    return _change(
        database_url, "UPDATE business_day SET business_date = greatest(business_date, %s), opened_at = now()", (date,)
    )


def _change(database_url: str, statement: str, values: tuple[object, ...]) -> Day:
    connection = connect(database_url, name="rewards day")
    try:
        with faults(), connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            cursor.execute("SELECT business_date, manual FROM business_day")
            found = cursor.fetchone()
    finally:
        connection.close()
    if found is None:
        raise SettingsError("business_day has no row; run `rewards database upgrade`")
    return Day(*found)
