"""Finds the tables and columns that this version of the program reads or writes and the database lacks."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session

# The import also puts the website's tables on the metadata.
from api.core.models import REWARD_GROUP_BALANCES
from streams.postgres.models import Base

_COLUMNS = text(
    "SELECT c.relname, a.attname FROM pg_catalog.pg_attribute AS a"
    " JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
    " WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'v', 'm') AND a.attnum > 0 AND NOT a.attisdropped"
)


def missing_from_schema(session: Session) -> list[str]:
    """Return what is missing, as `table` or `table.column`, sorted."""
    present: dict[str, set[str]] = {}
    for relation, column in session.execute(_COLUMNS):
        present.setdefault(relation, set()).add(column)
    needed = {table.name: {column.name for column in table.columns} for table in Base.metadata.tables.values()}
    needed[REWARD_GROUP_BALANCES.name] = {column.name for column in REWARD_GROUP_BALANCES.columns}
    missing = [name for name in needed if name not in present]
    missing += [
        f"{name}.{column}" for name, columns in needed.items() if name in present for column in columns - present[name]
    ]
    return sorted(missing)
