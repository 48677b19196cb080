"""The ops figures as JSON."""

from __future__ import annotations

from fastapi import APIRouter

from api.core.database import ReadSession
from api.core.schemas import PROBLEMS
from api.core.sessions import Office
from api.dashboard.queries import read_lag
from api.dashboard.schemas import LagOut

router = APIRouter(prefix="/api", tags=["operations"], responses=PROBLEMS)


@router.get("/lag")
def lag(viewer: Office, session: ReadSession) -> LagOut:
    """Show the consumer lag of every agent, per partition, in records and seconds; and what is wrong with the captured sources."""
    return LagOut.model_validate(read_lag(session, viewer))
