"""Reads the records that could not be used."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from api.core.database import stream_cursor
from api.core.permissions import Viewer
from streams.jobs.dead_letters import NUMBER_MAX, Letters, find_letters


def read_letters(
    session: Session, viewer: Viewer, *, statuses: Sequence[str], limit: int, before: int | None = None
) -> Letters:
    """Return the newest letters of these statuses, below `before`; raise `Forbidden` unless the viewer works in the office."""
    viewer.require_office()
    return find_letters(stream_cursor(session), statuses, limit, before=before or NUMBER_MAX)
