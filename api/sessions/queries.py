"""Reads the sessions of an account."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from api.core.models import UserSession
from api.core.permissions import Viewer


@dataclass(frozen=True, slots=True)
class SignedInSession:
    """A session that has not ended."""

    id: int
    created_at: dt.datetime
    last_seen_at: dt.datetime
    address: str
    browser: str
    is_this_one: bool


def own_sessions(session: Session, viewer: Viewer, digest: bytes | None) -> list[SignedInSession]:
    """Return the viewer's sessions, the one of this digest first and then by their last request."""
    this = aliased(UserSession)
    # Those of an earlier password have ended.
    current = select(this.password_stamp).where(this.token_digest == digest).scalar_subquery()
    is_this_one = UserSession.token_digest == digest
    rows = session.execute(
        select(
            UserSession.id,
            UserSession.created_at,
            UserSession.last_seen_at,
            UserSession.address,
            UserSession.browser,
            is_this_one,
        )
        .where(UserSession.user_id == viewer.user_id, UserSession.password_stamp == current)
        .order_by(is_this_one.desc(), UserSession.last_seen_at.desc(), UserSession.id.desc())
    )
    return [SignedInSession(*row) for row in rows]
