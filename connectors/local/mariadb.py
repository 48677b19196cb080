"""An embedded MariaDB for a while: the legacy database of `rewards migrate demo` and of the tests. No part of the stack.

It stands before the data's way: the migration reads from it what a person would have had in MySQL, by the address alone. Nothing
of it outlives the `with` block that started it.
"""

from __future__ import annotations

import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from connectors.errors import StackError
from connectors.local import accounts, mariadb_choice
from connectors.local.folder import HOST, PORTS
from connectors.local.mariadb_server import USER, Server, words
from connectors.settings import LocalSettings, inherited_environment

SETTINGS: Final[Mapping[str, str]] = {
    "bind_address": HOST,
    # Relative to the data folder, where the server stands: a socket's whole path may have 107 characters.
    "socket": "mariadb.sock",
    "pid_file": "mariadb.pid",
    "skip_name_resolve": "ON",
    # A certificate made at each start would cost more than it gives on loopback.
    "ssl": "OFF",
    "character_set_server": "utf8mb4",
    "default_storage_engine": "InnoDB",
    "default_time_zone": "+00:00",
    "innodb_buffer_pool_size": "256M",
    # Written at each commit, forced to the disk once a second: what is lost with the machine is loaded again.
    "innodb_flush_log_at_trx_commit": "2",
    # A script is sent as one packet (see mariadb_server.py).
    "max_allowed_packet": "1G",
}
START_SECONDS: Final = 60
STOP_SECONDS: Final = 30
LOG_LINES: Final = 10


