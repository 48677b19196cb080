"""Settings of the schema's owner; the application's own role cannot change the schema."""

from __future__ import annotations

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class OwnerSettings(BaseSettings):
    """Who owns the schema."""

    model_config = SettingsConfigDict(env_prefix="REWARDS_", extra="ignore")

    owner_database_url: SecretStr
    """`sunroc_rewards` as the role that owns its tables."""
