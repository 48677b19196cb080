"""Runs the tests again and again, half of the times beside a busy loop on one core: `python -m tests.again`.

A test that fails once in ten runs, or only on a machine that has other things to do, is a fault like any other; so is a folder that is
left behind. Each run's output is kept in a file until all have passed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import typer

from connectors.local.binaries import SHARED

PROJECT: Final = Path(__file__).resolve().parent.parent
WATCHED: Final = (
    Path(tempfile.gettempdir()),
    Path("/tmp"),
    Path("/dev/shm"),
    Path.home(),
    Path.home() / ".cache",
    Path.home() / ".local",
    SHARED / "stacks",
)
"""Where tests and what they start could leave something behind."""
OWN: Final = ("pytest-of-", "rewards-again-")
"""pytest's folder, which it keeps for a test that failed, and that of the outputs."""
SPIN: Final = "import os\nos.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\nwhile True: pass"


def main() -> None:
    """Run, and end with 0 where each run passed and left nothing."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.again")
    parser.add_argument("--times", type=int, default=10, help="runs in all")
    parser.add_argument(
        "--busy", type=int, help="of these, the last so many beside a busy loop (default: half of them)"
    )
    parser.add_argument("command", nargs="*", default=["make", "test"], help="what to run (default: make test)")
    arguments = parser.parse_args()
    busy = arguments.times // 2 if arguments.busy is None else arguments.busy
    folder = Path(tempfile.mkdtemp(prefix=OWN[1]))
    failed = 0
    for run in range(1, arguments.times + 1):
        is_busy = run > arguments.times - busy
        with _busy_core() if is_busy else contextlib.nullcontext():
            failed += not _passes(arguments.command, folder / f"{run}.log", f"{run}{' (busy)' if is_busy else ''}")
    if failed:
        sys.exit(f"{failed} of {arguments.times} runs failed: see {folder}")
    shutil.rmtree(folder)


def _passes(command: list[str], output: Path, name: str) -> bool:
    before, began = _names(), time.monotonic()
    with output.open("wb") as file:
        done = subprocess.run(command, cwd=PROJECT, stdout=file, stderr=subprocess.STDOUT, check=False)
    left = sorted(map(str, _names() - before))
    said = f"run {name}: exit code {done.returncode} after {time.monotonic() - began:.0f} s"
    typer.echo(said + (f"; left behind: {', '.join(left)}" if left else ""))
    return not done.returncode and not left


def _names() -> set[Path]:
    return {one for folder in WATCHED if folder.is_dir() for one in folder.iterdir() if not one.name.startswith(OWN)}


@contextlib.contextmanager
def _busy_core() -> Iterator[None]:
    """A process that leaves nothing of one core to the others."""
    process = subprocess.Popen([sys.executable, "-c", SPIN], env=dict(os.environ), start_new_session=True)
    try:
        yield
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()
