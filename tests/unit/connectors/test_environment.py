"""What a user's shell, umask and folders bring along changes nothing in a stack."""

from __future__ import annotations

import http.server
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

import cli
from api.core.settings import WebSettings
from connectors.errors import StackError
from connectors.local import binaries, lifecycle, postgres, shared_data, stack
from connectors.local.folder import StackFolder
from connectors.settings import WORKER_SETTINGS, LocalSettings, forget_libpq_settings, inherited_environment
from migration.settings import ZoneSettings
from streams.settings import StreamSettings
from tests.stack import eventually


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(binaries, "SHARED", tmp_path / "shared")
    return tmp_path / "shared"


@pytest.fixture
def web() -> Iterator[str]:
    """A server on loopback that answers every request with 503."""

    class Busy(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(503)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Busy) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/healthz"
        server.shutdown()
        thread.join()


def _moved(path: Path, to: Path) -> StackFolder:
    path.rename(to)
    return StackFolder(to)


def _claimed(folder: StackFolder) -> Path:
    folder.create()
    place = shared_data.claim(folder, folder.secrets().stack_id)
    (place / "postgres").mkdir(exist_ok=True)
    return place


def test_children_inherit_neither_libpq_nor_java_settings_and_go_past_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "PGSSLMODE", "PGOPTIONS", "PGHOSTADDR", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH", "REWARDS_DATABASE_URL", "LANGUAGE",
        "PYTHONPATH", "PYTHONHOME", "PYTHONWARNINGS", "LOG4J_CONFIGURATION_FILE", "MYSQL_HOME", "MARIADB_HOME",
    ):  # fmt: skip
        monkeypatch.setenv(name, "ambient")
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("no_proxy", "intranet")

    inherited = inherited_environment()

    assert "ambient" not in inherited.values()
    assert inherited["LC_ALL"] == "C.UTF-8"
    assert inherited["no_proxy"] == "intranet,127.0.0.1"
    assert inherited["PATH"] == os.environ["PATH"]


def test_stacks_processes_take_a_workers_settings_from_the_shell_and_no_address_or_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a worker reads is either passed on or the stack's own: a new setting must be put with one of them."""
    own = {
        "REWARDS_DATABASE_URL", "REWARDS_KAFKA_BOOTSTRAP", "REWARDS_WAREHOUSE_URL", "REWARDS_CONNECT_URL", "REWARDS_TIMEZONE",
        "REWARDS_KAFKA_TLS_FILE",
    }  # fmt: skip
    read = {f"REWARDS_{name}".upper() for name in StreamSettings.model_fields}
    assert read == own | set(WORKER_SETTINGS)
    for name in (*read, "REWARDS_SESSION_SECRET", "REWARDS_OWNER_DATABASE_URL"):
        monkeypatch.setenv(name, "of the shell")
    folder = StackFolder(tmp_path / "stack")
    folder.create()
    folder.save({"warehouse": "", "rewards": "", "kafka": "", "connect": "", "timezone": "", "ports": {"web": 1}})

    built = stack._Builder(
        folder, LocalSettings(timezone="UTC"), {"web": 1}, stack.Wanted(feed=False, business_date=None, only=())
    )
    environment = built._rewards_environment()

    assert {name for name, value in environment.items() if value == "of the shell"} == set(WORKER_SETTINGS)


@pytest.mark.parametrize("metrics", [True, False])
def test_each_process_with_figures_has_a_port_of_its_own_where_figures_are_wanted(
    tmp_path: Path, metrics: bool
) -> None:
    folder = StackFolder(tmp_path / "stack")
    folder.create()
    ports = folder.ports()
    folder.save({"warehouse": "", "rewards": "", "kafka": "", "connect": "", "timezone": "", "ports": ports})
    settings = LocalSettings(metrics=metrics, log_format="json")
    built = stack._Builder(folder, settings, ports, stack.Wanted())

    given = {name: built._portless(name, (name,), ()).environment for name in ("worker", "lag", "feed")}

    shown = {name: str(ports[f"{name}_metrics"]) for name in ("worker", "lag")}
    found = {name: one["REWARDS_METRICS_PORT"] for name, one in given.items() if "REWARDS_METRICS_PORT" in one}
    assert found == (shown if metrics else {})
    assert all(one["REWARDS_LOG_FORMAT"] == "json" for one in given.values())


