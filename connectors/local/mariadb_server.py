"""A MariaDB that runs, as whoever talks to it sees it: its address, a connection, a script that is loaded.

It stands before the data's way, as mariadb.py does, which starts and ends it. Nothing here starts or ends anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil

from connectors.errors import StackError
from connectors.local.folder import HOST

if TYPE_CHECKING:
    from pymysql.connections import Connection
    from pymysql.cursors import Cursor

USER: Final = "legacy"


@dataclass(frozen=True, slots=True)
class Server:
    """A MariaDB that runs."""

    pid: int
    port: int
    name: str
    """Which MariaDB it is: `system-10.11.19`, `embedded-11.4.5`."""
    password: str = field(repr=False)

    @property
    def url(self) -> str:
        """Its address for a user who may do everything, password included: for settings and environments, not for logs."""
        return f"mysql://{USER}:{self.password}@{HOST}:{self.port}/"

    @property
    def alive(self) -> bool:
        """Whether its process still runs."""
        try:
            return psutil.Process(self.pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def connect(self, database: str | None = None, *, client_flag: int = 0) -> Connection[Cursor]:
        """Connect as the user who may do everything; text is utf8mb4, and each statement commits itself."""
        import pymysql

        return pymysql.connect(
            host=HOST, port=self.port, user=USER, password=self.password, database=database, charset="utf8mb4",
            autocommit=True, client_flag=client_flag,
        )  # fmt: skip

    def load(self, script: Path) -> int:
        """Run an SQL script, such as a dump; returns how many of its statements were run.

        It is sent as it stands, in one packet of at most 1 GB, and the server takes it apart: quotes, comments and encodings
        mean what they mean there. Commands of a client's own (`DELIMITER`, `source`) mean nothing.

        Raises:
            StackError: the server refused a statement; what came before it stays done.

        """
        import pymysql
        from pymysql.constants import CLIENT

        done = 0
        with self.connect(client_flag=CLIENT.MULTI_STATEMENTS) as connection, connection.cursor() as cursor:
            try:
                # As bytes: a dump may hold another encoding than Python would make of it.
                cursor.execute(script.read_bytes())  # type: ignore[call-overload]
                done = 1
                while cursor.nextset():
                    done += 1
            except pymysql.Error as error:
                raise StackError(f"{script.name}: MariaDB refused statement {done + 1}: {words(error)}") from error
        return done


def words(error: Exception) -> str:
    """What the server said, without the number that PyMySQL puts in front."""
    return str(error.args[-1]) if error.args else type(error).__name__