@contextmanager
def running(
    settings: LocalSettings | None = None,
    *,
    program: mariadb_choice.MariaDb | None = None,
    folder: Path | None = None,
    options: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Start a MariaDB on a free port of the loopback interface; end it and remove all that it wrote, whatever happens.

    SIGTERM and SIGHUP, which end Python without a word, count as Ctrl-C meanwhile, where nobody else handles them.

    Args:
        settings: where the cache is; from the environment where not given.
        program: the MariaDB to run; as the settings say where not given (see mariadb_choice.py).
        folder: for its data, missing or empty as yet, and removed at the end; a temporary one where not given.
        options: settings of the server besides SETTINGS, or in their place, such as {"innodb_buffer_pool_size": "64M"}.

    Raises:
        DownloadError: the jar cannot be had.
        StackError: no MariaDB runs here, or it did not start (with its own words).

    """
    account = accounts.unprivileged()
    reached = mariadb_choice.reachable(program or mariadb_choice.chosen(settings or LocalSettings()), account)
    with _signals(), _home(folder, account) as home:
        password = secrets.token_urlsafe(24)
        _initialise(reached, home, password, account)
        with _process(reached, home, {**SETTINGS, **(options or {})}, account) as (process, port):
            server = Server(process.pid, port, reached.name, password)
            _await_up(server, process, home)
            yield server


@contextmanager
def _signals() -> Iterator[None]:
    # Only the main thread may ask for signals, and who already does has plans of their own.
    mine: list[signal.Signals] = []
    if threading.current_thread() is threading.main_thread():
        mine = [one for one in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(one) is signal.SIG_DFL]
    for one in mine:
        signal.signal(one, signal.default_int_handler)
    try:
        yield
    finally:
        for one in mine:
            signal.signal(one, signal.SIG_DFL)


@contextmanager
def _home(folder: Path | None, account: accounts.Account | None) -> Iterator[Path]:
    """The server's folder, with `data` and `tmp` that belong to the account; removed at the end."""
    if folder is not None and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StackError(f"{folder} is not an empty folder: name one for MariaDB's data that can be removed afterwards")
    home = Path(tempfile.mkdtemp(prefix="rewards-mariadb-")) if folder is None else folder.absolute()
    try:
        for one in (home, home / "data", home / "tmp"):
            one.mkdir(parents=True, exist_ok=True, mode=0o700)
            if account is not None:
                os.chown(one, account.uid, account.gid)
        if account is not None and not account.can("-x", home):
            raise StackError(
                f"the user {account.name}, whom MariaDB runs as, cannot reach {home}:"
                " name another folder, or set TMPDIR to one that every user can pass through"
            )
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _initialise(program: mariadb_choice.MariaDb, home: Path, password: str, account: accounts.Account | None) -> None:
    """Make the system tables and the one user. The SQL goes through a pipe: the password stands in no file or argument."""
    made = subprocess.run(  # noqa: S603
        [*_command(program, home, {}), "--bootstrap", "--silent-startup", "--log-warnings=0"],
        input=_system_tables(program.share, password), capture_output=True, check=False, **_as(account),
    )  # fmt: skip
    if made.returncode:
        said = made.stderr.decode(errors="replace").replace(password, "…").strip()
        raise StackError(f"MariaDB could not make its system tables in {home}: {said}")


def _system_tables(share: Path, password: str) -> bytes:
    """What `mariadb-install-db` would send, without its help texts and its accounts that need no password."""
    parts = [b"CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket = NULL;\n"]
    # Their names began with mysql_ before MariaDB 11.
    for name in ("*_system_tables.sql", "*_performance_tables.sql", "*_system_tables_data.sql"):
        # Where both names are there, they are one file.
        parts += [file.read_bytes() for file in sorted(share.glob(name))[:1]]
    accounts_of_ours = (
        "DELETE FROM mysql.global_priv WHERE User <> 'mariadb.sys'",
        "DELETE FROM mysql.proxies_priv",
        "FLUSH PRIVILEGES",
        f"CREATE USER '{USER}'@'{HOST}' IDENTIFIED BY '{password}'",
        f"GRANT ALL ON *.* TO '{USER}'@'{HOST}' WITH GRANT OPTION",
    )
    # Each on a line of its own: that is how the server finds their ends here.
    return b"\n".join([*parts, *(f"{one};".encode() for one in accounts_of_ours), b""])


@contextmanager
def _process(
    program: mariadb_choice.MariaDb, home: Path, options: Mapping[str, str], account: accounts.Account | None
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The server's process and port, up or not yet; ended in order, or killed where it does not end."""
    port = _free_port()
    with (home / "mariadb.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603
            _command(program, home, {**options, "port": str(port)}),
            # In a session of its own, so that a terminal's Ctrl-C reaches us alone.
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True, **_as(account),
        )  # fmt: skip
    try:
        yield process, port
    finally:
        try:
            process.terminate()
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            # Also when a second Ctrl-C ends the waiting.
            process.kill()
            process.wait()


def _command(program: mariadb_choice.MariaDb, home: Path, options: Mapping[str, str]) -> list[str]:
    paths = {
        "basedir": program.program.parent.parent,
        "lc_messages_dir": program.share,
        "character_sets_dir": program.share / "charsets",
        "datadir": home / "data",
        "tmpdir": home / "tmp",
    }
    # The machine's own settings, in /etc, are none of this server's.
    return [
        str(program.program),
        "--no-defaults",
        *(f"--{name}={value}" for name, value in {**paths, **options}.items()),
    ]


def _as(account: accounts.Account | None) -> dict[str, Any]:
    """What makes a subprocess another user's: without our secrets, in a folder that everybody can stand in."""
    common: dict[str, Any] = {"cwd": "/", "env": inherited_environment()}
    return common if account is None else common | {"user": account.uid, "group": account.gid, "extra_groups": []}


def _await_up(server: Server, process: subprocess.Popen[bytes], home: Path) -> None:
    import pymysql

    deadline = time.monotonic() + START_SECONDS
    while True:
        if process.poll() is not None:
            raise StackError(f"MariaDB ended at its start: {_last_lines(home / 'mariadb.log')}")
        try:
            server.connect().close()
        except pymysql.err.OperationalError as error:
            if time.monotonic() > deadline:
                last = _last_lines(home / "mariadb.log")
                raise StackError(
                    f"MariaDB does not answer after {START_SECONDS} s ({words(error)}); its log ends with: {last}"
                ) from error
            time.sleep(0.05)
        else:
            return


def _free_port() -> int:
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as probe:
            # As the server does: a port whose last connections are still dying down is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise StackError(f"no free port between {PORTS.start} and {PORTS.stop} on {HOST}")


def _last_lines(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:])
