from __future__ import annotations

import asyncio
import re
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from sqlalchemy.orm import Session
from starlette.types import Message

from api.core.errors import SignInRequired, TooManyPages
from api.core.events import live_events
from api.core.live import Live, Pace
from api.core.permissions import SITE, Viewer
from api.core.pictures import Picture


class Reads:
    """Counts how often the subject of a page was read."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, _session: object) -> Picture:
        self.count += 1
        return Picture(frozenset({"M-1"}), {"balance": str(self.count)}, {}, [])


class Account:
    """Stands for the look-up of the viewer; takes its access away when it is told to."""

    def __init__(self) -> None:
        self.is_signed_in = True

    def __call__(self, _request: object, _session: object) -> Viewer | None:
        return SITE if self.is_signed_in else None


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    found = Account()
    monkeypatch.setattr("api.core.events.current_viewer", found)
    return found


def made(**pace: float) -> Live:
    return Live(lambda: nullcontext(Session()), Pace(interval_seconds=0, **pace))  # type: ignore[arg-type]


def request(live: Live) -> Any:
    return SimpleNamespace(app=SimpleNamespace(state=SimpleNamespace(live=live)), cookies={})


def may_see(_session: Session, _viewer: Viewer) -> None:
    """Everybody may."""


SCOPE = {"type": "http", "asgi": {"spec_version": "2.3"}}


async def connected() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


def test_stream_has_updates_with_a_retry_and_beats_as_events(account: Account) -> None:
    async def scenario() -> None:
        live, sent = made(beat_seconds=0.02, page_seconds=0.5), []
        live.connected(True)

        async def send(message: Message) -> None:
            sent.append(message)

        response = await live_events(request(live), "customer M-1", may_see, Reads(), once=False)
        await response(SCOPE, connected, send)
        headers = dict(sent[0]["headers"])
        assert headers[b"content-type"] == b"text/event-stream; charset=utf-8"
        assert headers[b"cache-control"] == b"no-store"
        assert headers[b"x-accel-buffering"] == b"no"
        bodies = [message["body"] for message in sent[1:]]
        assert bodies[0].startswith(
            b'event: update\ndata: {"live":true,"behind":null,"all":true,"numbers":{"balance":"1"}'
        )
        assert re.search(rb"\nretry: [123]\d{3}\n\n$", bodies[0])
        assert bodies[1] == b"event: beat\ndata: 1\n\n"
        assert bodies[-1] == b""
        assert sent[-1]["more_body"] is False

    asyncio.run(scenario())


def test_stream_whose_viewer_lost_its_access_ends_with_an_event_that_says_so(account: Account) -> None:
    async def scenario() -> None:
        live, bodies = made(beat_seconds=0.02, authorize_seconds=0.05), []

        async def send(message: Message) -> None:
            bodies.append(message.get("body"))
            account.is_signed_in = False

        response = await live_events(request(live), "customer M-1", may_see, Reads(), once=False)
        await asyncio.wait_for(response(SCOPE, connected, send), 5)
        assert bodies[-2] == b'event: end\ndata: {"status":401}\n\n'

    asyncio.run(scenario())


def test_nobody_signed_in_is_refused_and_holds_no_place(account: Account) -> None:
    async def scenario() -> None:
        live = made(streams=1)
        account.is_signed_in = False
        for _ in range(2):
            with pytest.raises(SignInRequired):
                await live_events(request(live), "customer M-1", may_see, Reads(), once=False)

    asyncio.run(scenario())


def test_stream_holds_its_place_until_it_ends(account: Account) -> None:
    async def scenario() -> None:
        live = made(streams=1)

        async def send(_message: Message) -> None:
            pass

        response = await live_events(request(live), "customer M-1", may_see, Reads(), once=False)
        with pytest.raises(TooManyPages):
            await live_events(request(live), "customer M-1", may_see, Reads(), once=False)
        live.close()
        await response(SCOPE, connected, send)
        await live_events(request(live), "customer M-1", may_see, Reads(), once=False)

    asyncio.run(scenario())


def test_once_answers_everything_as_json_also_where_all_places_of_streams_are_taken(account: Account) -> None:
    async def scenario() -> None:
        live = made(streams=1)
        await live_events(request(live), "customer M-1", may_see, Reads(), once=False)
        answer = await live_events(request(live), "customer M-1", may_see, Reads(), once=True)
        told = orjson.loads(answer.body)
        assert told["all"] is True
        assert told["numbers"] == {"balance": "1"}
        # The place is given back.
        await live_events(request(live), "customer M-1", may_see, Reads(), once=True)

    asyncio.run(scenario())


def test_page_that_goes_away_while_an_update_is_sent_is_forgotten(account: Account) -> None:
    async def scenario() -> None:
        live, reads = made(streams=1), Reads()
        response = await live_events(request(live), "customer M-1", may_see, reads, once=False)

        async def send(message: Message) -> None:
            if message["type"] == "http.response.body":
                raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            await response(SCOPE, connected, send)
        live.changed(None)
        await asyncio.sleep(0.05)
        assert reads.count == 1
        await live_events(request(live), "customer M-1", may_see, reads, once=False)

    asyncio.run(scenario())
