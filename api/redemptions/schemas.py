"""The shapes of redemptions as JSON."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from pydantic import Field

from api.core.schemas import Shape


class TravellerOut(Shape):
    """Who travels with a redeemed prize."""

    name: str | None
    international_name: str | None
    birthdate: Annotated[dt.date | None, Field(repr=False)]
    passport_number: Annotated[str | None, Field(repr=False)]
    passport_issue_date: dt.date | None
    passport_expiration_date: dt.date | None
