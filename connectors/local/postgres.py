"""The embedded Postgres: one server for warehouse and `sunroc_rewards`, with logical decoding, on loopback."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

from connectors.errors import StackError
from connectors.local import accounts, binaries, shared_data
from connectors.local.folder import HOST, Secrets, StackFolder
from connectors.settings import LocalSettings, inherited_environment

WAREHOUSE: Final = "warehouse"
REWARDS: Final = "sunroc_rewards"
OWNERS: Final = {WAREHOUSE: "warehouse", REWARDS: "rewards_owner"}
SETTINGS: Final = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "wal_level": "logical",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    # Plans of the sink are short; compiling them costs more than running them.
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %d ",
    # Capture reports its position every second: two lines each would fill the log.
    "log_replication_commands": "off",
}


@dataclass(frozen=True, slots=True)
class Server:
    """A Postgres that is ready to be started."""

    command: tuple[str, ...]
    account: accounts.Account | None


def prepare(folder: StackFolder, settings: LocalSettings, port: int) -> Server:
    """Find the binaries and make the data folder where there is none yet.

    Raises:
        StackError: no Postgres, no user to run it as, or `initdb` failed (with its own words).

    """
    account = accounts.unprivileged()
    secrets = folder.secrets()
    data = _data_folder(folder, secrets, account)
    version = data / "PG_VERSION"
    data_major = int(version.read_text(encoding="ascii")) if version.exists() else None
    server = binaries.reachable(binaries.postgres(settings.postgres_bin, data_major=data_major), account)
    if data_major is None:
        _initialise(server.bin, data, secrets.passwords["postgres"], account)
    options = [f"--{name}={value}" for name, value in SETTINGS.items()]
    return Server((str(server.bin / "postgres"), "-D", str(data), "-p", str(port), *options), account)


def psql(folder: Path | None = None) -> Path:
    """The client that belongs to the Postgres that a new stack would run, else the one on the path.

    Raises:
        StackError: there is none.

    """
    beside = binaries.postgres(folder).bin / "psql"
    if beside.exists():
        return beside
    on_path = shutil.which("psql")
    if on_path is None:
        raise StackError(f"there is no psql in {beside.parent}, nor on the path: install the package postgresql-client")
    return Path(on_path)


def url(role: str, database: str, secrets: Secrets, port: int) -> str:
    """Address of a database for a role, password included: for files and environments that only the owner reads."""
    return f"postgresql://{role}:{secrets.passwords[role]}@{HOST}:{port}/{database}"


def probe(address: str) -> str | None:
    """None once the server answers a query, else why not."""
    import psycopg2

    try:
        connection = psycopg2.connect(address, connect_timeout=2)
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        finally:
            connection.close()
    except psycopg2.Error as error:
        return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return None


def answers(address: str) -> bool:
    """Whether the server says anything, be it that it starts up or has no connection left: it does not hang then."""
    # What libpq says itself (refused, timeout) bears no severity; the server's own words do.
    return (said := probe(address)) is None or "FATAL:" in said


def create_databases(secrets: Secrets, port: int) -> None:
    """Roles and databases, then the warehouse's schema. Does what is missing; passwords are set anew each time."""
    import psycopg2
    from psycopg2 import sql

    connection = psycopg2.connect(url("postgres", "postgres", secrets, port))
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT rolname FROM pg_roles")
            roles = {name for (name,) in cursor.fetchall()}
            for role in ("warehouse", "rewards_owner", "rewards_app", "debezium"):
                verb = "ALTER" if role in roles else "CREATE"
                may = "LOGIN REPLICATION" if role == "debezium" else "LOGIN"
                statement = sql.SQL(f"{verb} ROLE {{}} {may} PASSWORD {{}}").format(
                    sql.Identifier(role), sql.Literal(secrets.passwords[role])
                )
                cursor.execute(statement)
            cursor.execute("SELECT datname FROM pg_database")
            databases = {name for (name,) in cursor.fetchall()}
            for database, owner in OWNERS.items():
                if database not in databases:
                    cursor.execute(
                        sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(database), sql.Identifier(owner))
                    )
    finally:
        connection.close()
    _create_warehouse(url("warehouse", WAREHOUSE, secrets, port))


def _create_warehouse(address: str) -> None:
    import psycopg2

    schema = resources.files("connectors").joinpath("warehouse/schema.sql").read_text(encoding="utf-8")
    connection = psycopg2.connect(address)
    try:
        # The database's owner is no superuser; since Postgres 15 its schema `public` is the database owner's own.
        with connection, connection.cursor() as cursor:
            cursor.execute(schema)
    finally:
        connection.close()


def _data_folder(folder: StackFolder, secrets: Secrets, account: accounts.Account | None) -> Path:
    """The data folder, owned by the account that runs the server; in a shared place where the stack's own is closed."""
    data = folder.path / "postgres"
    if account is None:
        data.mkdir(mode=0o700, exist_ok=True)
        return data
    if shared_data.place(secrets.stack_id).exists() or not account.can("-x", folder.path):
        data = shared_data.claim(folder, secrets.stack_id) / "postgres"
    data.mkdir(mode=0o700, exist_ok=True)
    os.chown(data, account.uid, account.gid)
    return data


def _initialise(bin_folder: Path, data: Path, password: str, account: accounts.Account | None) -> None:
    """Make a new cluster. The password goes through a pipe: it stands in no file and no argument."""
    reading, writing = os.pipe()
    os.write(writing, password.encode())
    os.close(writing)
    if account is not None:
        os.fchown(reading, account.uid, account.gid)
    command = [
        str(bin_folder / "initdb"), "--pgdata", str(data), "--username", "postgres", "--auth", "scram-sha-256",
        "--pwfile", f"/dev/fd/{reading}", "--encoding", "UTF8", "--no-locale", "--no-instructions",
    ]  # fmt: skip
    try:
        made = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, cwd="/", pass_fds=[reading], check=False, env=inherited_environment(),
            user=account.uid if account else None, group=account.gid if account else None,
            extra_groups=[] if account else None,
            # Ctrl-C is for us: what was begun is ended in good order, and the start is said to be interrupted.
            start_new_session=True,
        )  # fmt: skip
    finally:
        os.close(reading)
    if made.returncode:
        raise StackError(f"initdb failed in {data}: {made.stderr.strip()}")
