"""What came up and then hangs is started again; what is wrong with a probe or a remedy ends nothing."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Sequence

import pytest

from connectors.local import pulse, supervisor, units
from connectors.local.folder import StackFolder
from connectors.local.pulse import Pulse
from connectors.local.units import Child, State, Unit
from tests.unit.connectors.supervised import Run, child, python

BEATS = "import time\nwhile True: time.sleep(0.01)"
DEADLOCKS = "import threading, time\nlock = threading.Lock()\nfor _ in range(100): time.sleep(0.01)\nlock.acquire()\nlock.acquire()"
SAYS_GOODBYE = """
import signal, sys, time
def leave(*_): print("goodbye"); sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("ready")
while True: time.sleep(0.01)
"""
NEEDS_A_FIRM_WORD = """
import signal, sys, time
def leave(*_): print("firmly"); sys.exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGQUIT, leave)
print("ready")
while True: time.sleep(0.01)
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "PROBE_SECONDS", dict.fromkeys(State, 0.02))
    monkeypatch.setattr(supervisor, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(units, "BACKOFF_SECONDS", (0.05,))


def _log(supervised: Run, one: Child) -> str:
    return (supervised.logs / f"{one.name}.log").read_text()


def _stopped_once_ready(supervised: Run, server: Child) -> None:
    supervised.until(lambda: "ready" in _log(supervised, server))
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)


def test_server_that_is_stopped_by_a_signal_is_asked_to_end_and_started_again(run: Callable[..., Run]) -> None:
    server = child("server", command=python(SAYS_GOODBYE), hang_seconds=0.3)
    supervised = run(server)
    supervised.up()
    _stopped_once_ready(supervised, server)

    supervised.until(lambda: server.restarts == 1 and server.state is State.RUNNING)

    assert "goodbye" in _log(supervised, server)
    assert server.last_exit == 0


def test_server_that_ignores_that_it_is_asked_gets_its_firm_signal_before_it_is_killed(run: Callable[..., Run]) -> None:
    server = child(
        "server", command=python(NEEDS_A_FIRM_WORD), hang_seconds=0.1, stop_seconds=0.1, firm_signal=signal.SIGQUIT
    )
    supervised = run(server)
    supervised.up()
    _stopped_once_ready(supervised, server)

    supervised.until(lambda: server.restarts == 1)

    assert "firmly" in _log(supervised, server)


def test_server_that_heeds_no_signal_is_killed_and_started_again(run: Callable[..., Run]) -> None:
    deaf = (
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('ready')\nwhile True: time.sleep(1)"
    )
    server = child("server", command=python(deaf), hang_seconds=0.1, stop_seconds=0.1)
    supervised = run(server)
    supervised.up()
    _stopped_once_ready(supervised, server)

    supervised.until(lambda: server.restarts == 1 and server.state is State.RUNNING)

    assert server.last_exit == -signal.SIGKILL


def test_worker_whose_main_thread_waits_for_ever_is_started_again(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "STILL_SECONDS", 0.5)
    worker = child("worker", command=python(DEADLOCKS), hang_seconds=0.2, pulse=Pulse())
    supervised = run(worker)
    supervised.up()

    supervised.until(lambda: worker.restarts == 1 and worker.state is State.RUNNING)


