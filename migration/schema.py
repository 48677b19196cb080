"""Brings the schema of `sunroc_rewards` to the newest version, as its owner. One metadata for all packages' tables."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from api.core import models as api_models
from migration import models as migration_models
from streams.postgres.models import Base

METADATA: Final = Base.metadata
PACKAGES: Final = (api_models, migration_models)
"""Imported for their tables."""

_LOCK: Final = 5_271_002
"""Advisory lock's number: two upgrades at once would trip over each other."""


def configuration() -> Config:
    """Return Alembic's configuration; the connection is handed over in its attributes."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config


def head() -> str | None:
    """Return the newest version."""
    return ScriptDirectory.from_config(configuration()).get_current_head()


def upgrade(owner_url: str) -> tuple[str | None, str | None]:
    """Upgrade to the newest version in one transaction; return the version before and after."""
    engine = sa.create_engine(sa.make_url(owner_url).set(drivername="postgresql+psycopg2"))
    try:
        with engine.begin() as connection:
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            before = MigrationContext.configure(connection).get_current_revision()
            config = configuration()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            return before, MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()
