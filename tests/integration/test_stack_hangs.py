"""What hangs on a stack is started again, and what fails does not take the rest with it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from streams.topics import INVOICES
from tests.stack import Stack, eventually

HANG_SECONDS = "6"
HANG_TO_RUNNING_SECONDS = 150
ALL = ("postgres", "kafka", "connect", "worker", "lag", "api")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A whole stack that does not wait long for what hangs."""
    own = Stack(tmp_path_factory.mktemp("hangs") / "stack")
    try:
        own.up("--no-feed", environment=os.environ | {"REWARDS_HANG_SECONDS": HANG_SECONDS})
        yield own
    finally:
        own.discard()


def _runs_anew(stack: Stack, name: str, pid: int) -> bool:
    entry = stack.process(name)
    return entry["state"] == "running" and entry["pid"] != pid


def test_worker_that_is_stopped_by_a_signal_is_unhealthy_and_started_again(stack: Stack) -> None:
    before = stack.process("worker")
    os.kill(before["pid"], signal.SIGSTOP)

    eventually(lambda: stack.process("worker")["state"] == "unhealthy", interval=0.02)
    assert "SIGSTOP" in stack.process("worker")["reason"]

    eventually(lambda: _runs_anew(stack, "worker", before["pid"]), timeout=60)


def test_all_parts_that_are_stopped_at_once_are_started_again_in_their_order(stack: Stack) -> None:
    before = {name: stack.process(name)["pid"] for name in ALL}
    postgres = psutil.Process(before["postgres"]).children()
    for pid in before.values():
        os.kill(pid, signal.SIGSTOP)

    for name, pid in before.items():
        eventually(lambda name=name, pid=pid: _runs_anew(stack, name, pid), timeout=HANG_TO_RUNNING_SECONDS)

    assert not any(one.is_running() for one in postgres)
    eventually(lambda: stack.command("status", check=False).returncode == 0)
    stack.wait(timeout=90)


def test_worker_that_is_killed_eight_times_in_a_row_is_back_at_once_each_time(stack: Stack) -> None:
    away_seconds = []
    for _ in range(8):
        pid = stack.process("worker")["pid"]
        killed_at = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        eventually(lambda pid=pid: _runs_anew(stack, "worker", pid), interval=0.02)
        away_seconds.append(time.monotonic() - killed_at)

    assert max(away_seconds) < 12, away_seconds
    stack.wait(timeout=90)


def _note_topic_id(stack: Stack, topic_id: str | None) -> None:
    """A worker does not run where the topic is another one than was read."""
    with stack.cursor("rewards") as cursor:
        cursor.execute("UPDATE partition_progress SET topic_id = %s WHERE topic = %s", (topic_id, INVOICES.name))


def test_stack_comes_up_beside_a_worker_that_cannot_run_and_starts_it_when_asked(stack: Stack) -> None:
    _note_topic_id(stack, "that of another topic")
    stack.down()

    stack.up("--no-feed")
    assert stack.process("worker")["remedy"]

    status = stack.command("status", check=False)
    assert status.returncode == 1
    assert f"rewards restart worker --data {stack.folder}" in status.stdout.replace("\n", "")
    others = {one["name"]: one["state"] for one in stack.status["processes"] if one["name"] != "worker"}
    assert set(others.values()) == {"running"}
    _note_topic_id(stack, None)
    assert "worker is running" in stack.command("restart", "worker").stdout
    assert stack.command("status", check=False).returncode == 0
    stack.wait(timeout=90)


def test_name_that_no_process_has_is_refused_with_those_that_there_are(stack: Stack) -> None:
    refused = stack.command("restart", "wrker", check=False)

    assert refused.returncode == 1
    assert "there are postgres, kafka, connect, worker" in refused.stderr


def test_logs_of_the_stack_stand_in_its_folder_closed_to_others(stack: Stack) -> None:
    logs = {path.name: path.stat().st_mode & 0o777 for path in Path(stack.folder / "logs").glob("*.log")}

    assert {f"{name}.log" for name in ALL} <= set(logs)
    assert all(logs[f"{name}.log"] == 0o600 for name in ALL)
