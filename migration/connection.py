"""Connections to `sunroc_rewards` for the migration's commands."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from migration.errors import MigrationError

VERSIONS: Final = Path(__file__).with_name("versions")


def connect(url: str, name: str) -> Connection:
    """Connect to a database whose schema is at the newest version. The text of an error never holds its password.

    Raises:
        MigrationError: the address is wrong, nobody answers, or the schema is another one.
    """
    try:
        connection: Connection = psycopg2.connect(
            url, application_name=name, connect_timeout=10, keepalives_idle=30, keepalives_interval=10, keepalives_count=6,
            tcp_user_timeout=90_000,
        )  # fmt: skip
    except psycopg2.OperationalError as error:
        raise MigrationError(
            f"sunroc_rewards does not answer: {str(error).strip()}. Start it with `rewards up`"
        ) from error
    except psycopg2.Error:
        # What libpq says of an address quotes it, password and all.
        raise MigrationError(
            "REWARDS_OWNER_DATABASE_URL is no address of a database: write postgresql://user:password@server:5432/sunroc_rewards"
        ) from None
    try:
        with connection.cursor() as cursor:
            _require_schema(cursor)
        connection.commit()
    except BaseException:
        connection.close()
        raise
    return connection


def division_ids(connection: Connection) -> dict[str, int]:
    """Code -> id of the divisions that stand there."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT code, id FROM divisions")
        return {code: int(number) for code, number in cursor.fetchall()}


def newest_version() -> str:
    """The schema's newest version, by the names of its files: Alembic itself would take as much memory as all of a run."""
    return max(file.name[:4] for file in VERSIONS.glob("[0-9]*.py"))


def _require_schema(cursor: Cursor) -> None:
    cursor.execute("SELECT to_regclass('alembic_version') IS NOT NULL")
    version = None
    if cursor.fetchone() == (True,):
        cursor.execute("SELECT version_num FROM alembic_version")
        (version,) = cursor.fetchone() or (None,)
    if version != newest_version():
        raise MigrationError(
            f"the schema of sunroc_rewards is at version {version or 'none'}, and {newest_version()} is needed:"
            " `rewards database upgrade`"
        )
