"""A connection to `sunroc_rewards` for the stream, and which of its errors are the world's fault."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import orjson
import psycopg2
import psycopg2.extras
from psycopg2.extensions import connection as Connection  # noqa: N812

from streams.errors import InvariantError, TransientError


def connect(url: str, *, name: str) -> Connection:
    """Open a connection on which json comes back parsed by orjson. `name` shows in pg_stat_activity.

    Raises:
        TransientError: nobody answers.
    """
    with faults():
        connection: Connection = psycopg2.connect(url, application_name=name, connect_timeout=10)
        psycopg2.extras.register_default_jsonb(conn_or_curs=connection, loads=orjson.loads)
        return connection


@contextmanager
def faults() -> Iterator[None]:
    """Tell the world's faults (away, restarting, a deadlock, a full disk: tried again) from ours."""
    try:
        yield
    except (psycopg2.OperationalError, psycopg2.InterfaceError, psycopg2.InternalError) as error:
        raise TransientError(f"Postgres: {error}".strip()) from error
    except psycopg2.Error as error:
        raise InvariantError(f"Postgres refused what we wrote: {error}".strip()) from error
