"""How far a long piece of work is: a bar on a terminal, a line every few seconds elsewhere. All on standard error."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Final, Self

import rich.progress
import typer
from rich.console import Console

LINE_EVERY_SECONDS: Final = 5.0


class Progress:
    """Shows work of `total` steps (None: without an end) while the block lasts."""

    def __init__(self, work: str, unit: str, total: int | None) -> None:
        self._work = work
        self._unit = unit
        self._total = total
        self._started_at = self._line_at = time.monotonic()
        console = Console(stderr=True)
        self._bar = _bar(console) if console.is_terminal else None
        self._task = None if self._bar is None else self._bar.add_task(work, total=total, unit=unit)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, done: int) -> None:
        """Tell how many steps are done."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done)
            return
        now = time.monotonic()
        if now - self._line_at >= LINE_EVERY_SECONDS:
            self._line_at = now
            of = "" if self._total is None else f" of {self._total:,}"
            rate = done / (now - self._started_at)
            typer.echo(f"{self._work}: {done:,}{of} {self._unit}, {rate:,.0f} a second", err=True)


def _bar(console: Console) -> rich.progress.Progress:
    return rich.progress.Progress(
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(),
        rich.progress.TextColumn("{task.completed:,.0f} {task.fields[unit]}"),
        rich.progress.TimeElapsedColumn(),
        console=console,
    )
