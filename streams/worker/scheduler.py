"""The scheduler: finds what must be evaluated again and sends a record an invoice to `rewards.due-invoices`. One worker at a time has it.

Place on the data's way: Postgres -> here -> topic -> agents.py. Nothing is sent twice: a pass begins when
the one before has been worked off. Whichever worker holds the advisory lock runs it; if it dies, another takes over.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from streams.errors import TransientError, TransientKind
from streams.generation import LIVE, Generation
from streams.keys import customer_key, partition_of
from streams.postgres.epochs import EpochKeeper
from streams.postgres.letters import find_retries
from streams.postgres.reevaluations import SESSION, find_reevaluations, open_day, reevaluation_offsets
from streams.postgres.session import connect, faults
from streams.retry_policy import Retries
from streams.source.decode import dump_reevaluation
from streams.state.causes import RETRY
from streams.state.changes import Reevaluation
from streams.topics import topics_of

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812

    from streams.state.epochs import ReloadLimits
    from streams.worker.publisher import Outgoing, Publisher

logger = logging.getLogger(__name__)

Retry = tuple[int, int]
"""A dead letter to be tried again, and its partition."""

LOCK = 5_271_001
"""The advisory lock's number; any, as long as nothing else in the database uses it."""
INTERVAL_SECONDS = 0.25
LOOK_SHARE = 9
"""After a look that found nothing it rests so many times as long: while a reload goes on, all that waits for it is looked through."""
REST_SECONDS_MAX = 5.0
PASS_SECONDS_MAX = 30.0
"""After so long a pass is sent again: its records may have been lost with a topic, and evaluating twice is harmless."""


class Scheduler:
    """Runs for as long as the worker does; does something only while it holds the lock."""

    def __init__(
        self,
        database_url: str,
        publisher: Publisher,
        *,
        timezone: str,
        limits: ReloadLimits,
        generation: Generation = LIVE,
        count: Callable[[TransientKind], None] = lambda _kind: None,
    ) -> None:
        self._generation = generation
        self._count = count
        self._topic = topics_of(generation).reevaluations.name
        self._database_url = database_url
        self._publisher = publisher
        self._timezone = timezone
        self._epochs = EpochKeeper(limits)
        self._connection: Connection | None = None
        self._awaited: dict[int, int] = {}
        """Partition -> the offset after the last record of the pass under way."""
        self._pass_ends_at = 0.0

    async def run(self) -> None:
        """Run until cancelled."""
        retries = Retries(failing="nothing is scheduled", working="scheduling again", logger=logger, count=self._count)
        while True:
            rest_seconds = await retries.acall(self._pass)
            await asyncio.sleep(rest_seconds)

    async def _pass(self) -> float:
        """Look once, and send what is due. Returns for how many seconds to rest.

        Raises:
            TransientError: it could not; the lock is given up, so that another worker may have it meanwhile.
        """
        try:
            began = time.monotonic()
            due, retries = await asyncio.to_thread(self._look)
            if due or retries:
                await self._send([*map(_outgoing, due), *map(_outgoing_retry, retries)])
                return INTERVAL_SECONDS
            return max(INTERVAL_SECONDS, min(REST_SECONDS_MAX, LOOK_SHARE * (time.monotonic() - began)))
        except TransientError:
            self.close()
            raise

    def close(self) -> None:
        """Give the lock up."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _look(self) -> tuple[list[Reevaluation], list[Retry]]:
        with faults():
            if self._connection is None:
                self._connection = connect(self._database_url, name="rewards scheduler", generation=self._generation)
                self._connection.autocommit = True
                with self._connection.cursor() as cursor:
                    cursor.execute(SESSION)
            with self._connection.cursor() as cursor:
                # Re-entrant: whoever has the lock gets it again, so that one question is enough.
                cursor.execute(
                    "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND pid = pg_backend_pid())"
                    " OR pg_try_advisory_lock(%s)",
                    (LOCK, LOCK),
                )
                held = cursor.fetchone()
                if held is None or not held[0]:
                    return [], []
                open_day(cursor, self._timezone)
                self._epochs.move(cursor)
                if self._awaited and time.monotonic() < self._pass_ends_at:
                    done = reevaluation_offsets(cursor, self._topic)
                    if any(done.get(partition, 0) < offset for partition, offset in self._awaited.items()):
                        return [], []
                self._awaited = {}
                return find_reevaluations(cursor), find_retries(cursor)

    async def _send(self, records: list[Outgoing]) -> None:
        self._awaited = await self._publisher.publish(self._topic, records)
        self._pass_ends_at = time.monotonic() + PASS_SECONDS_MAX


def _outgoing(due: Reevaluation) -> Outgoing:
    customer = due.customer_master_id
    return partition_of(customer), customer_key(customer), dump_reevaluation(due)


def _outgoing_retry(retry: Retry) -> Outgoing:
    """A letter goes to the partition that its record was in: it may not say whose it is."""
    number, partition = retry
    return partition, None, dump_reevaluation(Reevaluation("", None, RETRY, str(number)))
