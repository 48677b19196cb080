"""The legacy migration beside pgloader, in turns, from the same server into the same server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pymysql

from api.core.encryption import new_key
from bench import legacy_data
from bench.figures import Figure, Section, peak_memory_mb
from bench.stack import BenchStack
from connectors.local import mariadb, postgres
from connectors.local.mariadb_server import Server
from migration.commands import SAMPLE
from tests.stack import PROJECT

DIRT: Final = 0.01
POLL_SECONDS: Final = 0.01
OURS: Final = "rewards_bench"
THEIRS: Final = "pgloader_bench"
LOAD: Final = """LOAD DATABASE FROM {source} INTO {target}
WITH include drop, create tables, create indexes, foreign keys, on error resume next
CAST type datetime to timestamptz drop default drop not null using zero-dates-to-null,
     type date to date drop default drop not null using zero-dates-to-null;
"""
"""With what it needs to get past zero dates: without it a table with one ends empty, and the exit code is 0 all the same."""


STOOD_STILL: Final = "not run: with such texts it stood still, and came to no end in four minutes"


@dataclass(frozen=True, slots=True)
class DataSet:
    """What is moved."""

    name: str
    customers: int
    redemptions: int
    options: Mapping[str, Any]
    """Of legacy_data.fill."""
    rate_min: float | None
    """Of pgloader's rate, at least so many times; None where pgloader comes to no end."""


DATA_SETS: Final = (
    DataSet("ASCII", 50_000, 500_000, {}, 2),
    DataSet("an accent in every row", 50_000, 500_000, {"names": legacy_data.ACCENTED}, 2),
    DataSet("texts of 60 KB", 1_000, 6_000, {"description_bytes": 60_000}, None),
)


@dataclass(frozen=True, slots=True)
class Load:
    """One run of either."""

    seconds: float
    peak_mb: float
    output: str


def measure(stack: BenchStack, runs: int, *, quick: bool) -> Iterator[Section]:
    """Fill legacy databases, and move each with both, `runs` times.

    Raises:
        RuntimeError: pgloader is not installed, or one of the two failed.
    """
    if shutil.which("pgloader") is None:
        raise RuntimeError("pgloader is not installed (Debian's package pgloader): the migration is measured beside it")
    with mariadb.running() as server:
        for data in DATA_SETS:
            yield _measured(stack, server, data, runs, share=10 if quick else 1)


def _measured(stack: BenchStack, server: Server, data: DataSet, runs: int, *, share: int) -> Section:
    server.load(SAMPLE)
    redemptions = data.redemptions // share
    with closing(server.connect("rewards_program")) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION sql_mode = ''")
        legacy_data.fill(
            connection, customers=data.customers // share, redemptions=redemptions, dirt=DIRT, **data.options
        )
        rows = _rows(connection)
    source = f"{server.url.rstrip('/')}/rewards_program"
    ours, theirs = [], []
    for _ in range(runs):
        ours.append(_ours(stack, source))
        if data.rate_min is not None:
            theirs.append(_pgloader(stack, source))
    return Section(
        f"Legacy migration from {server.name}, {data.name}: {rows:,} rows, {redemptions:,} of them redemptions, dirt in {DIRT:.0%}",
        [
            Figure("rewards migrate run: rate", "rows/s", [rows / one.seconds for one in ours]),
            Figure("rewards migrate run: peak memory", "MB", [one.peak_mb for one in ours], at_most=100),
            *(_compared(rows, ours, theirs, data.rate_min) if data.rate_min is not None else ()),
        ],
        [
            "Whole commands, from their start to their end, both databases on the same machine. Ours includes the rules, the report,"
            " encryption, constraints, indexes and an entry of the point log for each redemption; pgloader's the tables and their indexes.",
            f"pgloader: {_told(theirs[-1].output) if theirs else STOOD_STILL}",
        ],
    )


def _compared(rows: int, ours: Sequence[Load], theirs: Sequence[Load], rate_min: float) -> list[Figure]:
    return [
        Figure("pgloader: rate", "rows/s", [rows / one.seconds for one in theirs]),
        Figure("pgloader: peak memory", "MB", [one.peak_mb for one in theirs]),
        Figure(
            "rewards migrate run, in rates of pgloader",
            "times",
            [b.seconds / a.seconds for a, b in zip(ours, theirs, strict=True)],
            at_least=rate_min,
            digits=2,
        ),
    ]


def _ours(stack: BenchStack, source: str) -> Load:
    owner = _fresh(stack, OURS)
    environment = dict(os.environ) | {
        "REWARDS_OWNER_DATABASE_URL": owner, "REWARDS_FIELD_KEYS": new_key(), "REWARDS_LEGACY_URL": source,
    }  # fmt: skip
    command = [sys.executable, "-m", "cli", "migrate", "run", "--json"]
    subprocess.run(
        [sys.executable, "-m", "cli", "database", "upgrade"],
        env=environment,
        cwd=PROJECT,
        check=True,
        capture_output=True,
    )
    return _timed(command, environment)


def _pgloader(stack: BenchStack, source: str) -> Load:
    target = _fresh(stack, THEIRS)
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "load"
        script.write_text(LOAD.format(source=source, target=target), encoding="utf-8")
        return _timed(["pgloader", str(script)], os.environ)


def _fresh(stack: BenchStack, database: str) -> str:
    """An empty database of the owner's; its address."""
    stack.execute(f"DROP DATABASE IF EXISTS {database}")
    stack.execute(f"CREATE DATABASE {database} OWNER {postgres.OWNERS[postgres.REWARDS]}")
    stack.execute("CHECKPOINT")
    port = stack.state()["ports"]["postgres"]
    return postgres.url(postgres.OWNERS[postgres.REWARDS], database, stack.files.secrets(), port)


def _timed(command: Sequence[str], environment: Mapping[str, str]) -> Load:
    with tempfile.TemporaryFile("w+") as output:
        started = time.monotonic()
        process = subprocess.Popen(command, env=environment, cwd=PROJECT, stdout=output, stderr=output)
        peak_mb = 0.0
        # Its own high-water mark, read while it lives: what wait4 tells of an ended child includes ours from before its exec.
        while process.poll() is None:
            with suppress(ProcessLookupError, FileNotFoundError):
                peak_mb = peak_memory_mb(process.pid)
            time.sleep(POLL_SECONDS)
        seconds = time.monotonic() - started
        output.seek(0)
        said = output.read()
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}: {said[-2_000:]}")
    return Load(seconds, peak_mb, said)


def _rows(connection: pymysql.Connection[pymysql.cursors.Cursor]) -> int:
    """Of all tables."""
    total = 0
    with connection.cursor() as cursor:
        cursor.execute("SHOW TABLES")
        for (table,) in cursor.fetchall():
            cursor.execute(f"SELECT COUNT(*) FROM {table}")
            ((count,),) = cursor.fetchall()
            total += int(count)
    return total


def _told(output: str) -> str:
    """What pgloader says of errors in its summary."""
    found = re.search(r"Total import time\s+(\S+)\s+(\d+)", output)
    return (
        f"{found[2]} rows, errors: {'none reported' if found[1] == '✓' else found[1]}; exit code 0"
        if found
        else "no summary"
    )
