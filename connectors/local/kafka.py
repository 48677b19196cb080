"""The embedded Kafka broker: one node in KRaft mode, broker and controller in one process."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path
from typing import Final

from connectors.errors import StackError
from connectors.kafka_access import KafkaAccess
from connectors.local import certificate
from connectors.local.binaries import Java
from connectors.local.folder import HOST, StackFolder
from connectors.settings import inherited_environment

LOG4J: Final = Path(__file__).with_name("log4j2.properties")
JVM: Final = ("-Xms64m", "-Xmx512m", "-XX:+UseSerialGC")
LOCALE: Final = {"LC_ALL": "C.UTF-8"}
"""Environment of every Java: under the locale `C`, which is what a machine has that was never told one, Java reaches no file whose
path has a letter beyond ASCII."""
FIXED: Final = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    # Topics are created by `rewards topics`: one that appears when asked for has the wrong number of partitions.
    "auto.create.topics.enable": "false",
    # As streams/topics.py has it for its topics (RECORD_BYTES_MAX); Connect makes topics of its own.
    "message.max.bytes": "33554432",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "8",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "num.network.threads": "2",
    "num.io.threads": "4",
    # The default takes 128 MB of the heap for the compaction of topics that are small here.
    "log.cleaner.dedupe.buffer.size": "16777216",
}


def java_command(java: Java, classpath: str, jvm: tuple[str, ...], main: str, *arguments: str) -> tuple[str, ...]:
    """Command line of one of Kafka's programs."""
    options = (
        # As an address: a path with a comma would be two of them.
        f"-Dlog4j2.configurationFile={LOG4J.as_uri()}", "-Djava.awt.headless=true",
        # Figures for `jps`, which would stand in the system's temporary folder.
        "-XX:-UsePerfData", "-cp", classpath,
    )  # fmt: skip
    return (str(java.binary), *jvm, *java.options, *options, main, *arguments)


def prepare(folder: StackFolder, java: Java, classpath: str, ports: dict[str, int]) -> tuple[str, ...]:
    """Write the configuration, format the log folder at the first start, and return the broker's command.

    Raises:
        StackError: formatting failed (with Kafka's own words), or Kafka cannot be told this folder's path.

    """
    home = folder.path / "kafka"
    require_no(",", home, "Kafka takes a comma for the end of a folder's name: name another folder with `--data`")
    home.mkdir(exist_ok=True, mode=0o700)
    controller = f"{HOST}:{ports['kafka_controller']}"
    configuration = FIXED | {
        # Named here and not kept in the metadata, so that the next run may use other ports.
        "controller.quorum.voters": f"1@{controller}",
        "listeners": f"SSL://{HOST}:{ports['kafka']},CONTROLLER://{controller}",
        "advertised.listeners": f"SSL://{HOST}:{ports['kafka']}",
        "listener.security.protocol.map": "SSL:SSL,CONTROLLER:SSL",
        "security.inter.broker.protocol": "SSL",
        "ssl.client.auth": "required",
        **stores(certificate.made(folder)),
        "log.dirs": str(home / "data"),
    }
    file = write_properties(home / "server.properties", configuration)
    if not (home / "data" / "meta.properties").exists():
        arguments = (
            "format",
            # One argument: an id that begins with a dash would be taken for an option of its own.
            f"--cluster-id={folder.secrets().kafka_cluster_id}",
            "--config",
            str(file),
            "--ignore-formatted",
        )
        formatted = subprocess.run(  # noqa: S603
            java_command(java, classpath, ("-XX:TieredStopAtLevel=1",), "kafka.tools.StorageTool", *arguments),
            capture_output=True, text=True, cwd=home, check=False, env=inherited_environment() | LOCALE,
            start_new_session=True,  # Ctrl-C is for us
        )  # fmt: skip
        if formatted.returncode:
            raise StackError(
                f"Kafka's log folder could not be formatted: {(formatted.stderr or formatted.stdout).strip()}"
            )
    return java_command(java, classpath, JVM, "kafka.Kafka", str(file))


def stores(tls_file: Path) -> dict[str, str]:
    """Properties of a broker or a client that shows the stack's certificate, and believes those who show the same."""
    return {
        f"ssl.{store}.{name}": value
        for store in ("keystore", "truststore")
        for name, value in (("type", "PEM"), ("location", str(tls_file)))
    }


def require_no(character: str, path: Path, reason: str) -> None:
    """Refuse a path that one of Kafka's lists of paths cannot hold: there is no way to write the character in one.

    Raises:
        StackError: the path has it.

    """
    if character in str(path):
        raise StackError(f"{path} has a {character!r} in its name. {reason}")


def write_properties(path: Path, configuration: dict[str, str]) -> Path:
    r"""Write a Java properties file. Java reads it as ISO 8859-1, so that what is beyond ASCII is written as `\uXXXX`.

    It may hold a password: only its owner reads it.
    """
    text = "".join(f"{key}={_escaped(value)}\n" for key, value in configuration.items())
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(text)
    return path


def _escaped(value: str) -> str:
    """A value whose every character Java reads as it is; a leading space it would drop."""
    return "".join(
        f"\\{one}" if one == "\\" or (one == " " and not place) else one if " " <= one <= "~" else _units(one)
        for place, one in enumerate(value)
    )


def _units(character: str) -> str:
    """A character's UTF-16 code units: two beyond the basic plane."""
    code = character.encode("utf-16-be", errors="surrogatepass")
    return "".join(f"\\u{int.from_bytes(code[place : place + 2]):04X}" for place in range(0, len(code), 2))


def probe(access: KafkaAccess) -> str | None:
    """None once the broker answers a metadata request, else why not."""
    from kafka import KafkaAdminClient
    from kafka.errors import KafkaError

    host, port = access.bootstrap.rsplit(":", 1)
    try:
        # The client takes its time to say that nobody listens: most of a start would be spent waiting for that.
        socket.create_connection((host, int(port)), timeout=1).close()
        client = KafkaAdminClient(**access.options(), request_timeout_ms=3000, bootstrap_timeout_ms=1500)
        try:
            client.describe_cluster()
        finally:
            client.close()
    except (KafkaError, OSError) as error:
        return str(error) or type(error).__name__
    return None
