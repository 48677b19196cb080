"""The website's connections to `sunroc_rewards`, and where a request commits: once, here, at the edge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session, sessionmaker

CONNECT_TIMEOUT_SECONDS = 3
STATEMENT_TIMEOUT_MS = 10_000


class Database:
    """The engine with two ways in: to look (one snapshot a page, so that its numbers agree) and to write."""

    def __init__(self, url: str, *, connections: int = 20) -> None:
        self.engine: Engine = create_engine(
            make_url(url).set(drivername="postgresql+psycopg2"),
            pool_size=min(5, connections),
            max_overflow=max(0, connections - 5),
            pool_timeout=5,
            pool_pre_ping=True,
            # An error that is logged shows the statement, never the values: one may be a password hash.
            hide_parameters=True,
            connect_args={
                "application_name": "rewards-api",
                "connect_timeout": CONNECT_TIMEOUT_SECONDS,
                "options": f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c timezone=UTC",
            },
        )
        self.looking: sessionmaker[Session] = sessionmaker(
            self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True),
            expire_on_commit=False,
        )
        self.writing: sessionmaker[Session] = sessionmaker(self.engine, expire_on_commit=False)

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


def _looking(request: Request) -> Iterator[Session]:
    with _database(request).looking.begin() as session:
        yield session


def _writing(request: Request) -> Iterator[Session]:
    with _database(request).writing.begin() as session:
        yield session


# The scope "function" ends the transaction before the response is sent: no answer tells of what is not committed, and a
# stream of server-sent events keeps no connection.
Looking = Annotated[Session, Depends(_looking, scope="function")]
"""A read-only session on one snapshot."""
Writing = Annotated[Session, Depends(_writing, scope="function")]
"""A session that is committed when the request's function returns, and rolled back when it raises."""
