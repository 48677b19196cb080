"""Reads the records that could not be used."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from api.core.database import stream_cursor
from api.core.permissions import Viewer
from streams.jobs.dead_letters import Letters, find_letters


def read_letters(session: Session, viewer: Viewer, *, statuses: Sequence[str], limit: int) -> Letters:
    """Return the newest letters of these statuses; raise `Forbidden` unless the viewer works in the office."""
    viewer.require_office()
    return find_letters(stream_cursor(session), statuses, limit)
