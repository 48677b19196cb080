"""Watches a process work off a backlog: how fast, with how much memory, and with how much of the processors."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final

import psycopg2

from bench.figures import Figure, cpu_seconds, peak_memory_mb
from bench.stack import BenchStack

POLL_SECONDS: Final = 0.05
LONGEST_SECONDS: Final = 900


@dataclass(frozen=True, slots=True)
class Backlog:
    """What stands in the topic and what it must come to."""

    records: int
    """All of the topic, watermarks included."""
    changes: int
    invoices: int
    points: int


@dataclass(frozen=True, slots=True)
class Drain:
    """One run."""

    changes_a_second: float
    """From the first batch's commit to the last one's; without the first batch, whose beginning nobody saw. Where that was
    all, as with start-up."""
    changes_a_second_with_start: float
    """From the start of the process to the last commit; all changes."""
    peak_mb: float
    cpu_microseconds: float
    """Of the process, a change; its start included."""
    postgres_cpu_microseconds: float
    """Of all of Postgres' processes, a change."""


def watch(stack: BenchStack, process: subprocess.Popen[bytes], progress: str, backlog: Backlog) -> Drain:
    """Watch a process until `progress`, a query of how many records are done, says all.

    Raises:
        RuntimeError: the process ended, or took longer than `LONGEST_SECONDS`.
    """
    started_at = time.monotonic()
    postmaster = stack.process("postgres")["pid"]
    postgres_before = cpu_seconds(postmaster)
    first: tuple[float, int] | None = None
    with closing(psycopg2.connect(stack.superuser)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        while True:
            cursor.execute(progress)
            (done,) = cursor.fetchone() or (0,)
            now = time.monotonic()
            if done and first is None:
                first = (now, done)
            if done >= backlog.records:
                break
            if process.poll() is not None:
                raise RuntimeError(f"the process ended with {process.returncode} after {done:,} records")
            if now - started_at > LONGEST_SECONDS:
                raise RuntimeError(f"after {LONGEST_SECONDS} s only {done:,} of {backlog.records:,} records were done")
            time.sleep(POLL_SECONDS)
        used, postgres_used = cpu_seconds(process.pid), cpu_seconds(postmaster) - postgres_before
    first_at, first_done = first or (started_at, 0)
    share = backlog.changes / backlog.records
    with_start = backlog.changes / (now - started_at)
    return Drain(
        share * (done - first_done) / (now - first_at) if done > first_done else with_start,
        with_start,
        peak_memory_mb(process.pid),
        1_000_000 * used / backlog.changes,
        1_000_000 * postgres_used / backlog.changes,
    )


def figures(
    how: str, drains: Sequence[Drain], *, rate: float | None = None, memory: float | None = None
) -> list[Figure]:
    """The lines of a report."""
    return [
        Figure(f"{how}: rate", "changes/s", [one.changes_a_second for one in drains], at_least=rate),
        Figure(f"{how}: rate with start-up", "changes/s", [one.changes_a_second_with_start for one in drains]),
        Figure(f"{how}: peak memory", "MB", [one.peak_mb for one in drains], at_most=memory),
        Figure(f"{how}: processor time", "µs/change", [one.cpu_microseconds for one in drains]),
        Figure(f"{how}: Postgres' processor time", "µs/change", [one.postgres_cpu_microseconds for one in drains]),
    ]
