"""The date as of which all points are shown."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import select
from sqlalchemy.orm import Session

from streams.postgres.models import BusinessDay


def business_date(session: Session) -> dt.date | None:
    """Return the business date that the stream works with; None before it has opened its first."""
    return session.scalar(select(BusinessDay.business_date))
