"""Settings of the schema's owner and of the migration; the application's own role cannot change the schema."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from streams.settings import Zone


class OwnerSettings(BaseSettings):
    """Who owns the schema."""

    model_config = SettingsConfigDict(env_prefix="REWARDS_", extra="ignore")

    owner_database_url: SecretStr
    """`sunroc_rewards` as the role that owns its tables."""


class TargetSettings(BaseSettings):
    """The same, for a plan: there need be no new database yet."""

    model_config = SettingsConfigDict(env_prefix="REWARDS_", extra="ignore")

    owner_database_url: SecretStr | None = None


class LegacySettings(BaseSettings):
    """How long the migration waits for the legacy server."""

    model_config = SettingsConfigDict(env_prefix="REWARDS_", extra="ignore")

    legacy_connect_seconds: float = Field(default=10, gt=0)
    """For the connection, and for each answer of the handshake."""
    legacy_read_seconds: float = Field(default=600, gt=0)
    """For the next bytes of an answer: a server that sorts a large table says nothing for a while."""


class ZoneSettings(BaseSettings):
    """Where the business is."""

    model_config = SettingsConfigDict(env_prefix="REWARDS_", extra="ignore")

    timezone: Zone = "America/Denver"
    """The zone whose date is the business date."""
