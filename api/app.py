"""The web app: pages, JSON and live updates over what the stream wrote, put together."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from fastapi import FastAPI
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from api import endpoints, health, sessions
from api.attempts import SignInAttempts
from api.dashboard import lag
from api.database import Database
from api.encryption import FieldCipher
from api.listener import Listener
from api.live import Live
from api.middleware import Edge
from api.settings import WebSettings
from api.ui import new_password, pages, reference, sign_in
from api.ui.errors import add_error_handlers
from api.ui.templating import STATIC, make_environment

VERSION = "0.1.0"


def create_app(settings: WebSettings, cipher: FieldCipher) -> Edge:
    """Return the app, which connects to the database when it is started. The cipher reads personal details."""
    database = Database(settings.database_url.get_secret_value(), connections=settings.database_connections)
    live = Live(interval_seconds=settings.live_interval_ms / 1000)
    listener = Listener(settings.database_url.get_secret_value(), live.changed, live.connected)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        listening = asyncio.create_task(listener.run())
        yield
        listening.cancel()
        await asyncio.wait({listening})
        database.close()

    app = FastAPI(
        title="Sunroc Rewards",
        version=VERSION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    app.state.settings = settings
    app.state.database = database
    app.state.cipher = cipher
    app.state.live = live
    app.state.listener = listener
    app.state.templates = make_environment(settings)
    app.state.attempts = SignInAttempts(
        failures=settings.sign_in_failures, window_seconds=settings.sign_in_window_minutes * 60, clock=time.monotonic
    )
    for module in (endpoints, health, sign_in, new_password, pages, lag, reference):
        app.include_router(module.router)
    app.mount("/static", _Static(directory=STATIC), name="static")
    add_error_handlers(app)
    app.add_middleware(
        SessionMiddleware,
        secret_key=settings.session_secret.get_secret_value(),
        session_cookie=sessions.COOKIE,
        max_age=int(settings.session_hours * 3600),
        same_site="lax",
        https_only=settings.web_https,
    )
    # Around everything, not among the middlewares: also the answer to a fault of ours gets its headers.
    return Edge(app)


class _Static(StaticFiles):
    """Static files, kept by browsers for a year: their addresses change with their content."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """One file."""
        response = await super().get_response(path, scope)
        if response.status_code in {200, 304} and b"v=" in scope.get("query_string", b""):
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        else:
            response.headers["Cache-Control"] = "no-cache"
        return response
