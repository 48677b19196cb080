"""The backlog in Quix Streams: runs bench/quix_job.py on the same topic and measures it the same way."""

from __future__ import annotations

import os
import secrets
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from kafka import KafkaAdminClient

from bench import drain
from bench.backlog import describe
from bench.drain import Backlog, Drain
from bench.figures import Section, load_average
from bench.quix_tables import NAME, SCHEMA
from bench.stack import BenchStack
from tests.stack import PROJECT

PYTHON: Final = PROJECT / ".venv-bench" / "bin" / "python"
"""An environment of its own: Quix Streams and the product want other versions of the same packages."""
COMMIT_EVERY: Final = 20_000
"""Records of a checkpoint; fewer when the seconds are over."""
COMMIT_SECONDS: Final = 1.0
"""The best of 0.5, 1 and 5 (Quix' default)."""
PROGRESS: Final = f"SELECT sum(next_offset)::bigint FROM {NAME}.progress"
TOTALS: Final = f"""
SELECT (SELECT count(*) FROM {NAME}.invoices), (SELECT sum(points) FROM {NAME}.customer_points),
  (SELECT sum(delta) FROM {NAME}.point_entries)
"""


def measure(stack: BenchStack, backlog: Backlog, runs: int) -> Section:
    """Work the backlog off `runs` times."""
    drains = [_run(stack, backlog) for _ in range(runs)]
    return Section(
        "The same backlog in Quix Streams",
        drain.figures("Quix Streams", drains),
        [
            describe(backlog),
            "one application; state in its RocksDB store with a changelog topic; the product's own decoding and calculator; invoices,"
            f" entries and totals to Postgres by COPY, one transaction a checkpoint of {COMMIT_EVERY:,} records, before the offsets",
            "in its favour: memberships are read once from Postgres, the rows of invoices are not written there, entries go to no topic",
            f"after each run invoices, points and entries were what they must be; load average at the end {load_average()}",
        ],
    )


def _run(stack: BenchStack, backlog: Backlog) -> Drain:
    stack.execute(SCHEMA)
    stack.execute("CHECKPOINT")
    with _job(stack) as process:
        found = drain.watch(stack, process, PROGRESS, backlog)
    (totals,) = stack.execute(TOTALS)
    if totals != (expected := (backlog.invoices, backlog.points, backlog.points)):
        raise RuntimeError(f"Quix Streams: invoices, points, entries are {totals}, and must be {expected}")
    return found


@contextmanager
def _job(stack: BenchStack) -> Iterator[subprocess.Popen[bytes]]:
    """The job with a new consumer group and an empty state store; both are gone afterwards."""
    group = f"bench-quix-{secrets.token_hex(4)}"
    with tempfile.TemporaryDirectory(prefix="rewards-bench-state-") as state:
        command = [
            str(PYTHON), "-m", "bench.quix_job", "--kafka", stack.address("kafka"), "--tls", str(stack.files.tls_file),
            "--group", group, "--state", state,
            "--commit-every", str(COMMIT_EVERY), "--commit-seconds", str(COMMIT_SECONDS),
        ]  # fmt: skip
        with (stack.files.logs / "bench-quix.log").open("ab") as log:
            process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, cwd=PROJECT,
                env=os.environ | {"BENCH_DATABASE_URL": stack.superuser},
            )  # fmt: skip
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)
            _forget(stack, group)


def _forget(stack: BenchStack, group: str) -> None:
    admin = KafkaAdminClient(**stack.kafka.options())
    try:
        admin.delete_topics([topic for topic in admin.list_topics() if group in topic])
        admin.delete_groups([group])
    finally:
        admin.close()
