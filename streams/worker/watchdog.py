"""Ends a worker that stands still: recovery and rebalances of Faust have open bugs that only a new process gets over.

A worker that has lag and finishes no batch, or that recovers without an end, is ended; whoever supervises it starts another.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from streams.errors import InvariantError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from streams.metrics import WorkerMetrics
    from streams.worker.batch import Place
    from streams.worker.bulk import BulkConsumer

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 5.0
STILL_SECONDS_MAX = 120.0
REPORT_SECONDS = 60.0


class Watchdog:
    """Looks every few seconds; raises when the worker has stood still for too long."""

    def __init__(  # Faust has no types here
        self,
        app: Any,  # noqa: ANN401
        metrics: WorkerMetrics,
        halted: Callable[[], Collection[Place]],
    ) -> None:
        self._halted = halted
        self._app = app
        self._metrics = metrics

    async def run(self) -> None:
        """Run until cancelled.

        Raises:
            InvariantError: records wait, or recovery goes on, and nothing has moved.
        """
        moved_at = reported_at = time.monotonic()
        seen: object = None
        while True:
            await asyncio.sleep(INTERVAL_SECONDS)
            now = time.monotonic()
            figures = self._metrics
            state = (figures.batches, figures.retries, self._recovered())
            if state != seen or not self._behind():
                seen, moved_at = state, now
            if now - moved_at > STILL_SECONDS_MAX:
                raise InvariantError(
                    f"nothing has moved for {now - moved_at:.0f} s though records wait; a new process must go on"
                )
            if now - reported_at >= REPORT_SECONDS:
                reported_at = now
                logger.info(
                    "%d records in %d batches, busy for %.1f s, %d retries",
                    figures.records, figures.batches, figures.busy_seconds, figures.retries,
                )  # fmt: skip

    def _behind(self) -> bool:
        consumer: BulkConsumer = self._app.consumer
        if self._app.rebalancing or self._app.in_recovery:
            return True
        halted = self._halted()
        for tp in consumer.assignment():
            if (tp.topic, tp.partition) in halted:
                # It waits for a person: a new process would wait as well.
                continue
            end = consumer.highwater(tp)
            done = consumer._committed_offset[tp]  # noqa: SLF001 -- Faust keeps it to itself
            if end and (done or 0) < end and tp.topic in self._app.topics._acking_topics:  # noqa: SLF001
                return True
        return False

    def _recovered(self) -> int:
        offsets = self._app.tables.recovery.active_offsets
        return sum(offset for offset in offsets.values() if offset)
