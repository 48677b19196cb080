"""The legacy server: a connection that only reads, and one consistent snapshot. What there is to read says catalog.py."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

import pymysql
from pymysql.cursors import SSCursor

from migration.errors import MigrationError
from migration.map import SORT_ORDERS, TABLES
from migration.settings import LegacySettings

Connection: TypeAlias = "pymysql.Connection[Any]"

SCHEMES: Final = ("mysql", "mariadb")
EXAMPLE: Final = "mysql://user:password@server:3306/rewards_program"
SECONDS_WITHOUT_READING: Final = 3_600
"""While Postgres works, nobody reads from the legacy server: it must not take that for a dead client."""
SESSION: Final[Mapping[str, str]] = {
    "autocommit": "1",
    "sql_mode": "''",
    # No fewer rows than there are, and no query that is ended or refused for being long.
    "sql_select_limit": str(2**64 - 1),
    "sql_big_selects": "1",
    "max_statement_time": "0",
    "max_execution_time": "0",
    # A condition that a number IS NULL is that and no more.
    "sql_auto_is_null": "0",
    "net_read_timeout": str(SECONDS_WITHOUT_READING),
    "net_write_timeout": str(SECONDS_WITHOUT_READING),
    "wait_timeout": str(SECONDS_WITHOUT_READING),
    "idle_transaction_timeout": "0",
    "idle_readonly_transaction_timeout": "0",
    "group_concat_max_len": str(2**30),
    # Warnings that the server keeps: the one that matters may come after many that do not.
    "max_error_count": "65535",
    # Text comes as the bytes that are stored.
    "character_set_results": "NULL",
}
"""What a query's answer depends on, whatever the server's own settings are; a server leaves out what it does not know."""
UNKNOWN_VARIABLE: Final = 1193
JOINED: Final[Mapping[str, str]] = {table.old: table.joined for table in TABLES if table.joined}
"""Legacy table -> the one that is read beside it."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the legacy database is, and as whom to read it."""

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)
    authority: str | None = None
    """File with the certificate authority that must vouch for the server; without one, encryption is used where it is offered."""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}/{self.database}"


def parse(address: str) -> Address:
    """Check the address of the legacy database. The text of an error never holds its password."""
    try:
        parts = urlsplit(address)
        port = parts.port or 3306
    except ValueError as error:
        raise MigrationError(f"--from is no address: write {EXAMPLE}") from error
    database = unquote(parts.path.strip("/"))
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    authority = options.pop("ssl-ca", None)
    # A password with characters that mean something in an address ends up in the wrong part of it.
    in_path = "@" in parts.path or "/" in parts.path.strip("/")
    strayed = in_path or options or parts.fragment or (parts.query and not authority)
    if parts.scheme not in SCHEMES or not parts.hostname or not database or strayed:
        raise MigrationError(
            f"--from needs a server and a database: write {EXAMPLE}, with %2F for / and the like in a password;"
            " behind it, ?ssl-ca=FILE alone is known"
        )
    if authority is not None and not Path(authority).is_file():
        raise MigrationError(
            f"--from: there is no file {authority}. ssl-ca names the certificate of the authority that vouches for the legacy server:"
            " copy it from there (SHOW VARIABLES LIKE 'ssl_ca' names it)"
        )
    return Address(
        parts.hostname, port, database, unquote(parts.username or ""), unquote(parts.password or ""), authority
    )


class StreamingCursor(SSCursor):
    """Rows as they come. An answer that is not read to its end ends the connection: the rest may be millions of rows."""

    def close(self) -> None:
        """Let go of the answer, also where the connection was lost."""
        connection: Connection | None = self.connection
        result = self._result  # type: ignore[attr-defined]
        unread = result is not None and result.unbuffered_active
        if connection is None or not (unread or not connection.open):
            super().close()
            return
        if connection.open:
            connection.close()
        if result is not None:
            # Else it reads on when it is forgotten.
            result.unbuffered_active = False
        self.connection = None  # type: ignore[assignment]

    __del__ = close


