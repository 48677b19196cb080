"""The lag process: measures and writes about once a second, for as long as it is let. No fault of the world ends it."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from threading import Event
from typing import Final, Protocol

from streams.errors import TransientError, TransientKind
from streams.generation import LIVE
from streams.lag.measure import Measurement, Meter, Reader
from streams.lag.status import Status
from streams.retry_policy import Policy, Retries

logger = logging.getLogger(__name__)

LONGEST_BACKOFF_SECONDS: Final = 5.0


class ClosableReader(Reader, Protocol):
    """A reader whose connections can be given back."""

    def close(self) -> None:
        """Give them back."""


class LagProcess:
    """Keeps `consumer_lag` current.

    Args:
        read: opens a reader of the broker's offsets.
        write: stands for one transaction on Postgres, connected anew where needed.
        interval_seconds: from one measurement to the next.
        reloads: what waits for rows of a reload, or for a person's word on them: a name of the wait -> a sentence.
        halted: the partitions that wait for a person, each with a sentence.
        note: is told what was written, for figures.
    """

    def __init__(
        self,
        read: Callable[[], ClosableReader],
        write: Callable[[Sequence[Measurement]], None],
        interval_seconds: float,
        reloads: Callable[[], Mapping[str, str]] = dict,
        halted: Callable[[], Mapping[tuple[str, int], str]] = dict,
        note: Callable[[Sequence[Measurement]], None] = lambda _measurements: None,
    ) -> None:
        self._open = read
        self._write = write
        self._interval_seconds = interval_seconds
        self._reloads = reloads
        self._reloads_said: frozenset[str] = frozenset()
        self._halted = halted
        self._note = note
        self._sentences: Mapping[tuple[str, int], str] = {}
        self._reader: ClosableReader | None = None
        self._meter = Meter(LIVE.application_id)
        self._shown: dict[tuple[str, int], Status] = {}

    def run(self, stop: Event) -> None:
        """Measure until `stop` is set. A fault is logged once when it begins, and once when it is over."""
        # One process measures, so that no others come back at the same moment: no chance in its pauses.
        policy = Policy(self._interval_seconds, max(self._interval_seconds, LONGEST_BACKOFF_SECONDS), jitter=False)
        retries = Retries(
            failing="no measurement",
            working="measuring again",
            logger=logger,
            policies=dict.fromkeys(TransientKind, policy),
            until=stop,
        )
        while not stop.is_set():
            started = time.monotonic()
            try:
                self._log_changes(retries.call(self._measure))
            except TransientError:
                # It was stopped meanwhile.
                break
            stop.wait(max(0.0, started + self._interval_seconds - time.monotonic()))
        self._drop_reader()

    def _measure(self) -> list[Measurement]:
        try:
            measurements = self.once()
            self._log_reloads()
        except TransientError:
            self._drop_reader()
            raise
        return measurements

    def once(self) -> list[Measurement]:
        """Measure and write once.

        Raises:
            TransientError: the broker or Postgres does not answer.
        """
        if self._reader is None:
            self._reader = self._open()
        measurements = self._meter.measure(self._reader, dt.datetime.now(dt.UTC))
        self._write(measurements)
        self._note(measurements)
        halted = self._sentences = self._halted()
        return [
            replace(found, status="halted") if (found.topic, found.partition) in halted else found
            for found in measurements
        ]

    def _log_reloads(self) -> None:
        """Say once that a reload waits, and once that it waits no longer."""
        now = self._reloads()
        for name in sorted(now.keys() - self._reloads_said):
            logger.warning("%s", now[name])
        if self._reloads_said and not now:
            logger.warning("no reload waits any more")
        self._reloads_said = frozenset(now)

    def _drop_reader(self) -> None:
        """Start afresh the next time: the clients remember a coordinator that may be another one by then."""
        reader, self._reader = self._reader, None
        try:
            if reader is not None:
                reader.close()
        except TransientError as error:
            logger.debug("closing failed: %s", error)

    def _log_changes(self, measurements: Sequence[Measurement]) -> None:
        """Say when a partition gets into trouble or out of it, not while it lasts."""
        now = {(found.topic, found.partition): found.status for found in measurements}
        for found in measurements:
            place = (found.topic, found.partition)
            was = self._shown.get(place, "ok")
            if found.status == was or not {"stalled", "halted", "lost"} & {found.status, was}:
                continue
            if found.status == "halted":
                logger.warning("%s", self._sentences[place])
            else:
                logger.warning("%s %d is %s: %d records", *place, found.status, found.lag_records)
        self._shown = now
