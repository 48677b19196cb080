"""Wraps every request: sets the security headers of its answer and writes its line in the access log.

It is plain ASGI, since a wrapper that buffers would hold back server-sent events.
"""

from __future__ import annotations

import logging
import secrets
import time

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOG = logging.getLogger("api.access")
FAULT = 500

HEADERS = {
    # A page may use nothing inline and load nothing from elsewhere.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Edge:
    """Adds headers and a request id; logs method, path, status, duration and user, but no query, form or cookie."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500
        request_id = secrets.token_hex(6)
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers["X-Request-ID"] = request_id
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            # Every line that is logged for the request bears its id.
            with structlog.contextvars.bound_contextvars(request_id=request_id):
                await self.app(scope, receive, send_with_headers)
        except Exception:
            # The fault is logged and answered already. Raising it further would log it twice and close the connection.
            if not scope["state"].get("fault_is_answered"):
                raise
        finally:
            viewer = scope["state"].get("viewer")
            LOG.log(
                logging.DEBUG if scope["path"] in {"/healthz", "/readyz"} and status < FAULT else logging.INFO,
                "request",
                extra={
                    "request_id": request_id,
                    "method": scope["method"],
                    "path": scope["path"],
                    "status": status,
                    "duration_ms": round((time.perf_counter() - started) * 1000, 1),
                    "user_id": None if viewer is None else viewer.user_id,
                },
            )
