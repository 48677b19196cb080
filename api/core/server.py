"""The web server: uvicorn, with bounds for connections and slow requests; it ends the streams of open pages when it stops.

What a client sends has to arrive in time, and an address can hold so many connections only. Both are refused before the app is asked.
"""

from __future__ import annotations

import asyncio
import logging
import math
import resource
import socket
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any, Final, Literal, cast

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from api.core.client import address_of
from api.core.live import Live
from api.core.settings import WebSettings

LOG = logging.getLogger(__name__)

LINGER_SECONDS: Final = 1
"""A refused client has so long to read why: its connection would be reset by what it still sends."""
GRACE_SECONDS: Final = 5
"""A body that is late is answered by the app (api/core/middleware.py); so much later the connection ends without a word."""
TELL_SECONDS: Final = 10
OTHER_FILES: Final = 200
"""Files that are open apart from connections of clients."""


class Server(uvicorn.Server):
    """A uvicorn server that closes `live` before it stops.

    uvicorn waits for open responses before it shuts the app down, and a page's stream stays open for minutes.
    """

    def __init__(self, config: uvicorn.Config, live: Live) -> None:
        super().__init__(config)
        self._live = live

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, then everything else."""
        self._live.close()
        await super().shutdown(sockets)


def configuration(app: ASGIApp, settings: WebSettings, *, host: str, port: int, stop_seconds: int) -> uvicorn.Config:
    """Return how uvicorn serves the app: within the bounds of the settings, behind the proxies that they trust and no others."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=cast("type[asyncio.Protocol]", partial(BoundedProtocol, connections=Connections(settings))),
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=stop_seconds,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=[str(network) for network in settings.trusted_proxies],
    )


def allow_files(connections: int) -> None:
    """Let the process open as many files as that many connections need, or say that the system does not."""
    needed = connections + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        LOG.warning(
            "the system allows fewer open files than REWARDS_CONNECTIONS needs: raise it (ulimit -n), or take fewer",
            extra={"allowed": hard, "needed": needed},
        )
        needed = hard
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


@dataclass(slots=True)
class Connections:
    """The open connections of the process, by address."""

    settings: WebSettings
    by_address: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    """Since it was logged."""
    told_at: float = -math.inf

    def add(self, address: str) -> bool:
        """Count a connection; return whether it is within the bounds."""
        self.by_address[address] += 1
        if self.by_address.total() > self.settings.connections:
            return False
        return self.by_address[address] <= self.settings.connections_per_address or self._is_trusted(address)

    def remove(self, address: str) -> None:
        """Count it no longer."""
        self.by_address[address] -= 1
        if not self.by_address[address]:
            del self.by_address[address]

    def tell_refused(self, address: str, status: HTTPStatus) -> None:
        """Log that connections are refused, once in a while: a flood must not fill the log."""
        self.refused += 1
        now = time.monotonic()
        if now - self.told_at >= TELL_SECONDS:
            told = {"count": self.refused, "last_address": address, "last_status": int(status)}
            LOG.warning("connections are refused", extra=told)
            self.refused, self.told_at = 0, now

    def _is_trusted(self, address: str) -> bool:
        try:
            known = ip_address(address)
        except ValueError:
            return False
        return any(known in network for network in self.settings.trusted_proxies)


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 on a connection that is counted, and whose requests have to arrive in time.

    uvicorn itself waits for headers and bodies without an end, and has a limit for all clients together only.
    """

    def __init__(self, *arguments: Any, connections: Connections, **named: Any) -> None:  # noqa: ANN401 - uvicorn's
        super().__init__(*arguments, **named)
        self._open = connections
        self._address = ""
        self._refused = False
        self._awaited: Literal["headers", "body"] | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or refuse it where there are too many."""
        super().connection_made(transport)
        self._address = address_of({"client": self.client})
        if self._open.add(self._address):
            self._await("headers")
        else:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "Too many connections are open. Please try again in a moment.")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._await(None)
        self._open.remove(self._address)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        if not self._refused:
            super().data_received(data)
            self._await_what_lacks()

    def on_response_complete(self) -> None:
        """Go on to the next request."""
        super().on_response_complete()
        self._await_what_lacks()

    def _await_what_lacks(self) -> None:
        state = self.conn.their_state
        if state is h11.SEND_BODY:
            self._await("body")
        elif state is not h11.IDLE or not self.conn.trailing_data[0]:
            # Between two requests the connection may be idle for `timeout_keep_alive`.
            self._await(None)
        else:
            self._await("headers")

    def _await(self, what: Literal["headers", "body"] | None) -> None:
        """Expect this part of a request, from now on where it was not expected before."""
        if what == self._awaited:
            return
        self._awaited = what
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        settings = self._open.settings
        if what == "headers":
            self._deadline = self.loop.call_later(settings.header_seconds, self._headers_are_late)
        elif what == "body":
            self._deadline = self.loop.call_later(settings.body_seconds + GRACE_SECONDS, self.transport.abort)

    def _headers_are_late(self) -> None:
        if not self.conn.trailing_data[0]:
            # A browser opens connections that it may never use.
            self.transport.close()
            return
        self._refuse(HTTPStatus.REQUEST_TIMEOUT, "The request took too long to arrive. Please try again.")

    def _refuse(self, status: HTTPStatus, text: str) -> None:
        """Answer without the app, and end the connection."""
        if self.transport.is_closing():
            return
        self._refused = True
        self._open.tell_refused(self._address, status)
        body = text.encode()
        lines = (
            f"HTTP/1.1 {int(status)} {status.phrase}",
            "Content-Type: text/plain; charset=utf-8",
            f"Content-Length: {len(body)}",
            "Retry-After: 5",
            "Connection: close",
            "",
            "",
        )
        self.transport.write("\r\n".join(lines).encode() + body)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)
