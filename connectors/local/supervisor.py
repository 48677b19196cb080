"""Starts the units of a stack in their order, starts again what ends or hangs, and stops everything in reverse.

One loop in one thread decides; probes, remedies and in-process steps run in threads that nobody waits for. Every change is
written to the stack's state file, so that `rewards down` can end what is left after the supervisor itself was killed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

from connectors.errors import StackError
from connectors.local import background, restarts
from connectors.local.folder import StackFolder
from connectors.local.logs import LogLimits, LogPipe, tail
from connectors.local.states import Finding, State
from connectors.local.units import KEEPS_ENDING, WELL_SECONDS, Child, Step, Unit

log = logging.getLogger(__name__)

START_SECONDS: Final = 240
"""The longest that a whole start may take, downloads excepted; on a busy machine Connect alone takes a minute."""
START_FAILURES: Final = 5
"""A server that ends so often in a row before everything runs will not come up: the start goes on without it, or ends."""
LOOK_SECONDS: Final = 0.25
BUSY_LOOK_SECONDS: Final = 0.02
UNDER_WAY: Final = {State.STARTING, State.STOPPING, State.BACKOFF}
PROBE_SECONDS: Final = {State.STARTING: 0.1, State.UNHEALTHY: 1.0, State.RUNNING: 5.0}
PROBE_SECONDS_MAX: Final = 15
"""A probe that has not returned by then is no longer waited for."""
REMEDY_SECONDS: Final = 10
LOG_TAIL_LINES: Final = 12
LIMITS: Final = LogLimits(10_000_000, 3)
UP: Final = {State.RUNNING, State.DONE}


@dataclass(slots=True)
class _Probe:
    future: Future[Finding]
    pid: int | None
    started_at: float


class Supervisor:
    """Runs the units of one stack until it is told to stop."""

    def __init__(
        self,
        units: Sequence[Unit],
        folder: StackFolder,
        changed: Callable[[Sequence[Unit], bool], None],
        limits: LogLimits = LIMITS,
    ) -> None:
        """Prepare; nothing is started yet.

        Args:
            units: in the order of a start; each names those that it comes after.
            folder: whose logs the children write to.
            changed: called with the units, and whether everything is up, when something has changed.
            limits: of each child's log.

        """
        self._units = list(units)
        self._by_name = {unit.name: unit for unit in units}
        self._needs = {unit.name: self._all_before(unit) for unit in units}
        self._folder = folder
        self._changed = changed
        self._limits = limits
        self._probes: dict[str, _Probe] = {}
        self._probe_at: dict[str, float] = {}
        self._hangs_since: dict[str, float] = {}
        self._remedies: dict[str, Future[None]] = {}
        self._remedy_at: dict[str, float] = {}
        self._told: tuple[object, ...] = ()
        self._states = {unit.name: unit.state for unit in units}
        self.up = False

    def run(self, stop: threading.Event) -> None:
        """Start everything and watch over it until `stop` is set; whatever happens, leave no process behind.

        Raises:
            StackError: what a stack cannot be without did not start; the text names the unit and the end of its log.

        """
        give_up_at = time.monotonic() + START_SECONDS
        try:
            while not stop.is_set():
                self._tick()
                if not self.up:
                    late = time.monotonic() > give_up_at
                    self._check_start(late=late)
                    self.up = all(self._settled(unit, late=late) for unit in self._units)
                self._tell()
                under_way = any(unit.state in UNDER_WAY for unit in self._units)
                stop.wait(LOOK_SECONDS if self.up and not under_way else BUSY_LOOK_SECONDS)
        finally:
            self._stop()

    def _tick(self) -> None:
        now = time.monotonic()
        self._take_requests()
        for unit in self._units:
            try:
                self._look_after(unit, now)
            except Exception:
                # The edge of this process: what goes wrong with one unit may not end all of them.
                if not self.up:
                    raise
                log.exception("looking after %s failed", unit.name)

    def _look_after(self, unit: Unit, now: float) -> None:
        unit.poll()
        if unit.state is State.WAITING:
            missing = [name for name in unit.after if self._by_name[name].state not in UP]
            unit.reason = f"waits for {', '.join(missing)}" if missing else None
            if not missing:
                self._start(unit)
        elif isinstance(unit, Child):
            self._attend(unit, now)

    def _start(self, unit: Unit) -> None:
        log.info("starting %s", unit.name)
        if isinstance(unit, Step):
            unit.start()
        else:
            path = self._folder.logs / f"{unit.name}.log"
            unit.start(LogPipe(path, self._limits, unit.environment))

    def _take_requests(self) -> None:
        """Do what was asked for, and say so in the state file before the request vanishes."""
        for file, name in restarts.pending(self._folder):
            unit = self._by_name.get(name)
            log.info("asked to restart %s", name)
            if isinstance(unit, Child):
                unit.failures = 0
                if unit.alive:
                    unit.replace("restart asked for", asked=True)
                else:
                    unit.state = State.WAITING
            self._tell()
            file.unlink(missing_ok=True)

    def _attend(self, child: Child, now: float) -> None:
        """Start a server again when it is time, and ask it how it is."""
        if child.state is State.BACKOFF and now >= child.retry_at:
            self._start(child)
        if child.state is State.STOPPING:
            child.press(now)
        if child.alive and child.log is not None:
            child.log.look_after()
        if child.once or not child.alive or child.state is State.STOPPING:
            self._probes.pop(child.name, None)
            self._hangs_since.pop(child.name, None)
            return
        if (finding := self._found(child, now)) is not None:
            self._judge(child, finding, now)

    def _found(self, child: Child, now: float) -> Finding | None:
        """What the probe found; None while it is under way, or before it is time for the next."""
        probe = self._probes.get(child.name)
        if probe is None or probe.pid != child.pid:
            if now >= self._probe_at.get(child.name, 0) + PROBE_SECONDS.get(child.state, 0):
                future = background.start(child.examine, f"probe {child.name}")
                self._probes[child.name] = _Probe(future, child.pid, now)
            return None
        if not probe.future.done():
            late_seconds = now - probe.started_at
            # No second one is sent after it: each would keep a thread.
            late = Finding(f"its probe has not returned for {late_seconds:.0f} s", hangs=True)
            return late if late_seconds > PROBE_SECONDS_MAX else None
        del self._probes[child.name]
        self._probe_at[child.name] = now
        error = probe.future.exception()
        if error is None:
            return probe.future.result()
        if child.state is not State.UNHEALTHY:
            log.error("the probe of %s failed", child.name, exc_info=error)
        return Finding(f"its probe failed: {type(error).__name__}: {error}")

    def _judge(self, child: Child, finding: Finding, now: float) -> None:
        if finding.wrong is None:
            self._hangs_since.pop(child.name, None)
            child.came_up_at = child.came_up_at or now
            watched = child.failures >= KEEPS_ENDING and now - child.came_up_at < WELL_SECONDS
            if not watched:
                child.state, child.reason = State.RUNNING, None
            return
        child.reason = finding.wrong
        limit_seconds = child.hang_seconds if child.came_up_at else child.start_seconds
        if child.came_up_at or (not finding.hangs and now - child.started_at > limit_seconds):
            child.state = State.UNHEALTHY
        if self._hangs(child, finding, now) > limit_seconds:
            log.warning("%s hangs (%s): starting it again", child.name, finding.wrong)
            child.replace(f"hangs ({finding.wrong}); is started again")
        elif child.state is State.UNHEALTHY and not finding.hangs:
            self._help(child, now)

    def _hangs(self, child: Child, finding: Finding, now: float) -> float:
        """Seconds for which it has not answered while it had all that it needs."""
        servers = [one for name in self._needs[child.name] if isinstance(one := self._by_name[name], Child)]
        blocked = any(one.state is not State.RUNNING for one in servers if not one.once)
        if not finding.hangs or (blocked and not finding.by_itself):
            self._hangs_since.pop(child.name, None)
            return 0
        return now - self._hangs_since.setdefault(child.name, now)

    def _help(self, child: Child, now: float) -> None:
        running = self._remedies.get(child.name)
        if running is not None and running.done():
            del self._remedies[child.name]
            if (error := running.exception()) is not None:
                log.warning("what would help %s failed: %s: %s", child.name, type(error).__name__, error)
        elif running is None and child.remedy and now >= self._remedy_at.get(child.name, 0) + REMEDY_SECONDS:
            self._remedy_at[child.name] = now
            self._remedies[child.name] = background.start(child.remedy, f"remedy {child.name}")

    def _given_up(self, unit: Unit) -> bool:
        """Whether it will not come up by itself, or waits for such a one."""
        hopeless = isinstance(unit, Child) and unit.failures >= START_FAILURES
        waits = unit.state is State.WAITING and any(self._given_up(self._by_name[name]) for name in unit.after)
        return unit.state is State.FAILED or hopeless or waits

    def _settled(self, unit: Unit, *, late: bool) -> bool:
        """Whether the start need not wait for it any more."""
        return unit.state in UP or (not unit.essential and (late or self._given_up(unit)))

    def _check_start(self, *, late: bool) -> None:
        for unit in self._units:
            if unit.essential and unit.state is not State.WAITING and self._given_up(unit):
                raise StackError(f"{unit.name} {unit.reason or 'failed'}{self._tail(unit)}")
        missing = [
            f"{one.name} ({one.reason or one.state})" for one in self._units if not self._settled(one, late=late)
        ]
        if late and missing:
            raise StackError(f"not up after {START_SECONDS} s: {', '.join(missing)}")

    def _tail(self, unit: Unit) -> str:
        path = self._folder.logs / f"{unit.name}.log"
        said = tail(path, LOG_TAIL_LINES) if isinstance(unit, Child) else ""
        return f"; the end of {path}:\n  " + said.replace("\n", "\n  ") if said else ""

    def _tell(self) -> None:
        """Write the state file when it would not say the same; again and again while the disk has no room for it."""
        for unit in self._units:
            if unit.state is not self._states[unit.name]:
                self._states[unit.name] = unit.state
                log.info("%s is %s%s", unit.name, unit.state, f": {unit.reason}" if unit.reason else "")
        news = (self.up, *((unit.state, getattr(unit, "pid", None)) for unit in self._units))
        if news == self._told:
            return
        try:
            self._changed(self._units, self.up)
        except OSError as error:
            log.error("the stack's state could not be written: %s", error)
        else:
            self._told = news

    def _stop(self) -> None:
        """Stop the children, last started first; those that nothing alive needs any more at the same time."""
        while alive := [unit for unit in self._units if isinstance(unit, Child) and unit.alive]:
            needed = set().union(*(self._needs[child.name] for child in alive))
            wave = [child for child in reversed(alive) if child.name not in needed]
            for child in wave:
                log.info("stopping %s", child.name)
                child.ask_to_stop()
            for child in wave:
                child.wait_stopped()
            self.up = False
            self._tell()

    def _all_before(self, unit: Unit) -> set[str]:
        """Names of all units that one comes after, directly or not."""
        direct = set(unit.after)
        return direct.union(*(self._all_before(self._by_name[name]) for name in direct))
