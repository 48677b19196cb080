"""Say whether the process is up (`/healthz`) and whether it can do its work (`/readyz`)."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError

from api.core.database import Database
from api.core.listener import Listener
from api.health.queries import missing_from_schema

router = APIRouter(include_in_schema=False)

NAMED_AT_MOST = 10


@router.get("/healthz")
async def healthz() -> JSONResponse:
    """Say that the process answers."""
    return JSONResponse({"status": "up"})


@router.get("/readyz")
def readyz(request: Request) -> JSONResponse:
    """Check that the database answers with this schema and that changes are heard of; else answer 503 and the reasons."""
    reasons = _reasons(request.app.state.database, request.app.state.listener)
    return JSONResponse({"status": "not ready" if reasons else "ready", "reasons": reasons}, 503 if reasons else 200)


def _reasons(database: Database, listener: Listener) -> list[str]:
    reasons = []
    try:
        with database.read_sessions() as session:
            missing = missing_from_schema(session)
    except SQLAlchemyError as error:
        reasons.append(f"the database does not answer ({type(error).__name__})")
    else:
        if missing:
            named = ", ".join(missing[:NAMED_AT_MOST]) + (", …" if len(missing) > NAMED_AT_MOST else "")
            reasons.append(f"the database's schema is not at head, it lacks: {named}")
    if not listener.alive:
        reasons.append(f"changes are not heard of: no LISTEN connection ({listener.reason})")
    return reasons
