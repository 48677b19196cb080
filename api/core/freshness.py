"""How old the points on the pages are: the watermarks that have come by, read from Postgres once a second.

Place on the data's way: a connector's heartbeat updates a watermark a partition in the captured databases every five seconds. It travels
like any change, and the sink writes down its time in `partition_progress` with what came before it. So everything that was
committed before `marked_at` stands in Postgres, and nothing is known of what came later: a worker that stands, a connector that died and a
partition that is halted show alike. The clocks of the captured databases and of `sunroc_rewards` have to agree.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from api.core.live_reads import Sessions
from streams.errors import TransientKind
from streams.postgres.models import PartitionProgress
from streams.retry_policy import Policy, Retries
from streams.topics import INVOICES, MEMBERSHIPS, PARTITIONS

LOG = logging.getLogger(__name__)

INTERVAL_SECONDS: Final = 1.0

Ages = Mapping[tuple[str, int], float]
"""(topic, partition) -> seconds since the source committed the last watermark that has come by. What is not known is not in it."""
Behind = int | None
"""Seconds; 0: current. None: it cannot be known."""


def read_ages(session: Session) -> Ages:
    """Return the age of each partition, by the database's clock."""
    age = func.extract("epoch", func.clock_timestamp() - PartitionProgress.marked_at)
    rows = session.execute(
        select(PartitionProgress.topic, PartitionProgress.partition, age).where(
            PartitionProgress.topic.in_((INVOICES.name, MEMBERSHIPS.name)), PartitionProgress.marked_at.is_not(None)
        )
    )
    return {(topic, partition): float(seconds) for topic, partition, seconds in rows}


def seconds_behind(ages: Ages, partitions: Collection[int], *, tolerated: float) -> Behind:
    """Return how old the points of customers are: at most so many seconds, 0 where that is no more than `tolerated`.

    Args:
        ages: of all partitions.
        partitions: where the customers' invoices come from. Who takes part comes from all: anybody may join their reward group.
        tolerated: a healthy stream's watermarks are up to a heartbeat old.

    """
    places = {(INVOICES.name, partition) for partition in partitions}
    places |= {(MEMBERSHIPS.name, partition) for partition in range(PARTITIONS)}
    if not places <= ages.keys():
        return None
    oldest = max(ages[place] for place in places)
    return 0 if oldest <= tolerated else round(oldest)


class Freshness:
    """Tells how old the points are, for as long as the site runs."""

    def __init__(self, sessions: Sessions, aged: Callable[[Ages], None]) -> None:
        """Take whom to tell, on the event loop."""
        self._sessions = sessions
        self._aged = aged

    async def run(self) -> None:
        """Read once a second until cancelled; where the database does not answer, nothing is known."""
        retries = Retries(
            failing="the age of the points cannot be read",
            working="the age of the points is read again",
            logger=LOG,
            on=(SQLAlchemyError,),
            policies={TransientKind.AWAY: Policy(0.5, 5.0)},
            say=lambda error: type(error).__name__,
        )
        while True:
            self._aged(await retries.acall(self._read))
            await asyncio.sleep(INTERVAL_SECONDS)

    async def _read(self) -> Ages:
        try:
            return await asyncio.to_thread(self._read_now)
        except SQLAlchemyError:
            self._aged({})
            raise

    def _read_now(self) -> Ages:
        with self._sessions() as session:
            return read_ages(session)
