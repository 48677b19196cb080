"""The embedded stack as a whole: what is started, after what, and with which settings."""

from __future__ import annotations

import http.client
import signal
import urllib.error
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from connectors.kafka_access import KafkaAccess
from connectors.local import binaries, connect, kafka, postgres
from connectors.local.folder import HOST, Secrets, StackFolder
from connectors.local.jars import JarCache
from connectors.local.pulse import Pulse
from connectors.local.units import MARK, Child, Step, Unit
from connectors.rest import opener
from connectors.settings import OWN_PYTHON, LocalSettings, inherited_environment, worker_settings

PORTLESS: Final = {"worker", "lag", "feed"}
"""Found to hang by the system's own count, with a limit of its own (pulse.py)."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What `rewards up` was asked for."""

    feed: bool = True
    business_date: str | None = None
    only: tuple[str, ...] = ()
    """Names of the units to start; empty: all of them."""


def addresses(secrets: Secrets, ports: dict[str, int]) -> dict[str, str]:
    """Where the parts are to be reached, as `rewards status --json` says it."""
    return {
        "warehouse": postgres.url("warehouse", postgres.WAREHOUSE, secrets, ports["postgres"]),
        "rewards": postgres.url("rewards_app", postgres.REWARDS, secrets, ports["postgres"]),
        "kafka": f"{HOST}:{ports['kafka']}",
        "connect": f"https://{HOST}:{ports['connect']}",
        "web": f"http://{HOST}:{ports['web']}",
    }


def probe(name: str, folder: StackFolder, ports: dict[str, int]) -> str | None:
    """None when a service answers as it should, else what is wrong. Those without a port are well while alive."""
    secrets = folder.secrets()
    where = addresses(secrets, ports)
    match name:
        case "postgres":
            return postgres.probe(postgres.url("postgres", "postgres", secrets, ports["postgres"]))
        case "kafka":
            return kafka.probe(KafkaAccess(where["kafka"], folder.tls_file))
        case "connect":
            return connect.probe(where["connect"], folder.tls_file)
        case "api":
            return _probe_web(f"{where['web']}/healthz")
    return None


def units(folder: StackFolder, settings: LocalSettings, ports: dict[str, int], wanted: Wanted) -> list[Unit]:
    """Everything that a start does, in order. Finds programs and makes data folders; starts nothing yet.

    Raises:
        StackError: a program is missing, or a data folder cannot be made.

    """
    chosen = [
        unit for unit in _Builder(folder, settings, ports, wanted).all() if not wanted.only or unit.name in wanted.only
    ]
    names = {unit.name for unit in chosen}
    for unit in chosen:
        unit.after = tuple(name for name in unit.after if name in names)
    return chosen


