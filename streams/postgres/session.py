"""A connection to `sunroc_rewards` for the stream, and which of its errors are the world's fault."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import orjson
import psycopg2
import psycopg2.extras
from psycopg2.extensions import connection as Connection  # noqa: N812

from streams.errors import InvariantError, RefusedError, TransientError, TransientKind
from streams.generation import LIVE, Generation

_LIVENESS: Final[dict[str, Any]] = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""A peer that is gone without a word is found in half a minute, not in hours."""
_REFUSED: Final = ("22", "23", "54")
"""SQLSTATE classes of what a record's content came to: data that does not fit, a constraint, a limit of the program. Asked again, Postgres
says the same, though psycopg2 has some of them (54) among the errors of the world."""


_AWAY: Final = ("08", "53", "57P")
"""SQLSTATEs of a server that is not there for us: the connection, room (disk, memory, connections), a shutdown."""
_CONTENDED: Final = ("40", "55", "25P03", "57014")
"""Rolled back for others, a lock that others hold, a time-out that ended it."""


def connect(url: str, *, name: str, generation: Generation = LIVE) -> Connection:
    """Open a connection on which json comes back parsed by orjson; state tables are those of the generation.

    Args:
        url: postgresql://…
        name: what pg_stat_activity shows.
        generation: whose schema comes first in the search path.

    Raises:
        TransientError: nobody answers.
    """
    with faults():
        connection: Connection = psycopg2.connect(url, application_name=name, client_encoding="utf8", **_LIVENESS)
        if generation != LIVE:
            with connection, connection.cursor() as cursor:
                cursor.execute(f"SET search_path = {generation.search_path}")
        psycopg2.extras.register_default_jsonb(conn_or_curs=connection, loads=orjson.loads)
        return connection


@contextmanager
def faults() -> Iterator[None]:
    """Tell the world's faults (away, restarting, a deadlock, a full disk: tried again) from ours."""
    try:
        yield
    except psycopg2.Error as error:
        if (error.pgcode or "").startswith(_REFUSED):
            raise RefusedError(f"Postgres refused what we wrote: {error}".strip()) from error
        if isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError | psycopg2.InternalError):
            raise TransientError(f"Postgres: {error}".strip(), kind=kind_of(error.pgcode)) from error
        raise InvariantError(f"Postgres refused what we wrote: {error}".strip()) from error


def kind_of(sqlstate: str | None) -> TransientKind:
    """Return the kind of a fault that Postgres gives; without a SQLSTATE nobody answered."""
    if sqlstate is None or sqlstate.startswith(_AWAY):
        return TransientKind.AWAY
    return TransientKind.CONTENDED if sqlstate.startswith(_CONTENDED) else TransientKind.UNEXPLAINED
