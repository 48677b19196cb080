"""The static files of all pages. Browsers keep them for a year, since their addresses change with their content."""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from pathlib import Path
from typing import Final

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER: Final = Path(__file__).parent / "static"


def static_addresses() -> dict[str, str]:
    """Return the address of each static file by its name."""
    return {path.name: f"/static/{path.name}?v={_digest(path)}" for path in FOLDER.iterdir() if path.is_file()}


class KeptStaticFiles(StaticFiles):
    """Serves the folder."""

    def __init__(self) -> None:
        super().__init__(directory=FOLDER)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return one file."""
        if "\0" in path:
            # An encoded slash, or a NUL (api/core/addresses.py): no file has either in its name.
            raise HTTPException(HTTPStatus.NOT_FOUND)
        response = await super().get_response(path, scope)
        if response.status_code in {200, 304} and b"v=" in scope.get("query_string", b""):
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        else:
            response.headers["Cache-Control"] = "no-cache"
        return response


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
