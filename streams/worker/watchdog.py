"""Ends a worker that stands still: recovery and rebalances of Faust have open bugs that only a new process gets over.

A worker of which a partition has records and gets none of them done, or that recovers without an end, is ended; whoever supervises it
starts another. Tries that fail are no progress. A partition that waits for a person's word is left alone.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any, Final

from faust.types import TP

from streams.errors import InvariantError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from streams.metrics import WorkerMetrics
    from streams.worker.bulk import BulkConsumer

logger = logging.getLogger(__name__)

INTERVAL_SECONDS: Final = 5.0
STILL_SECONDS_MAX: Final = 120.0
REPORT_SECONDS: Final = 60.0
RECOVERY: Final = "the recovery of the tables"


class Standstill:
    """Since when each thing that should move has not. Pure: the time comes in."""

    def __init__(self) -> None:
        self._since: dict[Hashable, tuple[object, float]] = {}

    def look(self, now: float, places: Mapping[Hashable, object]) -> dict[Hashable, float]:
        """Return for how long each place has stood where it is; one that is left out has nothing to do, and begins anew.

        Args:
            now: monotonic seconds.
            places: what should move -> where it is.
        """
        known = self._since
        self._since = {
            name: known[name] if name in known and known[name][0] == place else (place, now)
            for name, place in places.items()
        }
        return {name: now - since for name, (_, since) in self._since.items()}


class Watchdog:
    """Looks every few seconds; raises when a partition, or the recovery, has stood still for too long."""

    def __init__(self, app: Any, metrics: WorkerMetrics, at_rest: Callable[[TP, int], bool]) -> None:  # noqa: ANN401 -- Faust's has no types
        """Watch a worker.

        Args:
            app: its Faust app.
            metrics: its figures.
            at_rest: whether a partition waits for a person, or everything of it up to an end offset has been taken in, so that it can only
                wait for what comes after it.
        """
        self._app = app
        self._metrics = metrics
        self._at_rest = at_rest
        self._standstill = Standstill()

    async def run(self) -> None:
        """Run until cancelled.

        Raises:
            InvariantError: records of a partition wait, or recovery goes on, and nothing has moved.
        """
        reported_at = time.monotonic()
        while True:
            await asyncio.sleep(INTERVAL_SECONDS)
            now = time.monotonic()
            for name, seconds in self._standstill.look(now, self._places()).items():
                if seconds > STILL_SECONDS_MAX:
                    where = f"{name.topic}/{name.partition}" if isinstance(name, TP) else name
                    raise InvariantError(
                        f"{where} has stood still for {seconds:.0f} s though there is something to do; a new process must go on"
                    )
            if now - reported_at >= REPORT_SECONDS:
                reported_at = now
                figures = self._metrics
                logger.info(
                    "figures since the start",
                    extra={
                        "records": figures.records,
                        "batches": figures.batches,
                        "busy_seconds": round(figures.busy_seconds, 1),
                        "retries": figures.retries,
                    },
                )

    def _places(self) -> dict[Hashable, object]:
        consumer: BulkConsumer = self._app.consumer
        if self._app.rebalancing or self._app.in_recovery:
            return {RECOVERY: self._recovered()}
        ends = self._ends()
        found: dict[Hashable, object] = {}
        for tp in consumer.assignment():
            end = max(ends.get(tp, 0), consumer.highwater(tp) or 0)
            done = consumer.done(tp)
            if tp.topic in self._app.source_topics.names and done < end and not self._at_rest(tp, end):
                found[tp] = done
        return found

    def _ends(self) -> dict[TP, int]:
        """Return the end offsets that were seen last, whatever aiokafka fetches."""
        last = self._app.source_topics.last
        if last is None:
            return {}
        return {
            TP(name, partition): state.end
            for name, topic in last.topics.items()
            for partition, state in topic.partitions.items()
        }

    def _recovered(self) -> int:
        offsets = self._app.tables.recovery.active_offsets
        return sum(offset for offset in offsets.values() if offset)
