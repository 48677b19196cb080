"""A stack under test, used by its commands alone, as a user would."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import psutil
import psycopg2

from connectors.local import shared_data
from connectors.local.folder import StackFolder
from streams.kafka_access import KafkaAccess

PROJECT = Path(__file__).resolve().parent.parent
UP_SECONDS = 400
RELOADS = {"REWARDS_RELOAD_QUIET_SECONDS": "3"}
T = TypeVar("T")


class Stack:
    """Commands and addresses of the stack in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def command(
        self, *arguments: str, check: bool = True, timeout: float = 120, environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `rewards …` against this stack."""
        done = subprocess.run(
            [sys.executable, "-m", "cli", *arguments, "--data", str(self.folder)],
            capture_output=True, text=True, timeout=timeout, check=False, cwd=PROJECT, env=environment,
        )  # fmt: skip
        if check and done.returncode:
            raise AssertionError(
                f"rewards {' '.join(arguments)} ended with {done.returncode}: {done.stdout}{done.stderr}"
            )
        return done

    def up(self, *options: str, environment: dict[str, str] | None = None) -> None:
        """Start it. A reload's end is waited for a moment, not minutes, unless the environment says otherwise."""
        environment = RELOADS | (dict(os.environ) if environment is None else environment)
        self.command("up", "--detach", *options, timeout=UP_SECONDS, environment=environment)

    def down(self) -> None:
        self.command("down")

    def discard(self) -> None:
        """Stop it and remove its data, also what root keeps outside of a folder that Postgres' own user cannot reach."""
        self.down()
        stack_id = self.files.stack_id()
        if stack_id is not None:
            shutil.rmtree(shared_data.place(stack_id), ignore_errors=True)

    @property
    def status(self) -> dict[str, Any]:
        """What `rewards status --json` says now."""
        state: dict[str, Any] = json.loads(self.command("status", "--json", check=False).stdout)
        return state

    def state(self) -> dict[str, Any]:
        """The state file, without asking the processes."""
        state: dict[str, Any] = json.loads((self.folder / "stack.json").read_text())
        return state

    def address(self, name: str) -> str:
        """One of warehouse, rewards, kafka, connect, web."""
        found: str = self.state()[name]
        return found

    @property
    def files(self) -> StackFolder:
        """Its folder, as the stack's own commands see it."""
        return StackFolder(self.folder)

    @property
    def kafka(self) -> KafkaAccess:
        """How its broker is reached: `KafkaConsumer(**stack.kafka.options())`."""
        return KafkaAccess(self.address("kafka"), self.files.tls_file)

    def process(self, name: str) -> dict[str, Any]:
        """The state file's entry of a process."""
        return next(one for one in self.state()["processes"] if one["name"] == name)

    def processes(self) -> list[psutil.Process]:
        """Every living process that stands in the state file, with its children."""
        found = []
        for one in self.state()["processes"]:
            if one["pid"] and psutil.pid_exists(one["pid"]):
                process = psutil.Process(one["pid"])
                found += [process, *process.children(recursive=True)]
        return found

    def wait(self, timeout: float = 60) -> None:
        """Until everything committed to the warehouse stands in sunroc_rewards."""
        self.command("wait", "--timeout", str(timeout), timeout=timeout + 30)

    @contextmanager
    def cursor(self, database: str) -> Iterator[Any]:
        """A cursor of `warehouse` or `rewards`, committed at the end."""
        connection = psycopg2.connect(self.address(database))
        try:
            with connection, connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()


@contextmanager
def temporary_stack() -> Iterator[Stack]:
    """A stack in a folder of its own, not started; stopped and removed at the end, whatever it was brought to."""
    with tempfile.TemporaryDirectory(prefix="rewards-tests-") as folder:
        stack = Stack(Path(folder) / "stack")
        try:
            yield stack
        finally:
            stack.discard()


def eventually(ask: Callable[[], T], timeout: float = 30, interval: float = 0.1) -> T:
    """Ask until the answer is true, and return it."""
    deadline = time.monotonic() + timeout
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"still {answer!r} after {timeout} s"
        time.sleep(interval)
    return answer
