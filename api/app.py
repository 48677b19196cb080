"""Composes the website of its features: pages, JSON and live updates over what the stream wrote."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import Final

from fastapi import APIRouter, FastAPI
from starlette.middleware.sessions import SessionMiddleware

from api.core import sessions
from api.core.addresses import Segments
from api.core.clearing import clear_regularly
from api.core.database import Database
from api.core.encryption import FieldCipher
from api.core.error_handlers import add_error_handlers
from api.core.freshness import Freshness
from api.core.listener import Listener
from api.core.live import Live, Pace
from api.core.middleware import BoundedBody, Edge
from api.core.server import Server, configuration
from api.core.settings import WebSettings
from api.core.static_files import KeptStaticFiles
from api.core.templating import make_environment
from api.customers import endpoints as customers_endpoints
from api.customers import pages as customers_pages
from api.dashboard import endpoints as dashboard_endpoints
from api.dashboard import pages as dashboard_pages
from api.dead_letters import endpoints as dead_letters_endpoints
from api.dead_letters import pages as dead_letters_pages
from api.entries.explanation import explain
from api.groups import endpoints as groups_endpoints
from api.groups import pages as groups_pages
from api.health import endpoints as health_endpoints
from api.redemptions import endpoints as redemptions_endpoints
from api.reference import pages as reference_pages
from api.sessions import endpoints as sessions_endpoints
from api.sessions import pages as sessions_pages
from api.users import endpoints as users_endpoints
from api.users import pages as users_pages
from api.users.attempts import Attempts
from api.users.password_work import PasswordWork

VERSION: Final = "0.1.0"

ROUTERS: Final[tuple[APIRouter, ...]] = (
    # The reference shows the JSON interface in this order.
    users_endpoints.router,
    sessions_endpoints.router,
    customers_endpoints.router,
    groups_endpoints.router,
    redemptions_endpoints.router,
    dashboard_endpoints.router,
    dead_letters_endpoints.router,
    health_endpoints.router,
    users_pages.router,
    sessions_pages.router,
    customers_pages.router,
    groups_pages.router,
    dashboard_pages.router,
    dead_letters_pages.router,
    reference_pages.router,
)


def create_app(settings: WebSettings, cipher: FieldCipher) -> FastAPI:
    """Return the app, which connects to the database when it is started. The cipher reads personal details."""
    database = Database(settings.database_url.get_secret_value(), connections=settings.database_connections)
    live = Live(
        database.read_sessions.begin,
        Pace(
            interval_seconds=settings.live_interval_ms / 1000,
            beat_seconds=settings.live_beat_seconds,
            page_seconds=settings.live_minutes * 60,
            authorize_seconds=settings.live_authorize_seconds,
            behind_seconds=settings.live_behind_seconds,
            first_reads=settings.live_first_reads,
            streams=settings.live_streams,
        ),
    )
    attempts = Attempts(settings)
    password_work = PasswordWork(workers=settings.password_workers, waiting=settings.password_waiting)
    listener = Listener(settings.database_url.get_secret_value(), live.changed, live.connected)
    freshness = Freshness(database.read_sessions.begin, live.aged)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        clear = (partial(sessions.delete_expired, settings=settings), attempts.delete_forgotten)
        running = {
            asyncio.create_task(listener.run()),
            asyncio.create_task(freshness.run()),
            asyncio.create_task(clear_regularly(database, clear, settings.clear_minutes * 60)),
        }
        yield
        for task in running:
            task.cancel()
        await asyncio.wait(running)
        password_work.close()
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
    app.state.templates = make_environment(settings.zone, {"explain": explain})
    app.state.attempts = attempts
    app.state.password_work = password_work
    for router in ROUTERS:
        app.include_router(router)
    app.mount("/static", KeptStaticFiles(), name="static")
    add_error_handlers(app)
    app.add_middleware(Segments)
    app.add_middleware(BoundedBody, most_bytes=settings.body_bytes, seconds=settings.body_seconds)
    app.add_middleware(
        SessionMiddleware,
        secret_key=settings.session_secret.get_secret_value(),
        session_cookie=sessions.COOKIE,
        max_age=int(settings.session_hours * 3600),
        same_site="lax",
        https_only=settings.web_https,
    )
    return app


def create_server(settings: WebSettings, cipher: FieldCipher, *, host: str, port: int, stop_seconds: int = 3) -> Server:
    """Return the server of the app; when it stops, answers that take longer than `stop_seconds` are cut off."""
    app = create_app(settings, cipher)
    # `Edge` wraps the whole app, middlewares included: the answer to a fault of ours gets its headers too.
    config = configuration(Edge(app), settings, host=host, port=port, stop_seconds=stop_seconds)
    return Server(config, app.state.live)