class _Builder:
    """Makes the units of one stack."""

    def __init__(self, folder: StackFolder, settings: LocalSettings, ports: dict[str, int], wanted: Wanted) -> None:
        self._folder = folder
        self._ports = ports
        self._wanted = wanted
        self._secrets = folder.secrets()
        self._settings = settings
        self._environment = inherited_environment() | {MARK: self._secrets.stack_id}

        for character in ",:":
            kafka.require_no(
                character,
                settings.cache,
                "Java takes it for the end of a path: set REWARDS_CACHE_DIR to another folder",
            )

    def all(self) -> Sequence[Unit]:
        """All units that there are, in the order of a start."""
        owner = postgres.url("rewards_owner", postgres.REWARDS, self._secrets, self._ports["postgres"])
        day = self._wanted.business_date
        return [
            self._postgres(),
            self._kafka(),
            Step("databases", lambda: postgres.create_databases(self._secrets, self._ports["postgres"]), ("postgres",)),
            self._command("upgrade", ("database", "upgrade"), ("databases",), {"REWARDS_OWNER_DATABASE_URL": owner}),
            self._command("topics", ("topics",), ("kafka",)),
            *([self._command("day", ("day", "--start", day), ("upgrade",))] if day else []),
            self._connect(),
            self._portless("worker", ("worker",), ("upgrade", "topics", *(("day",) if day else ()))),
            self._portless("lag", ("lag",), ("upgrade", "topics")),
            self._service("api", ("api",), ("upgrade", *(("day",) if day else ()))),
            self._connectors(),
            *(self._sample() if self._wanted.feed else ()),
        ]

    def _sample(self) -> Sequence[Unit]:
        """Sample users, data, and a feed that keeps changing it."""
        return [
            self._command("samples", ("api", "samples"), ("upgrade",)),
            self._portless("feed", ("feed", "--forever"), ("samples", "connectors", "worker")),
        ]

    def _postgres(self) -> Child:
        server = postgres.prepare(self._folder, self._settings, self._ports["postgres"])
        url = postgres.url("postgres", "postgres", self._secrets, self._ports["postgres"])
        return Child(
            "postgres", server.command, account=server.account, environment=self._environment,
            probe=lambda: probe("postgres", self._folder, self._ports), hang_seconds=self._settings.hang_seconds,
            # Fast shutdown: open transactions are rolled back, what is committed is written out.
            # Immediate shutdown, when that takes too long, is a kill that Postgres spreads to all of its processes itself.
            stop_signal=signal.SIGINT, stop_seconds=30, firm_signal=signal.SIGQUIT,
            answers=lambda: postgres.answers(url),
        )  # fmt: skip

    def _kafka(self) -> Child:
        command = kafka.prepare(self._folder, self._java, self._jars.classpath(), self._ports)
        return Child(
            "kafka",
            command,
            environment=self._environment | kafka.LOCALE,
            probe=lambda: probe("kafka", self._folder, self._ports),
            stop_seconds=20,
            # After a kill it reads through its log first.
            start_seconds=180,
            hang_seconds=self._settings.hang_seconds,
        )

    def _connect(self) -> Child:
        command = connect.prepare(self._folder, self._java, self._jars.classpath(), self._jars.plugins(), self._ports)
        url = addresses(self._secrets, self._ports)["connect"]
        return Child(
            # It needs no database to start; but it is stopped before them, so that Debezium takes leave of its slots.
            "connect", command, ("kafka", "databases"),
            environment=self._environment
            | kafka.LOCALE
            | connect.capture_environment(self._secrets, self._ports["postgres"]),
            probe=lambda: probe("connect", self._folder, self._ports), hang_seconds=self._settings.hang_seconds,
            # One whose connectors have failed answers: a new process would not help them.
            answers=lambda: _probe_web(f"{url}/", self._folder.tls_file, any_status=True) is None,
            remedy=lambda: connect.restart_failed(url, self._folder.tls_file),
        )  # fmt: skip

    def _service(self, name: str, arguments: tuple[str, ...], after: tuple[str, ...]) -> Child:
        return Child(
            name,
            self._python(arguments),
            after,
            environment=self._rewards_environment(),
            probe=lambda: probe(name, self._folder, self._ports),
            hang_seconds=self._settings.hang_seconds,
        )

    def _portless(self, name: str, arguments: tuple[str, ...], after: tuple[str, ...]) -> Child:
        """A service that nothing needs to come up, and that no port tells the health of."""
        service = self._service(name, arguments, after)
        server = self._ports["postgres" if name == "feed" else "kafka"]
        if self._settings.metrics and (port := self._ports.get(f"{name}_metrics")):
            service.environment = {**service.environment, "REWARDS_METRICS_PORT": str(port)}
        service.essential, service.pulse, service.hang_seconds = False, Pulse(server), self._settings.hang_seconds / 2
        return service

    def _connectors(self) -> Child:
        """Not essential: where capture cannot go on, the commands that mend it need a stack that runs."""
        command = self._command("connectors", ("connectors", "apply", "--tolerant"), ("upgrade", "topics", "connect"))
        command.essential = False
        return command

    def _command(
        self, name: str, arguments: tuple[str, ...], after: tuple[str, ...], extra: dict[str, str] | None = None
    ) -> Child:
        return Child(
            name, self._python(arguments), after, environment=self._rewards_environment() | (extra or {}), once=True
        )

    def _python(self, arguments: tuple[str, ...]) -> tuple[str, ...]:
        return (*OWN_PYTHON, "-m", "cli", *arguments, "--data", str(self._folder.path))

    def _rewards_environment(self) -> dict[str, str]:
        logging = {"REWARDS_LOG_FORMAT": self._settings.log_format, "REWARDS_LOG_LEVEL": self._settings.log_level}
        return self._environment | worker_settings() | self._folder.environment() | logging

    @property
    def _java(self) -> binaries.Java:
        return replace(binaries.java(self._settings.java_home), options=self._settings.java_options)

    @property
    def _jars(self) -> JarCache:
        return JarCache(self._settings.cache)


def _probe_web(url: str, tls_file: Path | None = None, *, any_status: bool = False) -> str | None:
    try:
        with opener(tls_file).open(url, timeout=3):
            return None
    except urllib.error.HTTPError as error:
        return None if any_status else str(error)
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__


def business_date(folder: StackFolder, timezone: str) -> str:
    """The stack's business date as its database has it; today's in the business zone where it says none."""
    import datetime as dt
    from zoneinfo import ZoneInfo

    import psycopg2

    secrets, ports = folder.secrets(), folder.state()["ports"]
    try:
        connection = psycopg2.connect(
            postgres.url("rewards_app", postgres.REWARDS, secrets, ports["postgres"]), connect_timeout=2
        )
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT business_date FROM public.business_day")
                found: Any = cursor.fetchone()
        finally:
            connection.close()
    except psycopg2.Error:
        found = None
    return str(found[0] if found else dt.datetime.now(ZoneInfo(timezone)).date())
