"""Units that fail leave the rest running, and are started again when somebody asks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from connectors.errors import StackError, StackNotRunningError
from connectors.local import restarts, units
from connectors.local.folder import StackFolder
from connectors.local.units import Child, State
from tests.unit.connectors.supervised import Run, child, python


@pytest.fixture
def supervised_folder(folder: StackFolder) -> Iterator[StackFolder]:
    """The folder while a supervisor holds its lock."""
    with folder.locked():
        yield folder


@pytest.fixture
def flag(tmp_path: Path) -> Path:
    return tmp_path / "mended"


def _fails_until(flag: Path, code: int = 65) -> tuple[str, ...]:
    return python(
        f"import pathlib, sys, time\nif not pathlib.Path({str(flag)!r}).exists(): sys.exit({code})\ntime.sleep(60)"
    )


def test_stack_comes_up_beside_a_worker_that_refuses_its_records(
    run: Callable[..., Run], supervised_folder: StackFolder, flag: Path
) -> None:
    server = child("server")
    worker = child(
        "worker", "server", command=_fails_until(flag), essential=False, probe=lambda: None if flag.exists() else "no"
    )
    feed = child("feed", "worker", essential=False)
    supervised = run(server, worker, feed)

    supervised.up()

    assert (server.state, worker.state, feed.state) == (State.RUNNING, State.FAILED, State.WAITING)
    assert feed.reason == "waits for worker"
    flag.touch()
    assert restarts.restart(supervised_folder, "worker")["state"] == "running"
    supervised.until(lambda: feed.state is State.RUNNING)


def test_state_of_before_the_restart_is_not_taken_for_the_one_after(
    supervised_folder: StackFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = tmp_path / "request"
    request.touch()
    shown = [{"state": "failed"}, {"state": "running"}]

    def taken_while_it_is_read(*_: object) -> dict[str, str]:
        request.unlink(missing_ok=True)
        return shown.pop(0)

    monkeypatch.setattr(restarts, "_ask", lambda *_: request)
    monkeypatch.setattr(restarts, "_entry", taken_while_it_is_read)

    assert restarts.restart(supervised_folder, "worker", 5) == {"state": "running"}


def test_stack_comes_up_beside_a_worker_that_keeps_ending(
    run: Callable[..., Run], supervised_folder: StackFolder, flag: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(units, "BACKOFF_SECONDS", (0.01, 0.01, 0.01, 0.01, 30))
    worker = child(
        "worker", command=_fails_until(flag, 70), essential=False, probe=lambda: None if flag.exists() else "no"
    )
    supervised = run(child("server"), worker)

    supervised.up()

    supervised.until(lambda: worker.state is State.BACKOFF)
    assert "exit code 70 (5 times in a row)" in str(worker.reason)
    flag.touch()
    # Without waiting for the 30 s.
    assert restarts.restart(supervised_folder, "worker", 10)["state"] == "running"
    assert worker.failures == 0


def test_command_that_failed_and_nothing_stands_on_is_run_again_when_asked(
    run: Callable[..., Run], supervised_folder: StackFolder, flag: Path
) -> None:
    command = python(f"import pathlib, sys; sys.exit(not pathlib.Path({str(flag)!r}).exists())")
    connectors = child("connectors", command=command, once=True, essential=False)
    supervised = run(child("server"), connectors)
    supervised.up()
    assert connectors.state is State.FAILED
    flag.touch()

    assert restarts.restart(supervised_folder, "connectors")["state"] == "done"

    assert connectors.state is State.DONE


def test_server_that_runs_is_asked_to_end_and_back_at_once(
    run: Callable[..., Run], supervised_folder: StackFolder
) -> None:
    server = child("server")
    run(server).up()
    before = server.pid

    for _ in range(8):
        assert restarts.restart(supervised_folder, "server", 5)["state"] == "running"

    assert server.pid != before
    assert (server.restarts, server.failures) == (8, 0)


def test_requests_at_the_same_time_are_all_met(run: Callable[..., Run], supervised_folder: StackFolder) -> None:
    servers = [child(f"server-{n}") for n in range(4)]
    run(*servers).up()
    answers: list[str] = []

    def ask(one: Child) -> None:
        answers.append(restarts.restart(supervised_folder, one.name, 20)["state"])

    threads = [threading.Thread(target=ask, args=(one,)) for one in servers * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == ["running"] * 8
    assert all(one.restarts >= 1 for one in servers)
    assert not list((supervised_folder.path / "requests").iterdir())


def test_name_that_is_not_there_is_refused_with_those_that_are(
    run: Callable[..., Run], supervised_folder: StackFolder
) -> None:
    run(child("server"), child("worker")).up()

    with pytest.raises(StackError, match="there are server, worker"):
        restarts.restart(supervised_folder, "wrker")


def test_request_without_a_supervisor_is_refused_with_the_command_that_starts_one(folder: StackFolder) -> None:
    with pytest.raises(StackNotRunningError, match=f"rewards up --data {folder.path}"):
        restarts.restart(folder, "worker")
    assert not restarts.start_if_down(folder, "worker")


def test_decision_starts_what_it_kept_down_and_nothing_that_runs(
    run: Callable[..., Run], supervised_folder: StackFolder, flag: Path
) -> None:
    server = child("server")
    worker = child("worker", command=_fails_until(flag), essential=False, probe=lambda: None if flag.exists() else "no")
    supervised = run(server, worker)
    supervised.up()
    supervised.until(lambda: worker.state is State.FAILED)
    flag.touch()

    # The state's file, which others read, follows a moment later.
    supervised.until(lambda: restarts.start_if_down(supervised_folder, "worker"))
    supervised.until(lambda: worker.state is State.RUNNING)

    assert not restarts.start_if_down(supervised_folder, "server")
    assert server.restarts == 0
