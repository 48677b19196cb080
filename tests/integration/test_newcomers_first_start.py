"""The first start on a machine that is not ours: whatever its shell holds, the stack comes up, and what it says to try shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.feed import suggestion
from tests.stack import PROJECT, UP_SECONDS, Stack, eventually

REWARDS = Path(sys.executable).with_name("rewards")
PROGRAMS = ("java", "postgres", "initdb", "pg_config", "psql", "mariadbd", "createdb", "pg_ctl")


def rewards(
    stack: Stack, shell: dict[str, str], *arguments: str, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run the program as a person does, in that shell."""
    return subprocess.run(
        [REWARDS, *arguments, "--data", stack.folder],
        capture_output=True, text=True, cwd=PROJECT, env=shell, timeout=timeout, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def machine() -> Iterator[Path]:
    """A folder for all of it, with a name that users give their folders."""
    with tempfile.TemporaryDirectory(prefix="José's données, ") as folder:
        # Postgres' own user is to pass through, as through a home.
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="module")
def shell(machine: Path) -> dict[str, str]:
    """An environment in which everything that a stack could pick up by chance is wrong, and says so in a file."""
    programs = machine / "programs" / "bin"
    programs.mkdir(parents=True)
    for name in PROGRAMS:
        (programs / name).write_text(f'#!/bin/sh\necho "{name} $*" >> "$(dirname "$0")/../used"\nexit 97\n')
        (programs / name).chmod(0o755)
    modules = machine / "modules"
    modules.mkdir()
    for name in ("cli", "api", "streams", "connectors", "migration", "faust", "typing_extensions"):
        (modules / f"{name}.py").write_text(f"raise SystemExit('{name} of PYTHONPATH')\n")
    libraries = machine / "libraries"
    libraries.mkdir()
    for name in ("libpq.so.5", "libjli.so", "libjvm.so", "libreadline.so.7"):
        (libraries / name).write_text("no library")
    temporary = machine / ("a long way down " * 5).strip() / ("and further " * 8).strip()
    temporary.mkdir(parents=True)
    return os.environ | {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "JAVA_HOME": str(programs.parent),
        "TMPDIR": str(temporary),
        "PYTHONPATH": str(modules),
        "PYTHONIOENCODING": "ascii",
        "LD_LIBRARY_PATH": str(libraries),
        **dict.fromkeys(("LANG", "LC_ALL"), "C"),
        "LANGUAGE": "de",
        "TZ": "Asia/Kathmandu",
        **dict.fromkeys(("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"),
        "PGSSLMODE": "require",
        "PGOPTIONS": "-c search_path=nowhere",
        "PGSERVICE": "nowhere",
        "PGCLIENTENCODING": "LATIN1",
        **dict.fromkeys(("JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS"), "-Xmx1"),
        "CLASSPATH": "/nowhere",
        "KAFKA_OPTS": "-Dnowhere",
        "KAFKA_HEAP_OPTS": "-Xmx1",
        "LOG4J_CONFIGURATION_FILE": "/nowhere/log4j2.xml",
        "REWARDS_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/elsewhere",
        "REWARDS_KAFKA_BOOTSTRAP": "127.0.0.1:9",
        "REWARDS_KAFKA_TLS_FILE": "/nowhere/tls.pem",
    }


@pytest.fixture(scope="module")
def started(machine: Path, shell: dict[str, str]) -> Iterator[tuple[Stack, str]]:
    """The stack, and what its start printed."""
    # A comma is the one character that Kafka cannot be told.
    stack = Stack(Path(tempfile.mkdtemp(prefix="José's données ")) / "stack")
    before = os.umask(0o077)
    try:
        done = rewards(stack, shell, "up", "--detach", timeout=UP_SECONDS)
        assert done.returncode == 0, done.stdout + done.stderr
        yield stack, done.stdout
    finally:
        os.umask(before)
        stack.discard()
        subprocess.run(["rm", "-rf", stack.folder.parent], check=True)


def test_stack_comes_up_whatever_the_shell_holds_and_uses_no_program_of_the_machine(
    started: tuple[Stack, str], machine: Path, shell: dict[str, str]
) -> None:
    stack, said = started

    status = rewards(stack, shell, "status")

    assert status.returncode == 0, status.stdout
    assert "All running" in said
    assert not (machine / "programs" / "used").exists(), (machine / "programs" / "used").read_text()
    assert sorted(one.name for one in machine.iterdir()) == sorted(
        {"programs", "modules", "libraries", Path(shell["TMPDIR"]).parent.name}
    )
    assert list(Path(shell["TMPDIR"]).iterdir()) == []
    assert [one.name for one in stack.folder.parent.iterdir()] == ["stack"]


def test_printed_commands_name_the_stack_and_can_be_run_as_they_stand(
    started: tuple[Stack, str], shell: dict[str, str]
) -> None:
    _, said = started
    status = re.search(r"`([^`]+ status [^`]*)`", said)
    assert status is not None, said

    done = subprocess.run(status.group(1), shell=True, cwd=PROJECT, env=shell, check=False, capture_output=True)

    assert done.returncode == 0, done.stderr


def test_printed_suggestion_takes_points_off_the_balance_of_the_page_that_it_names(
    started: tuple[Stack, str], shell: dict[str, str]
) -> None:
    stack, said = started
    suggested = re.search(r"^Try +(.+)\n +and watch (\S+): (\d+) points less", said, re.MULTILINE)
    assert suggested is not None, said
    command, page, points = suggested.groups()
    assert page == f"{stack.address('web')}/customers/{suggestion.CUSTOMER}"
    login = re.search(rf"^(\S+) +(\S+) +Customer .*\({suggestion.CUSTOMER}\)", said, re.MULTILINE)
    assert login is not None, said
    row = re.search(r"transaction_id = (\d+)", command)
    assert row is not None
    stack.wait()

    done = subprocess.run(command, shell=True, cwd=PROJECT, env=shell, check=False, capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (0, "UPDATE 1\n"), done.stderr
    with stack.cursor("warehouse") as cursor:
        cursor.execute(
            "SELECT transaction_description FROM invoice_transactions WHERE transaction_id = %s", row.groups()
        )
        (document,) = cursor.fetchone()

    def entries() -> list[int]:
        with stack.cursor("rewards") as cursor:
            cursor.execute(
                "SELECT delta FROM point_entries WHERE customer_master_id = %s AND document = %s ORDER BY id",
                (suggestion.CUSTOMER, document),
            )
            return [delta for (delta,) in cursor.fetchall()]

    eventually(lambda: entries()[-1:] == [-int(points)])


def test_psql_of_the_stack_shows_no_password_to_other_users(started: tuple[Stack, str], shell: dict[str, str]) -> None:
    stack, _ = started
    statement = "SELECT current_user, count(*) FROM pg_stat_activity WHERE query LIKE '%pg_stat_activity%'"

    done = rewards(stack, shell, "psql", "points", "-At", "-c", statement)

    assert done.stdout.startswith("rewards_app|")
    assert stack.files.secrets().passwords["rewards_app"] not in done.stdout + done.stderr


def test_folder_that_kafka_cannot_be_told_is_refused_with_what_to_do(machine: Path) -> None:
    refused = Stack(machine / "a stack")
    try:
        done = refused.command("up", "--detach", "--only", "kafka", check=False)
    finally:
        refused.discard()

    assert done.returncode == 1
    assert "',' in its name" in done.stderr
    assert "--data" in done.stderr
