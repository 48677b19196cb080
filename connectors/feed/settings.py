"""Where the feed writes, from `REWARDS_…` variables, which the command line fills from the stack it talks to."""

from __future__ import annotations

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from connectors.errors import ConnectorsError
from connectors.settings import Zone


class FeedError(ConnectorsError):
    """The feed cannot do what it was asked; the text says what would help."""


class FeedSettings(BaseSettings):
    """The warehouse that changes, and the database whose sample customers take part."""

    model_config = SettingsConfigDict(env_prefix="REWARDS_", extra="ignore")

    warehouse_url: SecretStr
    """The warehouse, as the role that owns its table: postgresql://…"""
    database_url: SecretStr | None = None
    """`sunroc_rewards`, as the application's role; only enrolment and the business date need it."""
    timezone: Zone = "America/Denver"
    """The zone whose date is the business date."""
