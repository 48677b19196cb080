"""A plain Postgres and the web app in a thread, as in production but for the stream, which the tests stand in for."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql

from api.app import create_server
from api.core.database import Database
from api.core.encryption import FieldCipher, new_key
from api.core.settings import WebSettings
from api.samples.commands import write_samples
from connectors.local import accounts, binaries
from connectors.settings import LocalSettings
from migration import schema

TEMPLATE = "rewards_template"
FIELD_KEY = new_key()
"""What the sites of a test run decrypt with."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Postgres:
    """A server with the roles of the stack and a template database at the newest version, samples included."""

    port: int

    def url(self, database: str, role: str = "rewards_app") -> str:
        return f"postgresql://{role}@127.0.0.1:{self.port}/{database}"

    @contextlib.contextmanager
    def admin(self, database: str = "postgres") -> Iterator[psycopg2.extensions.cursor]:
        connection = psycopg2.connect(self.url(database, "postgres"))
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()

    def new_database(self, template: str = TEMPLATE) -> str:
        name = f"test_{secrets.token_hex(5)}"
        statement = sql.SQL("CREATE DATABASE {} OWNER rewards_owner TEMPLATE {}")
        with self.admin() as cursor:
            cursor.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
        return name

    def drop_database(self, name: str) -> None:
        with self.admin() as cursor:
            cursor.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextlib.contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Start a server on a free port in a folder of its own, stepping down from root; stop it and remove the folder."""
    account = accounts.unprivileged()
    folder = binaries.reachable(binaries.postgres(LocalSettings().postgres_bin), account).bin
    data = Path(tempfile.mkdtemp(prefix="rewards-test-postgres-"))
    step_down: dict[str, Any] = (
        {} if account is None else {"user": account.uid, "group": account.gid, "extra_groups": []}
    )
    if account is not None:
        os.chown(data, account.uid, account.gid)
    port = free_port()
    initdb = [
        str(folder / "initdb"),
        "-D",
        str(data),
        "-U",
        "postgres",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--no-locale",
        "-N",
    ]
    subprocess.run(initdb, check=True, capture_output=True, cwd="/", **step_down)
    options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off", "wal_level": "logical"}
    command = [str(folder / "postgres"), "-D", str(data), "-p", str(port), *(f"--{k}={v}" for k, v in options.items())]
    with (data / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **step_down)
    try:
        server = Postgres(port)
        _wait_until_up(server, process)
        _make_template(server)
        yield server
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(data, ignore_errors=True)


def _wait_until_up(server: Postgres, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        assert process.poll() is None, "Postgres ended at its start"
        with contextlib.suppress(psycopg2.OperationalError), server.admin():
            return
        time.sleep(0.05)
    raise AssertionError("Postgres did not come up")


def _make_template(server: Postgres) -> None:
    with server.admin() as cursor:
        for role in ("rewards_owner", "rewards_app", "debezium"):
            cursor.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
        cursor.execute(sql.SQL("CREATE DATABASE {} OWNER rewards_owner").format(sql.Identifier(TEMPLATE)))
    schema.upgrade(server.url(TEMPLATE, "rewards_owner"))
    database = Database(server.url(TEMPLATE))
    with database.write_sessions.begin() as session:
        write_samples(session)
    database.close()


@contextlib.contextmanager
def running_site(url: str, **settings: object) -> Iterator[str]:
    """Run the web app on a free port in a thread; gives its address."""
    values = {
        "database_url": url,
        "session_secret": "s" * 32,
        "live_interval_ms": 20,
        "live_beat_seconds": 0.3,
        **settings,
    }
    cipher = FieldCipher.from_setting(FIELD_KEY)
    server = create_server(WebSettings.model_validate(values), cipher, host="127.0.0.1", port=0, stop_seconds=1)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive(), "the site ended at its start"
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive(), "the site did not stop"
