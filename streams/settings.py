"""Settings of the processor, from the environment (`REWARDS_…`). The environment is read nowhere else.

`rewards up` passes these to the processes that it starts; the command line fills what is unset from the stack that `--data` names.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from streams.kafka_access import KafkaAccess
from streams.options import LogFormat, LogLevel
from streams.source.bad_records import BadRecordLimits
from streams.state.epochs import ReloadLimits


def _zone_exists(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{value!r} is no time zone of this machine; write one like America/Denver") from error
    return value


Zone = Annotated[str, AfterValidator(_zone_exists)]
"""The name of a time zone, such as America/Denver: for the settings of every package down the data's way."""


class LogSettings(BaseSettings):
    """How a process logs (streams/logs.py)."""

    model_config = SettingsConfigDict(env_prefix="REWARDS_", extra="ignore")

    log_format: LogFormat = "text"
    """`text`: lines for a person; `json`: an object a line, for programs."""
    log_level: LogLevel = "INFO"


class MetricsSettings(BaseSettings):
    """Where a worker or the lag process shows its figures (streams/metrics.py)."""

    model_config = SettingsConfigDict(env_prefix="REWARDS_", extra="ignore")

    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    """Each process needs one of its own; 0 takes any that is free, unset shows nothing."""
    metrics_host: str = "127.0.0.1"
    """The address to listen on. Whoever reaches it reads the figures: there is no sign-in."""

    def at(self, port: int | None) -> Self:
        """Return the settings with the port that a command was given, where it was given one."""
        return self if port is None else self.model_copy(update={"metrics_port": port})


class StreamSettings(BaseSettings):
    """What a worker, the lag process and the commands that talk to a stack need to know."""

    model_config = SettingsConfigDict(env_prefix="REWARDS_", extra="ignore")

    database_url: SecretStr
    """`sunroc_rewards`, as the application's role: postgresql://…"""
    kafka_bootstrap: str
    """host:port[,host:port…]"""
    kafka_tls_file: Path | None = None
    """Where Kafka asks for a certificate: a PEM file with the key and the certificate to show, and those to believe brokers by."""
    warehouse_url: SecretStr | None = None
    """The warehouse; only `rewards wait` and `rewards feed` write there (a watermark, sample data), and the sources' check looks there."""
    connect_url: str | None = None
    """Kafka Connect's REST address; only `rewards connectors` and the checks of the sources ask it."""
    timezone: Zone = "America/Denver"
    """The zone whose date is the business date."""

    processors: int = Field(default=2, ge=1, le=8)
    """How many share a worker's partitions: one evaluates while another waits for Postgres."""
    gather_ms: int = Field(default=10, ge=0, le=1000)
    """How long a processor gathers, after a batch that wrote, before the next."""
    cached_invoices: int = Field(default=12_000, ge=100)
    """Invoices kept in a worker's read-through copy."""
    batch_records: int = Field(default=4_000, ge=8)
    """The most records of one sink transaction; also the bound on what waits in memory."""
    reload_quiet_seconds: float = Field(default=300.0, gt=0)
    """What a truncate or a snapshot has not shown again is retired once nothing of it has come for so long (time of the source)."""
    reload_missing_share_max: float = Field(default=0.05, ge=0, le=1)
    """Where more than this share of the live invoices is missing, it is not retired by itself."""
    reload_missing_seconds: float = Field(default=3_600.0, gt=0)
    """So long it is waited for then, before a person is asked (`rewards reload accept`)."""

    @property
    def kafka(self) -> KafkaAccess:
        """How Kafka is reached."""
        return KafkaAccess(self.kafka_bootstrap, self.kafka_tls_file)

    @property
    def reload_limits(self) -> ReloadLimits:
        """How long a reload is waited for."""
        return ReloadLimits(
            quiet=dt.timedelta(seconds=self.reload_quiet_seconds),
            patience=dt.timedelta(seconds=self.reload_missing_seconds),
            share_max=self.reload_missing_share_max,
        )

    bad_rows_in_a_row: int = Field(default=10, ge=1)
    """So many bad rows in a row halt their partition until a person says go on, or their later versions have come."""
    bad_window_records: int = Field(default=1_000, ge=1, le=100_000)
    """Records of a partition of which a share may be of bad rows."""
    bad_window_share: float = Field(default=0.01, ge=0, le=1)
    """A larger share of bad rows in a full window halts the partition likewise."""

    source_check_seconds: float = Field(default=15.0, ge=0.5)
    """The lag process has the captured sources checked so often."""

    @property
    def bad_record_limits(self) -> BadRecordLimits:
        """The limits from which on bad rows halt a partition."""
        return BadRecordLimits(self.bad_rows_in_a_row, self.bad_window_records, self.bad_window_share)
