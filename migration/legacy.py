"""The legacy server: a connection that only reads, one consistent snapshot, and what tables and columns there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from urllib.parse import unquote, urlsplit

import pymysql
from pymysql.cursors import SSCursor

from migration.errors import MigrationError
from migration.map import SORT_ORDERS
from migration.rules.characters import ENCODINGS

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


@dataclass(frozen=True, slots=True)
class LegacyColumn:
    """A column as information_schema tells of it."""

    name: str
    data_type: str
    column_type: str
    nullable: bool
    charset: str | None
    scale: int | None


@dataclass(frozen=True, slots=True)
class LegacyTable:
    """A table with its columns, in their order."""

    name: str
    engine: str
    columns: Mapping[str, LegacyColumn]


@dataclass(frozen=True, slots=True)
class Catalog:
    """What the legacy database holds."""

    source: str
    """Server and schema, without user and password."""
    server: str
    """Version, as the server says it."""
    tables: Mapping[str, LegacyTable]

    @property
    def encodings(self) -> dict[tuple[str, str], str]:
        """Table and column -> character encoding, of columns that hold text in a character set that is known here."""
        return {
            (table.name, column.name): ENCODINGS[column.charset]
            for table in self.tables.values()
            for column in table.columns.values()
            if column.charset is not None and column.charset in ENCODINGS
        }


@dataclass(frozen=True, slots=True)
class Address:
    """Where the legacy database is, and as whom to read it."""

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)

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
    # A password with characters that mean something in an address ends up in the wrong part of it.
    strayed = parts.query or parts.fragment or "@" in parts.path or "/" in parts.path.strip("/")
    if parts.scheme not in SCHEMES or not parts.hostname or not database or strayed:
        raise MigrationError(
            f"--from needs a server and a database: write {EXAMPLE}, with %2F for / and the like in a password"
        )
    return Address(parts.hostname, port, database, unquote(parts.username or ""), unquote(parts.password or ""))


@contextmanager
def connected(address: str) -> Iterator[Connection]:
    """Connect, read-only in practice: values come as bytes, dates may be zero, and rows are streamed.

    Raises:
        MigrationError: the address is wrong, or nobody answers there.
    """
    place = parse(address)
    try:
        connection: Connection = pymysql.connect(
            host=place.host, port=place.port, user=place.user, password=place.password.encode(), database=place.database,
            charset="utf8mb4", conv={}, use_unicode=False, cursorclass=SSCursor, connect_timeout=10, autocommit=None,
        )  # fmt: skip
    except pymysql.Error as error:
        raise MigrationError(f"the legacy database does not answer at {place}: {_words(error)}") from error
    except AttributeError as error:
        # What PyMySQL does about a password that was set before MySQL 4.1.
        raise MigrationError(
            f"the legacy database at {place} keeps this user's password in the form of before MySQL 4.1, which cannot be used:"
            " set it anew there, with SET old_passwords = 0"
        ) from error
    try:
        _prepare(connection)
        yield connection
    except pymysql.Error as error:
        raise MigrationError(f"the legacy database at {place} ended the work: {_words(error)}") from error
    finally:
        connection.close()


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


def catalog(connection: Connection, address: str) -> Catalog:
    """Read what tables and columns there are."""
    place = parse(address)
    tables: dict[str, tuple[str, dict[str, LegacyColumn]]] = {}
    ((version,),) = _told(connection, "SELECT VERSION()")
    for name, engine in _told(
        connection,
        "SELECT table_name, engine FROM information_schema.tables"
        " WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'",
    ):
        tables[name] = (engine or "", {})
    for table, name, data_type, column_type, nullable, charset, scale in _told(
        connection,
        "SELECT table_name, column_name, data_type, column_type, is_nullable, character_set_name, numeric_scale"
        " FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position",
    ):
        if table in tables:
            tables[table][1][name] = LegacyColumn(
                name, data_type.lower(), column_type, nullable == "YES", charset, None if scale is None else int(scale)
            )
    return Catalog(
        str(place),
        version,
        {name: LegacyTable(name, engine, columns) for name, (engine, columns) in tables.items()},
    )


def _told(connection: Connection, statement: str) -> list[tuple[Any, ...]]:
    """The answer to a question about the server: text, and None for NULL."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return [tuple(None if value is None else value.decode() for value in row) for row in cursor.fetchall()]


def raw_value(table: str, column: str) -> str:
    """SQL for a column's value, whatever its type. `column` may name another table: `table.column`.

    It is the column itself: what a server computes, a CAST as well, becomes NULL where it is larger than max_allowed_packet.
    """
    full = column if "." in column else f"{table}.{column}"
    return f"{quoted(full)} * 1e0" if full in SORT_ORDERS else quoted(full)


def quoted(name: str) -> str:
    """A name for SQL; `table.column` is quoted part by part."""
    return ".".join(f"`{part.replace('`', '``')}`" for part in name.split("."))


def _words(error: pymysql.Error) -> str:
    """What the server said, without the number that PyMySQL puts in front."""
    return str(error.args[1]) if len(error.args) > 1 else str(error)
