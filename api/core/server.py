"""The web server: uvicorn, which ends the streams of open pages when it stops."""

from __future__ import annotations

import socket

import uvicorn

from api.core.live import Live


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
