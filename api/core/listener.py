"""Listens to Postgres: one connection LISTENs on `points_changed`, which the sink's transactions NOTIFY.

Place on the data's way: sink → NOTIFY → here → api/core/live.py → server-sent events → the page. A notification only says
who changed. The points are always read from the tables, so a lost notification loses nothing.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable

import psycopg2
from psycopg2.extensions import ISOLATION_LEVEL_AUTOCOMMIT, connection

from streams.errors import TransientKind
from streams.retry_policy import Policy, Retries

LOG = logging.getLogger(__name__)

CHANNEL = "points_changed"

Changed = Callable[[frozenset[str] | None], None]
"""Receives the customers that changed; None means that any may have."""
Connected = Callable[[bool], None]
"""Receives whether the connection is there."""


class Listener:
    """Keeps the connection, connects again with growing pauses, and calls back on the event loop."""

    def __init__(self, url: str, changed: Changed, connected: Connected) -> None:
        self._url = url
        self._changed = changed
        self._connected = connected
        self.alive = False
        self.reason = "not connected yet"

    async def run(self) -> None:
        """Listen until cancelled."""
        retries = Retries(
            failing="not listening",
            working="listening again",
            logger=LOG,
            on=(psycopg2.Error,),
            policies={TransientKind.AWAY: Policy(0.1, 5.0)},
            say=lambda error: str(error).strip(),
        )
        while True:
            connection = await retries.acall(self._connected_anew)
            try:
                self.alive, self.reason = True, ""
                self._connected(True)
                # Changes during the gap were not heard. The tables hold them, so every open page is read again.
                self._changed(None)
                lost = await self._until_lost(connection)
                LOG.warning("no longer listening", extra={"channel": CHANNEL, "reason": str(lost).strip()})
                self._gone(lost)
            finally:
                connection.close()

    async def _connected_anew(self) -> connection:
        try:
            return await asyncio.to_thread(self._connect)
        except psycopg2.Error as error:
            self._gone(error)
            raise

    def _gone(self, error: BaseException) -> None:
        self.alive, self.reason = False, type(error).__name__
        self._connected(False)

    def _connect(self) -> connection:
        connected = psycopg2.connect(
            self._url,
            application_name="rewards-api-listen",
            connect_timeout=3,
            keepalives=1,
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
            tcp_user_timeout=20_000,
        )
        connected.set_isolation_level(ISOLATION_LEVEL_AUTOCOMMIT)
        with connected.cursor() as cursor:
            cursor.execute(f"LISTEN {CHANNEL}")
        return connected

    async def _until_lost(self, connected: connection) -> psycopg2.Error:
        loop = asyncio.get_running_loop()
        lost: asyncio.Future[psycopg2.Error] = loop.create_future()

        def read() -> None:
            try:
                connected.poll()
            except psycopg2.Error as error:
                if not lost.done():
                    lost.set_result(error)
                return
            payloads = [notification.payload for notification in connected.notifies]
            connected.notifies.clear()
            if payloads:
                self._changed(customers_of(payloads))

        # A lost connection has no file number any more, so it is kept here to stop the loop from watching it.
        number = connected.fileno()
        loop.add_reader(number, read)
        try:
            return await lost
        finally:
            loop.remove_reader(number)


def customers_of(payloads: list[str]) -> frozenset[str] | None:
    """Return the customers that the notifications name; None where one means all (`*`) or cannot be read."""
    customers: set[str] = set()
    for payload in payloads:
        if payload == "*":
            return None
        try:
            named = json.loads(payload)
        except ValueError:
            LOG.warning("notification cannot be read", extra={"channel": CHANNEL, "length": len(payload)})
            return None
        if not isinstance(named, list):
            return None
        customers.update(str(name) for name in named)
    return frozenset(customers)
