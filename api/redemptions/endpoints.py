"""Redemptions as JSON."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api.core.database import ReadSession
from api.core.encryption import FieldCipher
from api.core.errors import NotFound
from api.core.parameters import RedemptionId
from api.core.schemas import NOT_FOUND, PROBLEMS
from api.core.sessions import Fulfilment
from api.redemptions.queries import find_traveller
from api.redemptions.schemas import TravellerOut

router = APIRouter(prefix="/api/redemptions", tags=["redemptions"], responses=PROBLEMS | NOT_FOUND)


@router.get("/{redemption_id}/traveller")
def traveller(
    request: Request, response: Response, viewer: Fulfilment, session: ReadSession, redemption_id: RedemptionId
) -> TravellerOut:
    """Show what a trip is booked with, personal details included: to administrators and managers only."""
    cipher: FieldCipher = request.app.state.cipher
    found = find_traveller(session, viewer, cipher, redemption_id)
    if found is None:
        raise NotFound(f"There is no redemption {redemption_id}.")
    response.headers["Cache-Control"] = "no-store"
    return TravellerOut.model_validate(found)
