"""The JSON interface for people to read. It is rendered here, since no page of this site loads anything from elsewhere."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from api.core.sessions import MaybeSignedIn
from api.core.templating import page

router = APIRouter(include_in_schema=False)


@router.get("/docs")
def reference(request: Request, viewer: MaybeSignedIn) -> HTMLResponse:
    """Show the reference."""
    return page(request, "reference/reference.html", viewer, document=request.app.openapi())
