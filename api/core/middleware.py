"""Wraps every request: bounds its body, sets the security headers of its answer and writes its line in the access log.

It is plain ASGI, since a wrapper that buffers would hold back server-sent events.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from http import HTTPStatus
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.core.client import address_of

LOG = logging.getLogger("api.access")
FAULT = 500
END: Final = {"Connection": "close"}
"""What is still on its way is read by nobody."""

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


class BoundedBody:
    """Refuses a body that is too large (413), or does not arrive in time (408), to whoever reads it; the connection then ends."""

    def __init__(self, app: ASGIApp, *, most_bytes: int, seconds: float) -> None:
        self.app = app
        self.most_bytes = most_bytes
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        deadline = asyncio.get_running_loop().time() + self.seconds
        length = Headers(scope=scope).get("content-length", "0")
        left = self.most_bytes
        more = True

        async def receive_within_bounds() -> Message:
            nonlocal left, more
            if not more:
                return await receive()
            if length.isdecimal() and int(length) > self.most_bytes:
                raise self._too_large()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(
                    HTTPStatus.REQUEST_TIMEOUT, "The request took too long to arrive. Please try again.", END
                ) from None
            left -= len(message.get("body", b""))
            more = message.get("more_body", False)
            if left < 0:
                raise self._too_large()
            return message

        await self.app(scope, receive_within_bounds, send)

    def _too_large(self) -> HTTPException:
        text = f"The request is larger than {self.most_bytes // 1024:,} KB, which is the most that is taken."
        return HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text, END)


class Edge:
    """Adds headers and a request id; logs method, path, status, duration, address and user, but no query, form or cookie."""

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
                    "address": address_of(scope),
                    "user_id": None if viewer is None else viewer.user_id,
                },
            )
