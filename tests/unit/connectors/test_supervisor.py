from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from connectors.errors import StackError
from connectors.local import units
from connectors.local.folder import StackFolder
from connectors.local.supervisor import Supervisor
from connectors.local.units import Child, State, Step, Unit

LEAVES_WITH_65 = """
import signal, sys, time
signal.signal(signal.SIGUSR1, lambda *_: sys.exit(65))
print("ready", flush=True)
time.sleep(60)
"""
STEADY = (sys.executable, "-c", "import time; time.sleep(60)")


@pytest.fixture
def folder(tmp_path: Path) -> StackFolder:
    made = StackFolder(tmp_path / "stack")
    made.create()
    return made


class Run:
    """A supervisor in a thread of its own."""

    def __init__(self, folder: StackFolder, started: Sequence[Unit]) -> None:
        self.error: StackError | None = None
        self.ups = 0
        self.logs = folder.logs
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

    def _changed(self, _units: Sequence[Unit], up: bool) -> None:
        self.ups += up


@pytest.fixture
def run(folder: StackFolder) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def start(*started: Unit) -> Run:
        runs.append(Run(folder, started))
        return runs[-1]

    yield start
    for one in runs:
        one.stop()


def _child(name: str, *after: str, command: tuple[str, ...] = STEADY, once: bool = False) -> Child:
    return Child(name, command, after, environment=dict(os.environ), once=once, stop_seconds=5)


def test_units_start_after_what_they_need_and_stop_before_it(run: Callable[..., Run]) -> None:
    seen: list[str] = []
    server = _child("server")
    step = Step("step", lambda: seen.append(str(server.state)), ("server",))
    client = _child("client", "step")

    supervised = run(server, step, client)
    supervised.up()

    assert seen == ["running"]
    assert server.started_at < client.started_at
    supervised.stop()
    assert (server.state, client.state) == (State.STOPPED, State.STOPPED)


def test_server_that_is_killed_is_started_again_later_each_time(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(units, "BACKOFF_SECONDS", (0.05, 0.2))
    server = _child("server")
    supervised = run(server)
    supervised.up()

    def killed_and_back(restarts: int) -> None:
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        supervised.until(lambda: server.restarts == restarts and server.state is State.RUNNING)

    killed_and_back(1)
    killed_and_back(2)

    assert server.last_exit == -signal.SIGKILL
    assert server.failures == 2


def test_worker_that_met_too_many_bad_records_is_not_started_again(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(units, "BACKOFF_SECONDS", (0.01,))
    worker = _child("worker", command=(sys.executable, "-c", LEAVES_WITH_65))
    supervised = run(worker)
    supervised.up()
    # Only once it listens is the signal not its end.
    supervised.until(lambda: "ready" in (supervised.logs / "worker.log").read_text())

    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGUSR1)
    supervised.until(lambda: worker.state is State.FAILED)
    time.sleep(0.1)

    assert (worker.state, worker.restarts, worker.pid) == (State.FAILED, 0, None)
    assert "exit code 65" in str(worker.reason)


def test_command_that_fails_ends_the_start_with_the_end_of_its_log(run: Callable[..., Run]) -> None:
    server = _child("server")
    failing = _child(
        "upgrade", "server", command=(sys.executable, "-c", "raise SystemExit('no such table')"), once=True
    )

    error = run(server, failing).ended()

    assert "upgrade ended with exit code 1" in str(error)
    assert "no such table" in str(error)
    assert not server.alive


def test_step_that_fails_ends_the_start(run: Callable[..., Run]) -> None:
    def fail() -> None:
        raise StackError("no room")

    error = run(Step("databases", fail)).ended()

    assert str(error) == "databases no room"


def test_server_that_keeps_ending_before_all_is_up_is_given_up(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(units, "BACKOFF_SECONDS", (0.01,))
    server = Child(
        "server", (sys.executable, "-c", "raise SystemExit(3)"), environment=dict(os.environ), probe=lambda: "no"
    )

    error = run(server).ended()

    assert "server ended with exit code 3" in str(error)


def test_server_that_does_not_answer_is_unhealthy_and_is_helped(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.local.supervisor.PROBE_SECONDS", dict.fromkeys(State, 0.01))
    wrong: list[str] = []
    server = _child("server")
    server.probe = lambda: wrong[0] if wrong else None
    server.remedy = wrong.clear
    supervised = run(server)
    supervised.up()
    reasons: list[str | None] = []

    def recovered() -> bool:
        reasons.append(server.reason)
        return "failed: warehouse" in reasons and server.state is State.RUNNING

    wrong.append("failed: warehouse")
    supervised.until(recovered)

    assert server.restarts == 0


def test_child_that_ignores_its_signal_is_killed_with_what_it_started(run: Callable[..., Run], tmp_path: Path) -> None:
    pid_file = tmp_path / "grandchild"
    stubborn = (
        "import signal, subprocess, sys, time, pathlib\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "one = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"pathlib.Path({str(pid_file)!r}).write_text(str(one.pid))\n"
        "time.sleep(60)\n"
    )
    server = _child("server", command=(sys.executable, "-c", stubborn))
    server.stop_seconds = 0.2
    server.probe = lambda: None if pid_file.exists() and pid_file.read_text() else "not yet"
    supervised = run(server)
    supervised.up()
    grandchild = Path("/proc") / pid_file.read_text() / "status"

    supervised.stop()

    assert not server.alive
    assert not grandchild.exists() or "State:\tZ" in grandchild.read_text()
