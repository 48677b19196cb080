"""Many streams of server-sent events at once, in one thread: what the tests and `python -m bench` open them with."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

LIMIT_BYTES = 4_000_000
"""Of one event."""


@dataclass(slots=True)
class OpenedStream:
    """How one stream began; seconds since all were asked for."""

    status: int
    open_seconds: float
    """Until the answer's headers were there."""
    shown_seconds: float | None
    """Until the first update was; None where the stream was refused."""
    headers: str


@asynccontextmanager
async def open_streams(site: str, paths: Sequence[str], cookie: str) -> AsyncIterator[list[OpenedStream]]:
    """Open a stream of each path at once; give how each one began, and keep them open within the block."""
    begun = time.perf_counter()
    writers: list[asyncio.StreamWriter] = []
    try:
        yield await asyncio.gather(*(_open(site, path, cookie, begun, writers) for path in paths))
    finally:
        for writer in writers:
            writer.close()
        for writer in writers:
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _open(site: str, path: str, cookie: str, begun: float, writers: list[asyncio.StreamWriter]) -> OpenedStream:
    address = urlsplit(site)
    reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=LIMIT_BYTES)
    writers.append(writer)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\nCookie: {cookie}\r\n\r\n".encode())
    headers = (await reader.readuntil(b"\r\n\r\n")).decode()
    status, opened = int(headers.split()[1]), time.perf_counter() - begun
    shown = None
    if status == 200:
        while b"event: update" not in await reader.readuntil(b"\n\n"):
            pass
        shown = time.perf_counter() - begun
    return OpenedStream(status, opened, shown, headers)
