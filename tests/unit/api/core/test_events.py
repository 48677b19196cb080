from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.types import Message

from api.core.database import Database
from api.core.events import live_events
from api.core.live import Live, Picture


class Reads:
    """Counts how often the subject of a page was read."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, _session: object) -> Picture:
        self.count += 1
        return Picture(frozenset({"M-1"}), {"balance": str(self.count)}, {}, [])


def request(live: Live) -> Any:
    # The engine connects to nothing until a session asks something of it.
    state = SimpleNamespace(database=Database("postgresql://nobody@127.0.0.1:1/x"), live=live)
    return SimpleNamespace(app=SimpleNamespace(state=state))


SCOPE = {"type": "http", "asgi": {"spec_version": "2.3"}}


async def connected() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


def test_stream_has_updates_with_a_retry_and_beats_as_events() -> None:
    async def scenario() -> None:
        live, sent = Live(interval_seconds=0, beat_seconds=0.02, page_seconds=0.5), []
        live.connected(True)

        async def send(message: Message) -> None:
            sent.append(message)

        await live_events(request(live), "customer M-1", Reads())(SCOPE, connected, send)
        headers = dict(sent[0]["headers"])
        assert headers[b"content-type"] == b"text/event-stream; charset=utf-8"
        assert headers[b"cache-control"] == b"no-store"
        assert headers[b"x-accel-buffering"] == b"no"
        bodies = [message["body"] for message in sent[1:]]
        assert bodies[0].startswith(b'event: update\ndata: {"live":true,"all":true,"numbers":{"balance":"1"}')
        assert bodies[0].endswith(b"\nretry: 500\n\n")
        assert bodies[1] == b"event: beat\ndata: 1\n\n"
        assert bodies[-1] == b""
        assert sent[-1]["more_body"] is False

    asyncio.run(scenario())


def test_page_that_goes_away_while_an_update_is_sent_is_forgotten() -> None:
    async def scenario() -> None:
        live, reads = Live(interval_seconds=0), Reads()
        response = live_events(request(live), "customer M-1", reads)

        async def send(message: Message) -> None:
            if message["type"] == "http.response.body":
                raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            await response(SCOPE, connected, send)
        live.changed(None)
        await asyncio.sleep(0.05)
        assert reads.count == 1

    asyncio.run(scenario())
