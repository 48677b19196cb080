"""What the office decides of records that could not be used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from sqlalchemy.orm import Session

from api.core.database import stream_cursor
from api.core.errors import RequestError
from api.core.permissions import Viewer
from streams.errors import SettingsError
from streams.jobs import dead_letters
from streams.jobs.dead_letters import Decided

Decision = Literal["accept", "retry", "discard"]


class DecisionRefused(RequestError):  # noqa: N818 - the name says what happened
    """Nothing was chosen, or what a decision needs is missing; the text says what."""

    status = 422
    code = "decision_refused"


def decide(
    session: Session, viewer: Viewer, decision: Decision, numbers: Sequence[int] | None, reason: str = ""
) -> Decided:
    """Accept letters, have them tried again, or discard them with a reason; None: every open one.

    Raises:
        Forbidden: the viewer does not work in the office.
        DecisionRefused: nothing is chosen, or a discard has no reason.

    """
    viewer.require_office()
    if numbers is not None and not numbers:
        raise DecisionRefused("Please choose the records that this is about.")
    cursor = stream_cursor(session)
    if decision == "accept":
        return dead_letters.accept(cursor, numbers, viewer.email)
    if decision == "retry":
        return dead_letters.ask_for_retry(cursor, numbers, viewer.email)
    try:
        return dead_letters.discard(cursor, numbers, viewer.email, reason)
    except SettingsError as error:
        raise DecisionRefused("Please say why these records are discarded, in at most 1,000 characters.") from error
