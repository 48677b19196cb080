"""Writing at a pace: takes transactions from the generator, commits them, and goes on after a lost connection."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import Final, TypeVar

import typer

from connectors.feed.business_date import BusinessDate
from connectors.feed.changes import Change, Delete, Insert, Row, Transaction
from connectors.feed.generator import Generator
from connectors.feed.settings import FeedError
from connectors.feed.warehouse import CONNECTION_LOST, Warehouse, first_line

T = TypeVar("T")

CHANGES_A_COMMIT: Final = 500
"""As fast as possible, several documents are committed together, as a nightly batch would."""
COMMITS_A_SECOND: Final = 100
"""A faster rate puts more into a commit instead of committing more often."""
ROWS_A_LOADING_COMMIT: Final = 2_000
DEBT_SECONDS: Final = 1.0
"""A feed that falls behind its rate by more (the warehouse was away) does not make up for it with a burst."""
FIRST_BACKOFF_SECONDS: Final = 0.5
LONGEST_BACKOFF_SECONDS: Final = 15.0


@dataclass(slots=True)
class Figures:
    """Row changes that were sent."""

    inserts: int = 0
    updates: int = 0
    deletes: int = 0
    commits: int = 0

    @property
    def changes(self) -> int:
        """All of them."""
        return self.inserts + self.updates + self.deletes

    def count(self, transaction: Transaction) -> None:
        """Add a committed transaction."""
        self.commits += 1
        for change in transaction:
            if isinstance(change, Insert):
                self.inserts += 1
            elif isinstance(change, Delete):
                self.deletes += 1
            else:
                self.updates += 1


@dataclass(frozen=True, slots=True)
class Feed:
    """What a run works with."""

    warehouse: Warehouse
    generator: Generator
    business_date: BusinessDate
    stop: Event
    """Set to end after the transaction that is being written."""

    def load(self, rows: int, show: Callable[[int], None]) -> int:
        """Fill an empty warehouse with `rows` rows of history, in transactions of some thousand; returns rows written.

        An interrupted load is not taken up again: the table is not empty then, and what stands there is whole invoices.
        """
        loaded = 0
        waiting: list[Row] = []
        for invoice in self.generator.history(rows, self.business_date.today()):
            if self.stop.is_set():
                break
            waiting += invoice
            if len(waiting) >= ROWS_A_LOADING_COMMIT or loaded + len(waiting) == rows:
                self.warehouse.write(Insert(row) for row in waiting)
                loaded += len(waiting)
                waiting = []
                show(loaded)
        return loaded

    def write(self, rows: int | None, rate: float, show: Callable[[int], None]) -> Figures:
        """Write `rows` changes (None: until stopped), `rate` a second (0: as fast as possible)."""
        figures = Figures()
        started_at = time.monotonic()
        while not self.stop.is_set() and (rows is None or figures.changes < rows):
            batch = self._next_batch(rate, None if rows is None else rows - figures.changes, forever=rows is None)
            self._persistently(partial(self.warehouse.write, batch), forever=rows is None)
            figures.count(batch)
            show(figures.changes)
            if rate > 0:
                wait = started_at + figures.changes / rate - time.monotonic()
                started_at -= min(0.0, wait + DEBT_SECONDS)
                self.stop.wait(max(0.0, wait))
        return figures

    def _next_batch(self, rate: float, left: int | None, *, forever: bool) -> Transaction:
        """Whole transactions of the generator, as many as one commit takes."""
        size = CHANGES_A_COMMIT if rate == 0 else max(1, round(rate / COMMITS_A_SECOND))
        batch: list[Change] = []
        while not batch or len(batch) < min(size, left or size):
            most = None if left is None else left - len(batch)
            # Drawing may ask the warehouse for new ids, so it can fail as writing can.
            draw = partial(self.generator.transaction, self.business_date.today(), most)
            batch += self._persistently(draw, forever=forever)
        return batch

    def _persistently(self, act: Callable[[], T], *, forever: bool) -> T:
        """Act; a feed without an end waits for a lost connection and acts again, any other ends with the reason."""
        backoff = FIRST_BACKOFF_SECONDS
        while True:
            try:
                if self.warehouse.connection.closed:
                    self.warehouse.reconnect()
                return act()
            except (*CONNECTION_LOST, FeedError) as error:
                if not forever or self.stop.is_set():
                    raise FeedError(f"the connection to the warehouse was lost: {first_line(error)}") from error
                self.warehouse.connection.close()
                typer.echo(f"the warehouse is away, trying again in {backoff:.1f} s: {first_line(error)}", err=True)
                self.stop.wait(backoff)
                backoff = min(backoff * 2, LONGEST_BACKOFF_SECONDS)
