"""The JSON interface for people to read, rendered here: no page of this site loads anything from elsewhere."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from api.sessions import MaybeSignedIn
from api.ui.templating import page

router = APIRouter(include_in_schema=False)


@router.get("/docs")
def reference(request: Request, viewer: MaybeSignedIn) -> HTMLResponse:
    """Show the reference."""
    return page(request, "reference.html", viewer, document=request.app.openapi())
