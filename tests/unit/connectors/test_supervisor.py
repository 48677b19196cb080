from __future__ import annotations

import itertools
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.errors import StackError
from connectors.local import units
from connectors.local.units import Child, State, Step
from tests.unit.connectors.supervised import Run, child, python

LEAVES_WITH_65 = """
import signal, sys, time
signal.signal(signal.SIGUSR1, lambda *_: sys.exit(65))
print("ready", flush=True)
time.sleep(60)
"""


def test_units_start_after_what_they_need_and_stop_before_it(run: Callable[..., Run]) -> None:
    seen: list[str] = []
    server = child("server")
    step = Step("step", lambda: seen.append(str(server.state)), ("server",))
    client = child("client", "step")

    supervised = run(server, step, client)
    supervised.up()

    assert seen == ["running"]
    assert server.started_at < client.started_at
    supervised.stop()
    assert (server.state, client.state) == (State.STOPPED, State.STOPPED)


def test_server_that_is_killed_eight_times_in_a_row_is_back_within_a_second_each_time(run: Callable[..., Run]) -> None:
    server = child("server")
    supervised = run(server)
    supervised.up()
    away_seconds = []

    for restarts in range(1, 9):
        assert server.pid is not None
        killed_at = time.monotonic()
        os.kill(server.pid, signal.SIGKILL)
        supervised.until(lambda wanted=restarts: server.restarts == wanted and server.state is State.RUNNING)
        away_seconds.append(time.monotonic() - killed_at)

    assert max(away_seconds) < 1.5, away_seconds
    assert (server.last_exit, server.failures) == (-signal.SIGKILL, 0)


def test_server_that_ends_before_it_was_of_use_is_started_again_later_each_time(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(units, "BACKOFF_SECONDS", (0.1, 0.4, 0.8))
    starts = tmp_path / "starts"
    append = f"import sys, time; print(time.monotonic(), file=open({str(starts)!r}, 'a')); sys.exit(1)"
    server = child("server", command=python(append), probe=lambda: "not yet", essential=False)
    run(server).until(lambda: server.failures == 4)

    at = [float(line) for line in starts.read_text().splitlines()]

    pauses = [after - before for before, after in itertools.pairwise(at)]
    assert pauses[0] < pauses[1] < pauses[2]
    assert "4 times in a row" in str(server.reason)


def test_server_that_comes_up_and_ends_by_itself_again_and_again_is_no_server_that_runs(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(units, "BACKOFF_SECONDS", (0.01,))
    server = child("server", command=python("import time; time.sleep(0.2); raise SystemExit(70)"))
    supervised = run(server)
    supervised.until(lambda: server.failures >= units.KEEPS_ENDING)
    seen: set[State] = set()

    def ended_twice_more() -> bool:
        seen.add(server.state)
        return server.failures >= units.KEEPS_ENDING + 2

    supervised.until(ended_twice_more)

    assert State.RUNNING not in seen


def test_worker_that_would_only_meet_the_same_again_is_not_started_again(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(units, "BACKOFF_SECONDS", (0.01,))
    worker = child("worker", command=(sys.executable, "-c", LEAVES_WITH_65))
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
    server = child("server")
    failing = child("upgrade", "server", command=(sys.executable, "-c", "raise SystemExit('no such table')"), once=True)

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
    server = child("server")
    server.probe = lambda: wrong[0] if wrong else None
    server.answers = lambda: True
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
    server = child("server", command=(sys.executable, "-c", stubborn))
    server.stop_seconds = 0.2
    server.probe = lambda: None if pid_file.exists() and pid_file.read_text() else "not yet"
    supervised = run(server)
    supervised.up()
    grandchild = Path("/proc") / pid_file.read_text() / "status"

    supervised.stop()

    assert not server.alive
    assert not grandchild.exists() or "State:\tZ" in grandchild.read_text()
