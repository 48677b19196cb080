"""The settings of the website. They come from the environment (`REWARDS_…`), which is read nowhere else."""

from __future__ import annotations

import datetime as dt
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from streams.settings import Zone


class WebSettings(BaseSettings):
    """The settings of the web process."""

    model_config = SettingsConfigDict(env_prefix="REWARDS_", extra="ignore")

    database_url: SecretStr
    """`sunroc_rewards`, as the application's role: postgresql://…"""
    session_secret: SecretStr = Field(min_length=32)
    """Signs the session cookie; changing it signs everybody out."""
    web_host: str = "127.0.0.1"
    web_port: int = Field(default=8000, ge=0, le=65535)
    web_https: bool = False
    """Set it where the site is served over https: browsers then send the cookie over https only."""
    timezone: Zone = "America/Denver"
    """Dates and times are shown in this zone; its date is the business date."""

    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    """Addresses and networks, with commas between them, whose word is taken for whom they forward (`X-Forwarded-For`); or `none`."""
    session_hours: float = Field(default=12, gt=0)
    """A session ends so long after its sign-in."""
    session_idle_hours: float = Field(default=2, gt=0)
    """It ends so long after its last request by a person; a page that is left open keeps it no longer."""
    sessions_per_account: int = Field(default=20, ge=1)
    """A further sign-in ends the oldest of them."""
    sign_in_failures: int = Field(default=5, ge=1)
    """After so many failed sign-ins an account has to wait at the address that they came from."""
    sign_in_account_failures: int = Field(default=20, ge=1)
    """After so many an account has to wait at all addresses that it has not signed in from before."""
    sign_in_address_failures: int = Field(default=50, ge=1)
    """After so many an address has to wait, whatever the account."""
    sign_in_wait_seconds: float = Field(default=15, gt=0)
    """The first wait; each further failure doubles it, up to the window."""
    sign_in_window_minutes: float = Field(default=60, gt=0)
    """Failures are forgotten evenly over so long."""
    known_address_days: float = Field(default=180, gt=0)
    """So long after its last sign-in from an address, an account is not known there any more."""
    password_workers: int = Field(default=2, ge=1)
    """So many passwords are checked at once; each takes 64 MiB."""
    password_waiting: int = Field(default=20, ge=0)
    """So many sign-ins wait for that; further ones are refused (503)."""
    clear_minutes: float = Field(default=5, gt=0)
    """What is over (sessions, failed sign-ins) is deleted so often."""

    body_bytes: int = Field(default=256 * 1024, ge=64 * 1024)
    """The most bytes of a request's body."""
    header_seconds: float = Field(default=10, gt=0)
    """A request's headers must have come so long after they could: since the connection was opened, or the answer before."""
    body_seconds: float = Field(default=20, gt=0)
    """Its body must have come so long after its headers."""
    connections: int = Field(default=2_000, ge=10)
    """The most connections at once."""
    connections_per_address: int = Field(default=1_000, ge=10)
    """The most connections of one address that is no trusted proxy."""
    database_connections: int = Field(default=20, ge=2)
    live_interval_ms: int = Field(default=100, ge=0)
    """Two live updates of the same page are at least so far apart; the first of a burst is sent at once."""
    live_beat_seconds: float = Field(default=5, gt=0, lt=15)
    """After so long without an update an open page is sent a sign of life; it gives up after 15 s of silence."""
    live_minutes: float = Field(default=5, gt=0)
    """A live connection ends after so long at most; the page connects again."""
    live_authorize_seconds: float = Field(default=10, gt=0)
    """Whoever has an open page is authorised again at each update, and so often where there is none."""
    live_streams: int = Field(default=1_000, ge=1)
    """So many live connections at once; further pages ask every few seconds instead."""
    live_first_reads: int = Field(default=2, ge=1)
    """Of pages that are opened at once, so many are read for at a time."""
    live_behind_seconds: float = Field(default=8, gt=5)
    """Points that are older are shown as such. The sources tell every 5 s that nothing came, so less would be wrong."""

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _with_commas(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return () if value.strip() in {"", "none"} else tuple(one.strip() for one in value.split(","))

    @property
    def session_life(self) -> dt.timedelta:
        """The longest time of a session."""
        return dt.timedelta(hours=self.session_hours)

    @property
    def session_idle(self) -> dt.timedelta:
        """The longest time that a session goes on without a request."""
        return dt.timedelta(hours=self.session_idle_hours)

    @property
    def zone(self) -> ZoneInfo:
        """The business zone."""
        return ZoneInfo(self.timezone)


class DatabaseSettings(BaseSettings):
    """The settings of the one-shot commands: only the database."""

    model_config = SettingsConfigDict(env_prefix="REWARDS_", extra="ignore")

    database_url: SecretStr


class EncryptionSettings(BaseSettings):
    """The settings of whatever reads or writes personal details: the web process, `rewards encryption`, the migration."""

    # A validation error shows the value that was given, which here would be a key.
    model_config = SettingsConfigDict(env_prefix="REWARDS_", extra="ignore", hide_input_in_errors=True)

    field_keys: SecretStr
    """Comma-separated keys of `rewards encryption new-key`; the first one encrypts. `FieldCipher.from_setting` takes them."""
