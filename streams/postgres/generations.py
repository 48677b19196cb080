"""Makes and drops the state tables of a generation beside the live one, as the schema's owner.

The tables are those of the models, so that every generation has the columns of the newest version; reference tables stay in `public`.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from streams.errors import SettingsError
from streams.generation import LIVE, Generation
from streams.postgres.models import Base
from streams.postgres.models.state import STATE

APPLICATION: Final = "rewards_app"
"""The role that workers and the website log in as."""


def create_state(owner_url: str, generation: Generation) -> None:
    """Make a generation's schema with empty state tables; of no effect where it exists.

    Raises:
        SettingsError: the generation is the live one, whose tables are Alembic's.
    """
    schema = _schema_of(generation)
    tables = [Base.metadata.tables[model.__tablename__] for model in STATE]
    engine = sa.create_engine(sa.make_url(owner_url).set(drivername="postgresql+psycopg2"))
    try:
        with engine.begin() as connection:
            connection.execute(sa.schema.CreateSchema(schema, if_not_exists=True))
            placed = connection.execution_options(schema_translate_map={None: schema})
            Base.metadata.create_all(placed, tables=tables, checkfirst=True)
            connection.execute(sa.text(f"GRANT USAGE ON SCHEMA {schema} TO {APPLICATION}"))
            connection.execute(
                sa.text(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {APPLICATION}")
            )
            connection.execute(sa.text(f"REVOKE UPDATE, DELETE ON {schema}.point_entries FROM {APPLICATION}"))
    finally:
        engine.dispose()


def drop_state(owner_url: str, generation: Generation) -> None:
    """Drop a generation's schema with all that is in it; of no effect where there is none.

    Raises:
        SettingsError: the generation is the live one.
    """
    schema = _schema_of(generation)
    engine = sa.create_engine(sa.make_url(owner_url).set(drivername="postgresql+psycopg2"))
    try:
        with engine.begin() as connection:
            connection.execute(sa.schema.DropSchema(schema, cascade=True, if_exists=True))
    finally:
        engine.dispose()


def _schema_of(generation: Generation) -> str:
    if generation.schema == LIVE.schema:
        raise SettingsError("the live generation's tables are made by `rewards database upgrade`, and never dropped")
    return generation.schema
