"""What a run and a verification need of memory, whatever the rows hold."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing

import pytest

from bench import legacy_data
from connectors.settings import PROJECT
from tests.integration.migration.databases import Legacy, New, surroundings

MB_MAX = 100
REDEMPTIONS = 1_500
DESCRIPTION_BYTES = 60_000
PEAK = """
import runpy, sys
sys.argv = ["rewards", *sys.argv[1:]]
try:
    runpy.run_module("cli", run_name="__main__")
finally:
    status = open("/proc/self/status").read()
    print(status.split("VmHWM:")[1].split()[0], file=sys.stderr)
"""
"""Tells the process' own high-water mark in KB, as its last word."""


@pytest.fixture
def long_texts(legacy: Legacy) -> Legacy:
    """90 MB of descriptions, every other one with an accent and one of a hundred encoded twice."""
    with closing(legacy.server.connect(legacy.name)) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION sql_mode = ''")
        legacy_data.fill(
            connection, customers=100, redemptions=REDEMPTIONS, dirt=0.01, description_bytes=DESCRIPTION_BYTES
        )
    legacy.run(
        "UPDATE prizes_redemptions SET description = CONCAT(description, CONVERT(0xC383C2A9 USING utf8mb4)) WHERE pr_id % 100 = 0"
    )
    return legacy


def test_run_and_verification_of_long_texts_need_less_than_100_mb(long_texts: Legacy, new: New) -> None:
    peaks = {what: _peak_mb(what, long_texts, new) for what in ("plan", "run", "verify")}

    assert max(peaks.values()) < MB_MAX, peaks
    assert new.value("SELECT sum(length(description)) FROM prize_redemptions WHERE id >= 1000") > 80_000_000


def _peak_mb(what: str, legacy: Legacy, new: New) -> float:
    done = subprocess.run(
        [sys.executable, "-c", PEAK, "migrate", what, "--json", "--from", legacy.url],
        env=surroundings(new), cwd=PROJECT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return int(done.stderr.split()[-1]) / 1024
