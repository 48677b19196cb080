"""Starts the units of a stack in their order, starts again what ends, and stops everything in reverse.

One loop in one thread decides; probes and in-process steps run in a small pool. Every change is written to the stack's
state file, so that `rewards down` can end what is left after the supervisor itself was killed.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

from connectors.errors import StackError
from connectors.local.folder import StackFolder
from connectors.local.units import Child, State, Step, Unit

log = logging.getLogger(__name__)

START_SECONDS: Final = 240
"""The longest that a whole start may take, downloads excepted; on a busy machine Connect alone takes a minute."""
START_FAILURES: Final = 5
"""A server that ends so often in a row before everything runs will not come up: the start is given up."""
HANG_SECONDS: Final = 90
"""A server that has not answered by then is killed and started again."""
PROBE_SECONDS: Final = {State.STARTING: 0.1, State.UNHEALTHY: 1.0, State.RUNNING: 5.0}
REMEDY_SECONDS: Final = 10
LOG_BYTES: Final = 10_000_000
LOG_TAIL_LINES: Final = 12
UP: Final = {State.RUNNING, State.DONE}


class Supervisor:
    """Runs the units of one stack until it is told to stop."""

    def __init__(
        self, units: Sequence[Unit], folder: StackFolder, changed: Callable[[Sequence[Unit], bool], None]
    ) -> None:
        """Prepare; nothing is started yet.

        Args:
            units: in the order of a start; each names those that it comes after.
            folder: whose logs the children write to.
            changed: called with the units, and whether everything is up, when something has changed.

        """
        self._units = list(units)
        self._by_name = {unit.name: unit for unit in units}
        self._folder = folder
        self._changed = changed
        self._pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="probe")
        self._probes: dict[str, Future[str | None]] = {}
        self._probe_at: dict[str, float] = {}
        self._remedy_at: dict[str, float] = {}
        self._seen: list[tuple[object, ...]] = []
        self.up = False

    def run(self, stop: threading.Event) -> None:
        """Start everything and watch over it until `stop` is set; whatever happens, leave no process behind.

        Raises:
            StackError: the start failed; the text names the unit and the end of its log.

        """
        give_up_at = time.monotonic() + START_SECONDS
        try:
            while not stop.is_set():
                self._tick()
                if not self.up:
                    self._check_start(give_up_at)
                    self.up = all(unit.state in UP for unit in self._units)
                self._tell()
                stop.wait(0.25 if self.up else 0.02)
        finally:
            self._stop()

    def _tick(self) -> None:
        now = time.monotonic()
        for unit in self._units:
            unit.poll()
            if unit.state is State.WAITING and all(self._by_name[name].state in UP for name in unit.after):
                self._start(unit)
            elif isinstance(unit, Child):
                self._attend(unit, now)

    def _start(self, unit: Unit) -> None:
        log.info("starting %s", unit.name)
        if isinstance(unit, Step):
            unit.start(self._pool)
        else:
            unit.start(self._log(unit))

    def _attend(self, child: Child, now: float) -> None:
        """Start a server again when it is time, and ask it how it is."""
        if child.state is State.BACKOFF and now >= child.retry_at:
            self._start(child)
        if child.state is State.STARTING and not child.once and now - child.started_at > HANG_SECONDS:
            log.warning("%s does not come up (%s): killing it", child.name, child.reason)
            child.kill()
        if child.once or not child.alive:
            self._probes.pop(child.name, None)
            return
        probe = self._probes.get(child.name)
        if probe is not None and probe.done():
            del self._probes[child.name]
            self._probe_at[child.name] = now
            self._judge(child, probe.result(), now)
        elif probe is None and now >= self._probe_at.get(child.name, 0) + PROBE_SECONDS.get(child.state, 0):
            self._probes[child.name] = self._pool.submit(child.probe)
            if child.state is State.RUNNING:
                _rotate(self._log(child))

    def _judge(self, child: Child, wrong: str | None, now: float) -> None:
        if wrong is None:
            child.state, child.reason = State.RUNNING, None
        elif child.state is not State.STARTING:
            child.state, child.reason = State.UNHEALTHY, wrong
            if child.remedy is not None and now >= self._remedy_at.get(child.name, 0) + REMEDY_SECONDS:
                self._remedy_at[child.name] = now
                self._pool.submit(child.remedy)
        else:
            child.reason = wrong

    def _check_start(self, give_up_at: float) -> None:
        for unit in self._units:
            hopeless = isinstance(unit, Child) and unit.failures >= START_FAILURES
            if unit.state is State.FAILED or hopeless:
                tail = _tail(self._log(unit)) if isinstance(unit, Child) else ""
                raise StackError(f"{unit.name} {unit.reason or 'failed'}{tail}")
        if time.monotonic() > give_up_at:
            late = ", ".join(
                f"{unit.name} ({unit.reason or unit.state})" for unit in self._units if unit.state not in UP
            )
            raise StackError(f"not up after {START_SECONDS} s: {late}")

    def _tell(self) -> None:
        seen: list[tuple[object, ...]] = [(unit.name, unit.state, getattr(unit, "pid", None)) for unit in self._units]
        if seen != self._seen:
            for before, after in zip(self._seen, seen, strict=False):
                if before != after:
                    log.info("%s is %s", after[0], after[1])
            self._seen = seen
            self._changed(self._units, self.up)

    def _stop(self) -> None:
        """Stop the children, last started first; those that nothing alive needs any more at the same time."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        needs = {unit.name: self._needs(unit) for unit in self._units}
        while alive := [unit for unit in self._units if isinstance(unit, Child) and unit.alive]:
            needed = set().union(*(needs[child.name] for child in alive))
            wave = [child for child in reversed(alive) if child.name not in needed]
            for child in wave:
                log.info("stopping %s", child.name)
                child.ask_to_stop()
            for child in wave:
                child.wait_stopped()
            self._changed(self._units, False)

    def _needs(self, unit: Unit) -> set[str]:
        """Names of all units that one comes after, directly or not."""
        direct = set(unit.after)
        return direct.union(*(self._needs(self._by_name[name]) for name in direct))

    def _log(self, child: Child) -> Path:
        return self._folder.logs / f"{child.name}.log"


def _rotate(path: Path) -> None:
    """Keep one older log. The child holds its file open for appending, so it is copied and emptied, not renamed."""
    if path.exists() and path.stat().st_size > LOG_BYTES:
        shutil.copyfile(path, path.with_name(f"{path.name}.1"))
        with path.open("r+b") as file:
            file.truncate()


def _tail(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL_LINES:]
    return f"; the end of {path}:\n  " + "\n  ".join(lines)
