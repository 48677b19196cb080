"""Ends sessions of one's own account."""

from __future__ import annotations

from sqlalchemy import delete
from sqlalchemy.orm import Session

from api.core.errors import NotFound
from api.core.models import UserSession
from api.core.permissions import Viewer


def end_one(session: Session, viewer: Viewer, session_id: int) -> bytes:
    """End a session of the viewer's account and return its digest; raise `NotFound` where it has none of this id."""
    ended: bytes | None = session.scalar(
        delete(UserSession)
        .where(UserSession.id == session_id, UserSession.user_id == viewer.user_id)
        .returning(UserSession.token_digest)
    )
    if ended is None:
        raise NotFound("This session has ended already.")
    return ended


def end_others(session: Session, viewer: Viewer, digest: bytes | None) -> None:
    """End all sessions of the viewer's account but the one of this digest."""
    session.execute(
        delete(UserSession).where(UserSession.user_id == viewer.user_id, UserSession.token_digest != digest)
    )
