"""The business date that the feed's rows are dated by, moving on as the stack's does."""

from __future__ import annotations

import datetime as dt
import time
from typing import Final
from zoneinfo import ZoneInfo

import psycopg2

ASKED_EVERY_SECONDS: Final = 5.0


class BusinessDate:
    """A given date; else the stack's, where it was set by hand; else the date in the business zone.

    Args:
        fixed: the date, whatever the clock says.
        database_url: `sunroc_rewards`, asked now and then for a date that was set by hand (`rewards day --to`).
        timezone: the zone whose date counts otherwise.
    """

    def __init__(self, fixed: dt.date | None, database_url: str | None, timezone: str) -> None:
        self._fixed = fixed
        self._database_url = database_url
        self._zone = ZoneInfo(timezone)
        self._connection: psycopg2.extensions.connection | None = None
        self._asked_at = -ASKED_EVERY_SECONDS
        self._by_hand: dt.date | None = None

    def today(self) -> dt.date:
        """The business date now."""
        if self._fixed is not None:
            return self._fixed
        if self._database_url is not None and time.monotonic() - self._asked_at >= ASKED_EVERY_SECONDS:
            self._asked_at = time.monotonic()
            self._by_hand = self._ask(self._database_url)
        return self._by_hand or dt.datetime.now(self._zone).date()

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()

    def _ask(self, url: str) -> dt.date | None:
        try:
            if self._connection is None or self._connection.closed:
                self._connection = psycopg2.connect(url, connect_timeout=3, application_name="rewards feed")
            with self._connection, self._connection.cursor() as cursor:
                cursor.execute("SELECT business_date FROM business_day WHERE manual")
                row = cursor.fetchone()
                return None if row is None else row[0]
        except (psycopg2.OperationalError, psycopg2.InterfaceError, psycopg2.errors.UndefinedTable):
            # The feed belongs to the warehouse and goes on without the other database.
            return self._by_hand
