"""Dead letters as JSON: the same queries and commands as the page."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from api.core.database import ReadSession, WriteSession
from api.core.parameters import Limit
from api.core.schemas import PROBLEMS, Problem
from api.core.sessions import Office
from api.dead_letters.commands import decide
from api.dead_letters.queries import read_letters
from api.dead_letters.schemas import DecidedOut, DecisionIn, LettersOut
from streams.jobs.dead_letters import PAGE

router = APIRouter(prefix="/api/dead-letters", tags=["operations"], responses=PROBLEMS)

StatusName = Literal["open", "accepted", "retried", "discarded", "superseded"]


@router.get("")
def letters(
    viewer: Office,
    session: ReadSession,
    status: Annotated[list[StatusName], Query(description="May be repeated")] = ["open"],  # noqa: B006 -- FastAPI copies it
    limit: Limit = PAGE,
) -> LettersOut:
    """Show the records that could not be used, why, and which partitions wait for a decision. Never their bytes."""
    return LettersOut.model_validate(read_letters(session, viewer, statuses=status, limit=limit))


@router.post(
    "/decisions", responses={422: {"model": Problem, "description": "Nothing is chosen, or a reason is missing"}}
)
def decisions(viewer: Office, session: WriteSession, body: DecisionIn) -> DecidedOut:
    """Accept letters (the stream goes on past them), have them tried again, or discard them with a reason."""
    return DecidedOut.model_validate(decide(session, viewer, body.decision, body.ids, body.reason))
