"""A supervisor in a thread of its own, with small children."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from connectors.errors import StackError
from connectors.local import lifecycle
from connectors.local.folder import StackFolder
from connectors.local.supervisor import Supervisor
from connectors.local.units import Child, Unit

STEADY = (sys.executable, "-c", "import time; time.sleep(60)")


class Run:
    """A supervisor in a thread of its own."""

    def __init__(self, folder: StackFolder, started: Sequence[Unit]) -> None:
        self.error: StackError | None = None
        self.ups = 0
        self.logs = folder.logs
        self._folder = folder
        self._stop = threading.Event()
        self._supervisor = Supervisor(started, folder, self._changed)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def until(self, reached: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not reached():
            assert time.monotonic() < deadline
            assert self._thread.is_alive()
            time.sleep(0.01)

    def up(self) -> None:
        self.until(lambda: self._supervisor.up)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()

    def ended(self) -> StackError:
        self._thread.join(30)
        assert self.error is not None
        return self.error

    def _run(self) -> None:
        try:
            self._supervisor.run(self._stop)
        except StackError as error:
            self.error = error

    def _changed(self, units: Sequence[Unit], up: bool) -> None:
        self.ups += up
        listed = [unit for unit in units if isinstance(unit, Child) and lifecycle._listed(unit)]
        self._folder.save({"processes": [one.describe() for one in listed]})


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-u", "-c", code)


def child(name: str, *after: str, command: tuple[str, ...] = STEADY, **options: Any) -> Child:
    return Child(name, command, after, environment=dict(os.environ), **{"stop_seconds": 5, **options})
