"""Settings of the website, from the environment (`REWARDS_…`). The environment is read nowhere else."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class WebSettings(BaseSettings):
    """What the web process needs to know."""

    model_config = SettingsConfigDict(env_prefix="REWARDS_", extra="ignore")

    database_url: SecretStr
    """`sunroc_rewards`, as the application's role: postgresql://…"""
    session_secret: SecretStr = Field(min_length=32)
    """Signs the session cookie; changing it signs everybody out."""
    web_host: str = "127.0.0.1"
    web_port: int = Field(default=8000, ge=0, le=65535)
    web_https: bool = False
    """True where the site is served over https: the cookie is then sent over https only."""
    timezone: str = "America/Denver"
    """The zone in which dates and times are shown; its date is the business date."""

    session_hours: float = Field(default=12, gt=0)
    """A session ends so long after its sign in."""
    sign_in_failures: int = Field(default=5, ge=1)
    """Failed sign ins of an e-mail within `sign_in_window_minutes` after which it has to wait."""
    sign_in_window_minutes: float = Field(default=15, gt=0)
    database_connections: int = Field(default=20, ge=2)
    live_interval_ms: int = Field(default=100, ge=0)
    """The least time between two live updates of the same page; the first of a burst is sent at once."""
    live_beat_seconds: float = Field(default=5, gt=0, lt=15)
    """How often an open page is told that its connection is alive; it gives up after 15 s of silence."""
    live_minutes: float = Field(default=5, gt=0)
    """A live connection is ended after so long; the page connects again, and is authorised again."""

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        ZoneInfo(value)
        return value

    @property
    def zone(self) -> ZoneInfo:
        """The business zone."""
        return ZoneInfo(self.timezone)


class DatabaseSettings(BaseSettings):
    """What the one-shot commands need: the database alone."""

    model_config = SettingsConfigDict(env_prefix="REWARDS_", extra="ignore")

    database_url: SecretStr


class EncryptionSettings(BaseSettings):
    """What everything needs that reads or writes personal details: the web process, `rewards encryption`, the migration."""

    # An error of a setting shows what was given, and here that would be a key.
    model_config = SettingsConfigDict(env_prefix="REWARDS_", extra="ignore", hide_input_in_errors=True)

    field_keys: SecretStr
    """Comma-separated keys of `rewards encryption new-key`; the first one encrypts. `FieldCipher.from_setting` takes them."""
