"""Figures of a run: percentiles, what processes used, and the machine they were taken on."""

from __future__ import annotations

import math
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

MB: Final = 1_000_000


@dataclass(slots=True)
class Figure:
    """One line of the report: a value of every run, and what it should be."""

    name: str
    unit: str
    values: list[float]
    at_most: float | None = None
    at_least: float | None = None
    digits: int = 0

    @property
    def median(self) -> float:
        """Of all runs."""
        return statistics.median(self.values)

    @property
    def target(self) -> str:
        """As a person reads it; empty where there is none."""
        if self.at_most is not None:
            return f"≤ {self.at_most:,.{self.digits}f} {self.unit}"
        return f"≥ {self.at_least:,.{self.digits}f} {self.unit}" if self.at_least is not None else ""

    @property
    def met(self) -> bool | None:
        """None where there is no target."""
        if self.at_most is not None:
            return self.median <= self.at_most
        return self.median >= self.at_least if self.at_least is not None else None

    def text(self, value: float) -> str:
        """A value with its unit."""
        return f"{value:,.{self.digits}f} {self.unit}"


@dataclass(slots=True)
class Section:
    """What one benchmark found, and under which circumstances."""

    title: str
    figures: list[Figure]
    notes: list[str] = field(default_factory=list)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of all do not exceed: the nearest rank, nothing interpolated."""
    rank = math.ceil(round(len(values) * share, 6))
    return sorted(values)[max(1, rank) - 1]


def peak_memory_mb(pid: int) -> float:
    """The most memory that a living process ever had resident (VmHWM), in MB."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / MB
    raise ProcessLookupError(f"process {pid} has ended")


def cpu_seconds(pid: int) -> float:
    """User and system time that a process and its children, ended ones included, have used so far."""
    process = psutil.Process(pid)
    return sum(sum(one.cpu_times()[:4]) for one in (process, *process.children(recursive=True)))


def load_average() -> str:
    """Of the last minute, against the processors there are."""
    return f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def machine() -> list[str]:
    """What the figures were taken on, a line a fact."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory = psutil.virtual_memory().total / 1024**3
    return [
        f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB of memory, Linux {platform.release()}",
        f"Python {platform.python_version()}",
    ]
