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
from migration.rules import ENCODINGS

Connection: TypeAlias = "pymysql.Connection[Any]"

SCHEMES: Final = ("mysql", "mariadb")
EXAMPLE: Final = "mysql://user:password@server:3306/rewards_program"
SECONDS_WITHOUT_READING: Final = 3_600
"""While Postgres works, nobody reads from the legacy server: it must not take that for a dead client."""


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
            charset="utf8mb4", conv={}, cursorclass=SSCursor, connect_timeout=10, autocommit=True,
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
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION sql_mode = ''")
            cursor.execute(
                f"SET SESSION net_write_timeout = {SECONDS_WITHOUT_READING}, net_read_timeout = {SECONDS_WITHOUT_READING}"
            )
        yield connection
    except pymysql.Error as error:
        raise MigrationError(f"the legacy database at {place} ended the work: {_words(error)}") from error
    finally:
        connection.close()


def begin_snapshot(connection: Connection) -> None:
    """From here on every query sees the database as it is at this moment, whoever writes meanwhile (InnoDB only)."""
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")


def catalog(connection: Connection, address: str) -> Catalog:
    """Read what tables and columns there are."""
    place = parse(address)
    tables: dict[str, tuple[str, dict[str, LegacyColumn]]] = {}
    with connection.cursor() as cursor:
        cursor.execute("SELECT VERSION()")
        (version,) = cursor.fetchone() or ("",)
        cursor.fetchall()
        cursor.execute(
            "SELECT table_name, engine FROM information_schema.tables"
            " WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'"
        )
        for name, engine in cursor.fetchall():
            tables[name] = (engine or "", {})
        cursor.execute(
            "SELECT table_name, column_name, data_type, column_type, is_nullable, character_set_name, numeric_scale"
            " FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position"
        )
        for table, name, data_type, column_type, nullable, charset, scale in cursor.fetchall():
            if table in tables:
                tables[table][1][name] = LegacyColumn(
                    name,
                    data_type.lower(),
                    column_type,
                    nullable == "YES",
                    charset,
                    None if scale is None else int(scale),
                )
    return Catalog(
        str(place), version, {name: LegacyTable(name, engine, columns) for name, (engine, columns) in tables.items()}
    )


def raw_value(table: str, column: str) -> str:
    """SQL for a column's bytes, whatever its type. `column` may name another table: `table.column`."""
    full = column if "." in column else f"{table}.{column}"
    value = f"{quoted(full)} * 1e0" if full in SORT_ORDERS else quoted(full)
    return f"CAST({value} AS BINARY)"


def quoted(name: str) -> str:
    """A name for SQL; `table.column` is quoted part by part."""
    return ".".join(f"`{part.replace('`', '``')}`" for part in name.split("."))


def _words(error: pymysql.Error) -> str:
    """What the server said, without the number that PyMySQL puts in front."""
    return str(error.args[1]) if len(error.args) > 1 else str(error)