def test_command_imports_nothing_that_pythonpath_puts_in_front(tmp_path: Path) -> None:
    for name in ("cli", "api", "typer", "typing_extensions"):
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('{name} of somebody else')")
    program = Path(sys.executable).with_name("rewards")

    shown = subprocess.run(
        [program, "--help"], capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": str(tmp_path)}
    )

    assert (shown.returncode, shown.stderr) == (0, "")


def test_own_process_forgets_libpq_settings_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"PGSSLMODE": "require", "PATH": "/bin"})

    forget_libpq_settings()

    assert os.environ == {"PATH": "/bin"}


@pytest.mark.parametrize(("named", "kept"), [(True, False), (False, True)])
def test_libpq_settings_are_kept_for_a_database_that_is_not_the_stacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, named: bool, kept: bool
) -> None:
    folder = StackFolder(tmp_path / "stack")
    folder.create()
    folder.save({"warehouse": "", "rewards": "", "kafka": "", "connect": "", "timezone": "", "ports": {"web": 1}})
    monkeypatch.setattr("connectors.local.folder.DEFAULT", folder.path)
    monkeypatch.setattr(os, "environ", {"PGSSLROOTCERT": "own.pem", "REWARDS_DATABASE_URL": "postgresql://elsewhere/"})

    cli.use_stack(folder.path if named else None)

    assert ("PGSSLROOTCERT" in os.environ) is kept


