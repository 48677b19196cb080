"""A signal that comes while its event is looked at: it once stopped the process that it should have ended, for good."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.stack import PROJECT

SUPERVISOR = """
from connectors.local.own_process import stopping_signals
context = stopping_signals()
stop, received = context.__enter__()
"""
LAG = """
from streams.lag.commands import _stop_on_signal
stop = _stop_on_signal()
"""
FEED = """
from connectors.feed.commands import _stop_on_signal
stop = _stop_on_signal()
"""
SIGNALLED = """
import signal
with stop._cond:
    signal.raise_signal(signal.SIGTERM)
assert stop.wait(10)
print("ends")
"""


@pytest.mark.parametrize("begin", [SUPERVISOR, LAG, FEED], ids=["supervisor", "lag", "feed"])
def test_signal_that_comes_while_its_event_is_held_ends_the_wait(begin: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", begin + SIGNALLED], capture_output=True, text=True, timeout=60, check=False, cwd=PROJECT
    )

    assert (done.returncode, done.stdout) == (0, "ends\n"), done.stderr
