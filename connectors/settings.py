"""Settings of the connectors and of the embedded stack, from the environment (`REWARDS_…`); it is read nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT = Path(__file__).resolve().parent.parent


class ConnectorSettings(BaseSettings):
    """Whom `rewards connectors` talks to."""

    model_config = SettingsConfigDict(env_prefix="REWARDS_", extra="ignore")

    connect_url: str
    """Kafka Connect's REST address."""
    kafka_bootstrap: str
    """host:port[,host:port…]; asked for the partition count of the captured topics."""
    warehouse_url: SecretStr
    """The warehouse as the role that owns the captured table."""
    database_url: SecretStr
    """`sunroc_rewards`, as the application's role."""
    owner_database_url: SecretStr | None = None
    """`sunroc_rewards`, as the role that owns the tables and the publication; needed to mend them."""
    capture_warehouse_user: str = "debezium"
    """The role that Connect logs in to the warehouse as; its rights are checked."""
    capture_warehouse_password: SecretStr | None = None
    """Its password: only a role with REPLICATION may drop a replication slot."""
    capture_memberships_user: str = "debezium"
    capture_memberships_password: SecretStr | None = None


class LocalSettings(BaseSettings):
    """Where the embedded stack finds its programs. Nothing here has to be set."""

    model_config = SettingsConfigDict(env_prefix="REWARDS_", extra="ignore")

    postgres_bin: Path | None = None
    """Folder with `postgres` and `initdb`; unset: the system's where 15 or later, else those of the Python package."""
    java_home: Path | None = None
    """A Java 17 or later; unset: the system's where there is one, else that of the Python package."""
    cache_dir: Path | None = None
    """Jars, shared by every checkout of a user; unset: `rewards` in the user's cache folder (XDG_CACHE_HOME)."""
    timezone: str = "America/Denver"
    """The zone whose date is the business date; passed on to every process."""

    @property
    def cache(self) -> Path:
        """The cache folder, whether it exists or not."""
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return self.cache_dir or base / "rewards"


def inherited_environment() -> dict[str, str]:
    """The environment that child processes start from: ours, without settings that belong to another stack or server."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("REWARDS_", "PG"))}


def forget_postgres_variables() -> None:
    """Take `PGSSLMODE`, `PGOPTIONS` and the like out of this process: libpq would apply them to every connection.

    They are the user's for servers of his own. What our connections need stands in their addresses.
    """
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]
