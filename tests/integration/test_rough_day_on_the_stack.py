"""50,000 mixed changes while workers are killed, join and leave, the broker is killed, and days are opened: the points are right."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import from_scratch
from tests.integration.invoices import query
from tests.stack import PROJECT, Stack, eventually

CHANGES = 50_000
RATE = 1_500


@contextmanager
def _process(stack: Stack, log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli", *arguments, "--data", str(stack.folder)],
            cwd=PROJECT,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(30)


def _kill(stack: Stack, name: str) -> None:
    """Kill -9, and wait until the supervisor has started it again."""
    pid = stack.process(name)["pid"]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: stack.process(name)["pid"] not in {pid, None}, timeout=60)


def _open_day(stack: Stack, days: int) -> None:
    today = dt.date.fromisoformat(stack.status["business_date"])
    stack.command("day", "--to", (today + dt.timedelta(days)).isoformat())


def test_points_equal_a_computation_from_scratch_after_kills_rebalances_and_days(stack: Stack, tmp_path: Path) -> None:
    before = query(stack, "SELECT sum(next_offset) FROM partition_progress WHERE topic LIKE 'warehouse%%'")[0][0]
    arguments = ("--customers", "400", "--rows", str(CHANGES), "--rate", str(RATE), "--seed", "7", "--enrol")
    with _process(stack, tmp_path / "feed.log", "feed", *arguments) as feed:
        time.sleep(4)
        _kill(stack, "worker")
        _open_day(stack, 11)
        with _process(stack, tmp_path / "second.log", "worker") as second:
            time.sleep(8)
            _open_day(stack, 20)
            _kill(stack, "worker")
            time.sleep(4)
            assert second.poll() is None, (tmp_path / "second.log").read_text()
        _kill(stack, "kafka")
        assert feed.wait(240) == 0, (tmp_path / "feed.log").read_text()
    _open_day(stack, 31)

    stack.wait(timeout=240)

    assert from_scratch.differences(stack.address("warehouse"), stack.address("rewards")) == []
    ((after,),) = query(stack, "SELECT sum(next_offset) FROM partition_progress WHERE topic LIKE 'warehouse%%'")
    assert after - before > CHANGES
    assert query(stack, "SELECT count(*) FROM point_entries WHERE part > 0") == [(0,)]
    assert query(stack, "SELECT count(*) FROM invoices WHERE awaiting IS NOT NULL") == [(0,)]