def test_worker_that_ends_before_it_reached_its_broker_was_of_no_use_however_long_that_took(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(units, "WELL_SECONDS", 0)
    with socket.create_server(("127.0.0.1", 0)) as broker:
        port = broker.getsockname()[1]
        ends = child(
            "ends",
            command=python("import time; time.sleep(0.5); raise SystemExit(1)"),
            essential=False,
            pulse=Pulse(port),
        )
        reaches = child(
            "reaches", pulse=Pulse(port),
            command=python(f"import socket, time; one = socket.create_connection(('127.0.0.1', {port})); time.sleep(60)"),
        )  # fmt: skip
        supervised = run(ends, reaches)

        supervised.up()

    assert (ends.failures >= supervisor.START_FAILURES, ends.came_up_at) == (True, None)
    assert reaches.state is State.RUNNING


def test_worker_whose_main_thread_wakes_now_and_then_is_left_alone(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "STILL_SECONDS", 0.3)
    probes: list[int] = []
    worker = child("worker", command=python(BEATS), hang_seconds=0.1, pulse=Pulse(), probe=lambda: probes.append(1))
    supervised = run(worker)

    supervised.until(lambda: len(probes) > 40)

    assert (worker.restarts, worker.state) == (0, State.RUNNING)


def test_server_whose_own_needs_are_away_is_not_taken_to_hang(run: Callable[..., Run]) -> None:
    away: list[str] = []
    probes: list[int] = []

    def client_probe() -> str | None:
        probes.append(1)
        return away[0] if away else None

    database = child("database", probe=lambda: away[0] if away else None, answers=lambda: True)
    client = child("client", "database", probe=client_probe, hang_seconds=0.2)
    supervised = run(database, client)
    supervised.up()
    away.append("no room")
    supervised.until(lambda: client.state is State.UNHEALTHY and database.state is State.UNHEALTHY)
    probes.clear()

    supervised.until(lambda: len(probes) > 20)
    assert client.restarts == 0

    database.probe = lambda: None
    supervised.until(lambda: client.restarts == 1)


def test_server_that_is_stopped_itself_is_started_again_though_its_needs_are_away(run: Callable[..., Run]) -> None:
    away: list[str] = []
    database = child("database", probe=lambda: away[0] if away else None, answers=lambda: True)
    client = child("client", "database", command=python(SAYS_GOODBYE), hang_seconds=0.2)
    supervised = run(database, client)
    supervised.up()
    away.append("no room")
    supervised.until(lambda: database.state is State.UNHEALTHY)

    _stopped_once_ready(supervised, client)

    supervised.until(lambda: client.restarts == 1)


def test_server_that_answers_what_is_wrong_is_not_taken_to_hang(run: Callable[..., Run]) -> None:
    helped: list[int] = []
    probes: list[int] = []

    def probe() -> str | None:
        probes.append(1)
        return "failed: warehouse" if len(probes) > 3 else None

    connect = child("connect", probe=probe, answers=lambda: True, remedy=lambda: helped.append(1), hang_seconds=0.1)
    supervised = run(connect)

    supervised.until(lambda: len(probes) > 40)

    assert (connect.restarts, connect.state, connect.reason) == (0, State.UNHEALTHY, "failed: warehouse")
    assert helped


def test_probe_that_fails_makes_its_unit_unhealthy_and_ends_nothing(run: Callable[..., Run]) -> None:
    faults: list[Exception] = []

    def probe() -> str | None:
        if faults:
            raise faults[0]
        return None

    server, other = child("server", probe=probe, hang_seconds=0.1), child("other")
    supervised = run(server, other)
    supervised.up()

    faults.append(RuntimeError("a fault of ours"))
    supervised.until(lambda: server.state is State.UNHEALTHY)
    assert "RuntimeError: a fault of ours" in str(server.reason)

    faults.clear()
    supervised.until(lambda: server.state is State.RUNNING)
    assert (server.restarts, other.restarts) == (0, 0)


def test_probe_that_does_not_return_is_given_up_and_its_unit_started_again(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "PROBE_SECONDS_MAX", 0.2)
    for_ever, ends = threading.Event(), threading.Event()
    asked: list[int] = []

    def probe() -> str | None:
        asked.append(1)
        if for_ever.is_set():
            ends.wait()
        return None

    server = child("server", probe=probe, hang_seconds=0.5)
    supervised = run(server)
    supervised.up()
    for_ever.set()
    asked.clear()

    supervised.until(lambda: server.state is State.UNHEALTHY)
    assert "has not returned" in str(server.reason)
    supervised.until(lambda: server.restarts == 1)
    # One that hangs keeps a thread: a second is sent only to the process that came after.
    assert len(asked) <= 3

    for_ever.clear()
    ends.set()
    supervised.until(lambda: server.state is State.RUNNING)


def test_remedy_that_fails_ends_nothing_and_is_tried_again(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "REMEDY_SECONDS", 0.05)
    wrong: list[str] = []
    tries: list[int] = []

    def remedy() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise RuntimeError("Connect does not answer")
        wrong.clear()

    server = child("server", probe=lambda: wrong[0] if wrong else None, answers=lambda: True, remedy=remedy)
    supervised = run(server)
    supervised.up()

    wrong.append("failed: warehouse")
    supervised.until(lambda: len(tries) == 3 and server.state is State.RUNNING)


def test_state_that_cannot_be_written_ends_nothing_and_is_written_later(folder: StackFolder) -> None:
    full = threading.Event()
    written: list[str] = []

    class OnFullDisk(Run):
        def _changed(self, units: Sequence[Unit], up: bool) -> None:
            if full.is_set():
                raise OSError(28, "No space left on device")
            written.append(f"{units[0].state} {up}")

    server = child("server")
    supervised = OnFullDisk(folder, [server])
    try:
        supervised.up()
        full.set()
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        supervised.until(lambda: server.restarts == 1 and server.state is State.RUNNING)
        written.clear()

        full.clear()

        supervised.until(lambda: written == ["running True"])
    finally:
        supervised.stop()


def test_program_that_cannot_be_run_is_tried_again_until_it_can(run: Callable[..., Run], folder: StackFolder) -> None:
    program = folder.path / "program"
    server = child("server", command=(str(program),), essential=False)
    supervised = run(server)
    supervised.until(lambda: server.failures >= 2)
    assert "could not be started" in str(server.reason)

    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)

    supervised.until(lambda: server.pid is not None)
