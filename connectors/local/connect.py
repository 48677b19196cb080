"""The embedded Kafka Connect worker, with Debezium as its plugin."""

from __future__ import annotations

import http.client
import secrets
from pathlib import Path
from typing import Any, Final

from connectors.errors import ConnectError
from connectors.local import certificate, kafka, postgres
from connectors.local.binaries import Java
from connectors.local.folder import HOST, Secrets, StackFolder
from connectors.rest import ConnectRest

JVM: Final = ("-Xms96m", "-Xmx1g", "-XX:+UseSerialGC")
CAPTURED: Final = {"WAREHOUSE": postgres.WAREHOUSE, "MEMBERSHIPS": postgres.REWARDS}
"""Part of the placeholders' names in the connector files -> database."""
OUTDATED: Final = "Client Config Overrides not allowed"
"""Said of a connector that an older version registered with settings that are refused now. It is brought up to date by `rewards
connectors apply`, which a start runs once Connect itself is well."""
FIXED: Final = {
    "group.id": "rewards-connect",
    "key.converter": "org.apache.kafka.connect.json.JsonConverter",
    "key.converter.schemas.enable": "false",
    "value.converter": "org.apache.kafka.connect.json.JsonConverter",
    "value.converter.schemas.enable": "false",
    "config.storage.topic": "rewards-connect-configs",
    "config.storage.replication.factor": "1",
    "offset.storage.topic": "rewards-connect-offsets",
    "offset.storage.replication.factor": "1",
    "offset.storage.partitions": "4",
    "status.storage.topic": "rewards-connect-status",
    "status.storage.replication.factor": "1",
    "status.storage.partitions": "1",
    # At the default of 60 s a Connect that is killed in its first minute takes the snapshot again, and loses what was
    # between.
    "offset.flush.interval.ms": "1000",
    # What a connector could set of its clients, it could set to read and write what is none of its business.
    "connector.client.config.override.policy": "None",
    "producer.enable.idempotence": "true",
    "producer.linger.ms": "4",
    "producer.batch.size": "262144",
    "producer.max.request.size": "8388608",
    "scheduled.rebalance.max.delay.ms": "0",
    "task.shutdown.graceful.timeout.ms": "5000",
    # Plugins say what they are; looking into every class of every jar takes seconds.
    "plugin.discovery": "service_load",
    # The connector files name where the databases are by `${env:REWARDS_CAPTURE_…}`: no password reaches the REST
    # interface, nor the topic that keeps configurations.
    "config.providers": "env",
    "config.providers.env.class": "org.apache.kafka.common.config.provider.EnvVarConfigProvider",
    "config.providers.env.param.allowlist.pattern": "REWARDS_CAPTURE_.*",
}


def prepare(folder: StackFolder, java: Java, classpath: str, plugins: Path, ports: dict[str, int]) -> tuple[str, ...]:
    """Write the worker's configuration and return its command."""
    home = folder.path / "connect"
    home.mkdir(exist_ok=True, mode=0o700)
    configuration = FIXED | {
        "bootstrap.servers": f"{HOST}:{ports['kafka']}",
        **_listener(folder, home, ports["connect"]),
        **_clients(folder),
        "rest.advertised.host.name": HOST,
        "rest.advertised.port": str(ports["connect"]),
        "plugin.path": str(plugins),
    }
    file = kafka.write_properties(home / "worker.properties", configuration)
    return kafka.java_command(java, classpath, JVM, "org.apache.kafka.connect.cli.ConnectDistributed", str(file))


def _listener(folder: StackFolder, home: Path, port: int) -> dict[str, str]:
    """The REST interface: who may change a connector may have it send the database's password anywhere."""
    # Of this start alone: it protects nothing that the file's mode does not, but there is no keystore without one.
    password = secrets.token_urlsafe(24)
    file = home / "tls.p12"
    certificate.keystore(folder, file, password)
    stores = {
        f"listeners.https.ssl.{store}.{name}": value
        for store in ("keystore", "truststore")
        for name, value in (("type", "PKCS12"), ("location", str(file)), ("password", password))
    }
    return {
        "listeners": f"https://{HOST}:{port}",
        "rest.advertised.listener": "https",
        "listeners.https.ssl.client.auth": "required",
        "listeners.https.ssl.key.password": password,
        **stores,
    }


def _clients(folder: StackFolder) -> dict[str, str]:
    """How the worker and its connectors talk to Kafka."""
    shown = {"security.protocol": "SSL", **kafka.stores(folder.tls_file)}
    return {
        f"{user}{name}": value for user in ("", "producer.", "consumer.", "admin.") for name, value in shown.items()
    }


def capture_environment(kept: Secrets, postgres_port: int) -> dict[str, str]:
    """What the placeholders of the connector files stand for."""
    found: dict[str, str] = {}
    for name, database in CAPTURED.items():
        values = {
            "HOST": HOST,
            "PORT": str(postgres_port),
            "DATABASE": database,
            "USER": "debezium",
            "PASSWORD": kept.passwords["debezium"],
        }
        found |= {f"REWARDS_CAPTURE_{name}_{key}": value for key, value in values.items()}
    return found


def probe(url: str, tls_file: Path) -> str | None:
    """None while the worker answers and no connector has failed, else what is wrong."""
    try:
        found = ConnectRest(url, tls_file, timeout_seconds=3).connectors()
    except (ConnectError, OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    failed = [
        name
        for name, status in found.items()
        if any(_has_failed(one) for one in (status["connector"], *status["tasks"]))
    ]
    return f"failed: {', '.join(sorted(failed))}" if failed else None


def _has_failed(part: dict[str, Any]) -> bool:
    return part["state"] == "FAILED" and OUTDATED not in part.get("trace", "")


def restart_failed(url: str, tls_file: Path) -> None:
    """Restart what has failed in a worker that answers: Debezium waits for a database that is away, not for ever."""
    rest = ConnectRest(url, tls_file, timeout_seconds=10)
    for name in rest.connectors():
        rest.restart(name, only_failed=True)
