"""Settings of the connectors and of the embedded stack, from the environment (`REWARDS_…`); it is read nowhere else."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from connectors.errors import StackError
from connectors.kafka_access import KafkaAccess

PROJECT = Path(__file__).resolve().parent.parent
LOOPBACK = "127.0.0.1"
NOT_INHERITED = ("REWARDS_", "PG", "PYTHON", "LOG4J_", "MYSQL_", "MARIADB_")
"""Settings of another stack, and those of what it consists of: they would send its connections elsewhere, or load other code."""
WORKER_SETTINGS = (
    "REWARDS_PROCESSORS", "REWARDS_GATHER_MS", "REWARDS_CACHED_INVOICES", "REWARDS_BATCH_RECORDS",
    "REWARDS_RELOAD_QUIET_SECONDS", "REWARDS_RELOAD_MISSING_SHARE_MAX", "REWARDS_RELOAD_MISSING_SECONDS",
    "REWARDS_BAD_ROWS_IN_A_ROW", "REWARDS_BAD_WINDOW_RECORDS", "REWARDS_BAD_WINDOW_SHARE",
    "REWARDS_SOURCE_CHECK_SECONDS",
)  # fmt: skip
"""How a worker and the lag process go about it: passed on to a stack's processes. Addresses and secrets are the stack's own."""
AMBIENT = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "OPENJ9_JAVA_OPTIONS", "CLASSPATH", "LANGUAGE")
"""Java's options, and the language of servers' messages, of which we read some."""

OWN_PYTHON = (sys.executable, "-E", "-P", "-u")
"""How our own processes are started: no code but ours, wherever PYTHONPATH points, and each line of a log when it is written."""


def _words(value: str | tuple[str, ...]) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(value)) if isinstance(value, str) else value
    except ValueError as error:
        raise ValueError(f"not as a shell parts words: {error}") from None


def _zone_exists(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{value!r} is no time zone of this machine") from error
    return value


Zone = Annotated[str, AfterValidator(_zone_exists)]
"""The name of a time zone, such as America/Denver."""


class ConnectorSettings(BaseSettings):
    """Whom `rewards connectors` talks to."""

    model_config = SettingsConfigDict(env_prefix="REWARDS_", extra="ignore")

    connect_url: str
    """Kafka Connect's REST address."""
    kafka_bootstrap: str
    """host:port[,host:port…]; asked for the partition count of the captured topics."""
    kafka_tls_file: Path | None = None
    """Where Kafka asks for a certificate: a PEM file with the key and the certificate to show, and those to believe brokers by."""
    connect_tls_file: Path | None = None
    """The same for Kafka Connect, where its address begins with https."""
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

    @property
    def kafka(self) -> KafkaAccess:
        """How Kafka is reached."""
        return KafkaAccess(self.kafka_bootstrap, self.kafka_tls_file)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Return the settings that a stack's folder names; they win over this process' own environment."""
        prefix = cls.model_config.get("env_prefix", "")
        return cls.model_validate({name.removeprefix(prefix).lower(): value for name, value in environment.items()})


class LocalSettings(BaseSettings):
    """Where the embedded stack finds its programs. Nothing here has to be set."""

    model_config = SettingsConfigDict(env_prefix="REWARDS_", extra="ignore")

    postgres_bin: Path | None = None
    """Folder with `postgres` and `initdb`; 15 or later; unset: those of the Python package."""
    java_home: Path | None = None
    """A Java 17 or later; unset: that of the Python package."""
    java_options: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)] = ()
    """Further options of Java for Kafka and Connect, parted as a shell would: `-Xmx4g`. They come last, and so prevail."""
    mariadb: str | None = None
    """The MariaDB of `rewards migrate demo`: `system`, `embedded` (that of the jar) or the path of a `mariadbd`; unset: the
    system's where there is one, else the embedded."""
    cache_dir: Path | None = None
    """Jars, shared by every checkout of a user; unset: `rewards` in the user's cache folder (XDG_CACHE_HOME)."""
    timezone: Zone = "America/Denver"
    """The zone whose date is the business date; passed on to every process."""
    log_format: Literal["text", "json"] = "text"
    """How every process logs, the supervisor included: lines for a person, or JSON; passed on to every process."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Passed on to every process; the supervisor's own lines are few, and stay."""
    hang_seconds: float = Field(60, gt=0)
    """A process that came up and has not answered for so long is started again; services without a port after half of it."""
    disk_low_bytes: int = Field(256 * 1024 * 1024, ge=0)
    """`rewards status` fails where a disk of the stack has less room: Kafka ends without, and Postgres takes no more rows."""
    log_bytes: int = Field(10_000_000, ge=10_000)
    """A log file that is larger is renamed, and the next one is begun."""
    metrics: bool = False
    """Whether worker and lag process show their figures to Prometheus, on loopback, on ports that `rewards status --json` names."""
    log_files: int = Field(3, ge=1, le=100)
    """Older log files that are kept of each process."""

    @property
    def cache(self) -> Path:
        """The cache folder, whether it exists or not.

        Raises:
            StackError: none is named, and the user has no home.

        """
        if self.cache_dir is not None:
            return self.cache_dir
        # The specification of these folders has a relative one ignored.
        chosen = os.environ.get("XDG_CACHE_HOME", "")
        try:
            base = Path(chosen) if chosen.startswith("/") else Path.home() / ".cache"
        except RuntimeError as error:
            raise StackError("this user has no home folder: set REWARDS_CACHE_DIR to one for the jars") from error
        return base / "rewards"

    @field_validator("postgres_bin", "java_home", "cache_dir")
    @classmethod
    def _from_here(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()


def inherited_environment() -> dict[str, str]:
    """The environment that child processes start from: ours, without what would make them behave in another way."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED) and name not in AMBIENT
    }
    past_proxies = ",".join(filter(None, (os.environ.get("no_proxy") or os.environ.get("NO_PROXY"), LOOPBACK)))
    # Java takes the encoding of file names from the locale, whose names our users may write in any letters.
    return kept | {"LC_ALL": "C.UTF-8", "no_proxy": past_proxies, "NO_PROXY": past_proxies}


def worker_settings() -> dict[str, str]:
    """The settings of a worker that this process' environment holds."""
    return {name: os.environ[name] for name in WORKER_SETTINGS if name in os.environ}


def forget_libpq_settings() -> None:
    """Take the variables of libpq (PGSSLMODE, PGOPTIONS …) out of this process' environment.

    Addresses of an embedded stack say all that there is to say; what a user's shell holds is meant for other servers.
    """
    for name in [one for one in os.environ if one.startswith("PG")]:
        del os.environ[name]
