"""The website's connections to `sunroc_rewards`. A request commits here, at the edge, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, cast

import orjson
from fastapi import Depends, Request
from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session, sessionmaker

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

CONNECT_TIMEOUT_SECONDS = 3
QUERY_TIMEOUT_MS = 10_000


class Database:
    """The engine with two kinds of sessions.

    `read_sessions` are read-only, and each sees one snapshot, so that a page's numbers agree. `write_sessions` may write.
    """

    def __init__(self, url: str, *, connections: int = 20) -> None:
        self.engine: Engine = create_engine(
            make_url(url).set(drivername="postgresql+psycopg2"),
            pool_size=min(5, connections),
            max_overflow=max(0, connections - 5),
            pool_timeout=5,
            pool_pre_ping=True,
            # A logged error shows the SQL without its values: one may be a password hash.
            hide_parameters=True,
            json_deserializer=orjson.loads,
            connect_args={
                "application_name": "rewards-api",
                "connect_timeout": CONNECT_TIMEOUT_SECONDS,
                "options": f"-c statement_timeout={QUERY_TIMEOUT_MS} -c timezone=UTC",
            },
        )
        self.read_sessions: sessionmaker[Session] = sessionmaker(
            self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True),
            expire_on_commit=False,
        )
        self.write_sessions: sessionmaker[Session] = sessionmaker(self.engine, expire_on_commit=False)

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


def _read_session(request: Request) -> Iterator[Session]:
    with _database(request).read_sessions.begin() as session:
        yield session


def _write_session(request: Request) -> Iterator[Session]:
    with _database(request).write_sessions.begin() as session:
        yield session


def stream_cursor(session: Session) -> Cursor:
    """Return a cursor in the session's transaction: what the stream has as a command is psycopg2's."""
    return cast("Cursor", session.connection().connection.cursor())


# The scope "function" ends the transaction before the response is sent: no answer tells of what is not committed, and a
# stream of server-sent events keeps no connection.
ReadSession = Annotated[Session, Depends(_read_session, scope="function")]
"""A read-only session on one snapshot."""
WriteSession = Annotated[Session, Depends(_write_session, scope="function")]
"""A session that is committed when the request's function returns, and rolled back when it raises."""
