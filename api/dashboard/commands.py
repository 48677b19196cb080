"""Takes the office's word that what a reload has not shown again is gone."""

from __future__ import annotations

from sqlalchemy.orm import Session

from api.core.database import stream_cursor
from api.core.permissions import Viewer
from streams.postgres.epochs import accept, open_epochs
from streams.state.epochs import RECORDS


def accept_reload(session: Session, viewer: Viewer, place: tuple[str, int, int]) -> bool:
    """Accept the truncate or snapshot at a place (topic, snapshot LSN, LSN); raise `Forbidden` outside of the office.

    Returns:
        False where it is over, was accepted before, or cannot be judged yet: a word is for the figures that were shown.

    """
    viewer.require_office()
    cursor = stream_cursor(session)
    for epoch in open_epochs(cursor):
        if (epoch.topic, epoch.snapshot_lsn, epoch.lsn) == place and epoch.waits_for not in {None, RECORDS}:
            return accept(cursor, epoch, viewer.email)
    return False
