"""The shapes of sessions as JSON."""

from __future__ import annotations

import datetime as dt

from api.core.schemas import Shape


class SignedInSessionOut(Shape):
    """A session of one's own account."""

    id: int
    created_at: dt.datetime
    last_seen_at: dt.datetime
    address: str
    browser: str
    is_this_one: bool


class SignedInSessionsOut(Shape):
    """All sessions of one's own account, this one first."""

    sessions: list[SignedInSessionOut]