@contextmanager
def connected(address: str) -> Iterator[Connection]:
    """Connect, read-only in practice: values come as bytes, dates may be zero, and rows are streamed.

    Raises:
        MigrationError: the address is wrong, or nobody answers there.
    """
    place = parse(address)
    limits = LegacySettings.model_validate({})
    connection = _connect(place, limits)
    try:
        _prepare(connection)
        yield connection
    except pymysql.Error as error:
        raise MigrationError(
            f"the legacy database at {place} ended the work: {words(error, limits.legacy_read_seconds)}. Nothing of this run stays:"
            " start it again once the server answers"
        ) from error
    finally:
        if connection.open:
            connection.close()


def _connect(place: Address, limits: LegacySettings) -> Connection:
    seconds = limits.legacy_connect_seconds
    # Without an authority, what the server offers is taken as it is.
    tls: dict[str, Any] = (
        {"ssl_ca": place.authority, "ssl_verify_cert": True, "ssl_verify_identity": True} if place.authority else {}
    )
    try:
        connection: Connection = pymysql.connect(
            host=place.host, port=place.port, user=place.user, password=place.password.encode(), database=place.database,
            charset="utf8mb4", conv={}, use_unicode=False, cursorclass=StreamingCursor, autocommit=None,
            read_timeout=seconds, write_timeout=seconds, defer_connect=True, **tls,
        )  # fmt: skip
        connection.connect(_socket(place, seconds))
    except (pymysql.Error, OSError) as error:
        raise MigrationError(f"the legacy database does not answer at {place}: {words(error, seconds)}") from error
    except AttributeError as error:
        # What PyMySQL does about a password that was set before MySQL 4.1.
        raise MigrationError(
            f"the legacy database at {place} keeps this user's password in the form of before MySQL 4.1, which cannot be used:"
            " set it anew there, with SET old_passwords = 0"
        ) from error
    # The handshake is over in a moment or never, and a query may take its time; PyMySQL has one limit for both.
    connection._read_timeout = limits.legacy_read_seconds  # type: ignore[attr-defined]  # noqa: SLF001
    return connection


def _socket(place: Address, seconds: float) -> socket.socket:
    """A connection whose other end is asked for a sign of life, so that a dead network is noticed within a minute or two."""
    sock = socket.create_connection((place.host, place.port), seconds)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 6)):
        # Not every system has them under these names.
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return sock


def _prepare(connection: Connection) -> None:
    """Make the session independent of the server's settings."""
    with connection.cursor() as cursor:
        for name, value in SESSION.items():
            try:
                cursor.execute(f"SET SESSION {name} = {value}")
            except pymysql.Error as error:
                if error.args[0] != UNKNOWN_VARIABLE:
                    raise


def begin_snapshot(connection: Connection) -> None:
    """From here on every query sees the database as it is at this moment, whoever writes meanwhile (InnoDB only)."""
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")


def asked(connection: Connection, statement: str) -> list[tuple[Any, ...]]:
    """The answer to a question about the server: text, and None for NULL."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return [tuple(None if value is None else value.decode() for value in row) for row in cursor.fetchall()]


def raw_value(table: str, column: str) -> str:
    """SQL for a column's value, whatever its type; `column` as `placed` takes it.

    It is the column itself: what a server computes, a CAST as well, becomes NULL where it is larger than max_allowed_packet.
    """
    sql = placed(table, column)
    return f"{sql} * 1e0" if f"{table}.{column}" in SORT_ORDERS else sql


def placed(table: str, column: str) -> str:
    """A column of a table for SQL, or `joined.column` of the one that is joined to it. Any name may have dots in it."""
    joined = JOINED.get(table)
    if joined and column.startswith(f"{joined}."):
        return f"{quoted(joined)}.{quoted(column.removeprefix(f'{joined}.'))}"
    return f"{quoted(table)}.{quoted(column)}"


def quoted(name: str) -> str:
    """One name for SQL, of a table or of a column."""
    return f"`{name.replace('`', '``')}`"


def words(error: Exception, seconds: float | None = None) -> str:
    """What the server said, without the number that PyMySQL puts in front; `seconds` is the limit that held."""
    said = str(error.args[1]) if len(error.args) > 1 else str(error)
    return said if seconds is None or "timed out" not in said else f"it said nothing for {seconds:g} s ({said})"