def test_probe_on_loopback_asks_no_proxy(web: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    assert "503" in str(stack._probe_web(web))
    assert stack._probe_web(web, any_status=True) is None


def test_server_that_nobody_listens_for_does_not_answer() -> None:
    assert not postgres.answers("postgresql://nobody@127.0.0.1:9/none")
    assert stack._probe_web("http://127.0.0.1:9/", any_status=True) is not None


def test_folder_lets_other_users_pass_whatever_the_umask_is(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        folder = StackFolder(tmp_path / "stack")
        folder.create()
    finally:
        os.umask(before)

    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o711


def test_shared_place_lets_other_users_pass_whatever_the_umask_is(shared: Path, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        place = _claimed(StackFolder(tmp_path / "stack"))
    finally:
        os.umask(before)

    assert {stat.S_IMODE(one.stat().st_mode) for one in (shared, shared / "stacks", place)} == {0o755}


@pytest.mark.parametrize("what", ["file", "below a file"])
def test_folder_that_cannot_be_made_is_refused_in_one_sentence(tmp_path: Path, what: str) -> None:
    file = tmp_path / "file"
    file.touch()

    with pytest.raises(StackError, match="name a folder with --data"):
        StackFolder(file if what == "file" else file / "stack").create()


@pytest.mark.parametrize(("name", "remedy"), [("stack.json", "remove it"), ("secrets.json", "bring it back")])
def test_file_of_a_stack_that_is_broken_is_named_with_what_to_do(tmp_path: Path, name: str, remedy: str) -> None:
    folder = StackFolder(tmp_path)
    (tmp_path / name).write_text('{"half of')

    with pytest.raises(StackError, match=rf"{name} cannot be read .*: {remedy}"):
        folder.state() if name == "stack.json" else folder.secrets()


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "/etc/passwd", ""])
def test_time_zone_that_there_is_not_is_refused_with_the_settings(zone: str) -> None:
    with pytest.raises(ValueError, match="is no time zone"):
        LocalSettings(timezone=zone)
    with pytest.raises(ValueError, match="is no time zone"):
        StreamSettings(database_url="postgresql://there/x", kafka_bootstrap="127.0.0.1:1", timezone=zone)
    with pytest.raises(ValueError, match="is no time zone"):
        WebSettings(database_url="postgresql://there/x", session_secret="x" * 64, timezone=zone)
    with pytest.raises(ValueError, match="is no time zone"):
        ZoneSettings(timezone=zone)


def test_hints_name_the_folder_of_the_stack(tmp_path: Path) -> None:
    assert StackFolder().command("status") == "rewards status"
    assert StackFolder(tmp_path / "my stack").command("status") == f"rewards status --data '{tmp_path}/my stack'"


def test_data_of_a_folder_that_was_moved_is_found_by_the_stacks_id(shared: Path, tmp_path: Path) -> None:
    place = _claimed(StackFolder(tmp_path / "before"))
    moved = _moved(tmp_path / "before", tmp_path / "after")

    assert _claimed(moved) == place

    assert [one.stack for one in shared_data.found()] == [moved.path]
    assert shared_data.found()[0].has_stack


def test_start_of_another_stack_removes_no_data(shared: Path, tmp_path: Path) -> None:
    place = _claimed(StackFolder(tmp_path / "away"))
    (tmp_path / "away").rename(tmp_path / "on a disk that is away")

    _claimed(StackFolder(tmp_path / "other"))

    assert (place / "postgres").is_dir()


def test_copy_of_a_stack_is_refused_while_the_other_one_is_there(shared: Path, tmp_path: Path) -> None:
    first = StackFolder(tmp_path / "first")
    _claimed(first)
    copy = StackFolder(tmp_path / "copy")
    copy.create()
    (copy.path / "secrets.json").write_bytes((first.path / "secrets.json").read_bytes())

    with pytest.raises(StackError, match=f"copy of the stack in {first.path}"):
        _claimed(copy)


def test_stacks_command_removes_only_what_has_no_folder_and_only_when_told(shared: Path, tmp_path: Path) -> None:
    kept, gone = _claimed(StackFolder(tmp_path / "kept")), _claimed(StackFolder(tmp_path / "gone"))
    (tmp_path / "gone").rename(tmp_path / "elsewhere")
    commands = cli.application()

    listed = CliRunner().invoke(commands, ["stacks"])
    refused = CliRunner().invoke(commands, ["stacks", "--remove"], input="n\n")
    assert (listed.exit_code, refused.exit_code) == (0, 1)
    assert gone.exists()
    assert "folder gone" in listed.output
    assert kept.name in listed.output

    removed = CliRunner().invoke(commands, ["stacks", "--remove", "--yes"])

    assert removed.exit_code == 0
    assert (kept.exists(), gone.exists()) == (True, False)


def test_data_that_a_server_runs_on_is_not_removed(shared: Path, tmp_path: Path) -> None:
    place = _claimed(StackFolder(tmp_path / "gone"))
    (tmp_path / "gone").rename(tmp_path / "elsewhere")
    program = tmp_path / "postgres"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "60"]) as server:
        (place / "postgres" / "postmaster.pid").write_text(f"{server.pid}\n")
        eventually(lambda: psutil.Process(server.pid).name() == "postgres")

        CliRunner().invoke(cli.application(), ["stacks", "--remove", "--yes"])

        assert place.exists()
        with pytest.raises(StackError, match="in use"):
            shared_data.remove(shared_data.found()[0])
        server.kill()


def test_status_says_of_a_process_that_it_is_stopped_by_a_signal() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        entry = {
            "name": "worker",
            "pid": process.pid,
            "created": psutil.Process(process.pid).create_time(),
            "state": "running",
        }
        assert lifecycle._asked(entry, lambda: None)["state"] == "running"

        process.send_signal(signal.SIGSTOP)
        eventually(lambda: lifecycle._asked(entry, lambda: None)["state"] == "unhealthy")

        assert "SIGSTOP" in lifecycle._asked(entry, lambda: None)["reason"]
        process.kill()
