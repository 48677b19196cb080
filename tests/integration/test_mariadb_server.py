from __future__ import annotations

import os
import pwd
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from connectors.errors import StackError
from connectors.local.mariadb import running
from connectors.local.mariadb_choice import MariaDb
from connectors.local.mariadb_server import Server
from connectors.settings import PROJECT

SAMPLE = PROJECT / "migration" / "sample" / "rewards_program.sql"
SMALL = {"innodb_buffer_pool_size": "16M"}

pytestmark = pytest.mark.every_server


def _query(server: Server, statement: str) -> list[tuple[object, ...]]:
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def _folder(server: Server) -> Path:
    ((data,),) = _query(server, "SELECT @@datadir")
    return Path(str(data)).parent


def _start_and(program: MariaDb, seen: list[tuple[Server, Path]], fail: Callable[[], object]) -> None:
    """Start a server, note it with its folder, and let something go wrong."""
    with running(program=program, options=SMALL) as server:
        seen.append((server, _folder(server)))
        fail()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that the server's own user can pass through, as pytest's own is not under root."""
    with tempfile.TemporaryDirectory(prefix="rewards-test-mariadb-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


def test_sample_is_loaded_as_it_stands(mariadb: Server) -> None:
    assert mariadb.load(SAMPLE) > 30

    assert _query(mariadb, "SELECT prize_title FROM rewards_program.prizes WHERE prize_id IN (2, 4) ORDER BY 1") == [
        ("Cash €™5",),
        ("Las Vegas trip — 3 nights",),
    ]
    assert _query(mariadb, "SELECT HEX(prize_title) FROM rewards_program.prizes WHERE prize_id = 4") == [
        ("4361736820809935",)
    ]
    assert _query(mariadb, "SELECT description FROM rewards_program.prizes_redemptions WHERE pr_id = 2") == [
        ("Tab\there, back\\slash, \\N, NUL:\0.",)
    ]
    assert _query(
        mariadb, "SELECT CAST(created_on AS CHAR) FROM rewards_program.rewards_groups WHERE rewards_id = 7"
    ) == [("0000-00-00 00:00:00",)]


def test_statement_that_is_refused_ends_the_script_there(mariadb: Server, tmp_path: Path) -> None:
    script = tmp_path / "half.sql"
    script.write_text(
        "DROP DATABASE IF EXISTS half; CREATE DATABASE half; CREATE TABLE half.a (i INT COMMENT 'a;b'); -- c;\n"
        "INSERT INTO half.a VALUES (1), (2); SELECT * FROM half.a; INSERT INTO half.missing VALUES (1);"
        "INSERT INTO half.a VALUES (3);",
        encoding="utf-8",
    )

    with pytest.raises(StackError, match=r"half\.sql: MariaDB refused statement 6: .*missing"):
        mariadb.load(script)

    assert _query(mariadb, "SELECT COUNT(*) FROM half.a") == [(2,)]


def test_script_in_another_encoding_reaches_the_server_byte_for_byte(mariadb: Server, tmp_path: Path) -> None:
    script = tmp_path / "latin1.sql"
    script.write_bytes(
        b"SET NAMES latin1; DROP DATABASE IF EXISTS cp; CREATE DATABASE cp; "
        b"CREATE TABLE cp.a (t TEXT) DEFAULT CHARSET latin1; INSERT INTO cp.a VALUES ('Pe\xf1a \x80');"
    )

    mariadb.load(script)

    assert _query(mariadb, "SELECT t, HEX(t) FROM cp.a") == [("Peña €", "5065F1612080")]


def test_server_is_the_one_that_its_name_tells(mariadb: Server, mariadb_program: MariaDb) -> None:
    ((version,),) = _query(mariadb, "SELECT VERSION()")

    assert mariadb.name == mariadb_program.name
    assert mariadb.name.rpartition("-")[2] == str(version).partition("-")[0]


def test_server_is_for_its_one_user_on_loopback_alone(mariadb: Server) -> None:
    process = psutil.Process(mariadb.pid)

    assert {(one.laddr.ip, one.laddr.port) for one in process.net_connections("inet") if one.status == "LISTEN"} == {
        ("127.0.0.1", mariadb.port)
    }
    assert _query(mariadb, "SELECT user, host FROM mysql.user WHERE user <> 'mariadb.sys'") == [("legacy", "127.0.0.1")]
    assert process.uids().effective != 0
    if os.geteuid() != 0:
        assert process.username() == pwd.getpwuid(os.geteuid()).pw_name


def test_password_stands_in_no_argument_and_no_file(mariadb: Server) -> None:
    assert mariadb.password not in " ".join(psutil.Process(mariadb.pid).cmdline())
    said = [path for path in _folder(mariadb).rglob("*") if path.is_file() and not path.is_symlink()]
    assert said
    assert not [path for path in said if mariadb.password.encode() in path.read_bytes()]


def test_server_is_gone_after_the_block_and_its_folder_too(mariadb_program: MariaDb) -> None:
    with running(program=mariadb_program, options=SMALL) as server:
        folder = _folder(server)
        assert server.alive
        assert folder.exists()

    assert not server.alive
    assert not folder.exists()


def test_server_is_gone_after_an_exception_and_its_folder_too(mariadb_program: MariaDb) -> None:
    seen: list[tuple[Server, Path]] = []

    with pytest.raises(ZeroDivisionError):
        _start_and(mariadb_program, seen, lambda: 1 / 0)

    ((server, folder),) = seen
    assert not server.alive
    assert not folder.exists()


def test_server_that_was_killed_leaves_nothing_behind(mariadb_program: MariaDb) -> None:
    with running(program=mariadb_program, options=SMALL) as server:
        folder = _folder(server)
        os.kill(server.pid, signal.SIGKILL)
        psutil.wait_procs([psutil.Process(server.pid)], timeout=10)
        assert not server.alive

    assert not folder.exists()


def test_sigterm_ends_the_server_too(mariadb_program: MariaDb) -> None:
    seen: list[tuple[Server, Path]] = []
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with pytest.raises(KeyboardInterrupt):
            _start_and(mariadb_program, seen, lambda: signal.raise_signal(signal.SIGTERM))
    finally:
        signal.signal(signal.SIGTERM, before)

    ((server, folder),) = seen
    assert not server.alive
    assert not folder.exists()


def test_folder_that_is_named_may_be_deeper_than_a_socket_may_lie(mariadb_program: MariaDb, open_folder: Path) -> None:
    folder = open_folder / ("deep" * 20) / ("deeper" * 10)

    with running(program=mariadb_program, folder=folder, options=SMALL) as server:
        assert _folder(server) == folder
        assert (folder / "data" / "mariadb.sock").is_socket()

    assert not folder.exists()


def test_server_that_refuses_a_setting_says_so_and_leaves_nothing(mariadb_program: MariaDb, open_folder: Path) -> None:
    folder = open_folder / "data"

    with (
        pytest.raises(StackError, match=r"(?s)MariaDB ended at its start:.*no_such_setting"),
        running(program=mariadb_program, folder=folder, options={"no_such_setting": "1"}),
    ):
        pytest.fail("it started")

    assert not folder.exists()
