"""docker-compose.yml against the Compose Specification and the rules of the house."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from connectors.settings import PROJECT
from tests.contract.compose import (
    COMMANDS,
    EXAMPLE,
    FILE,
    VARIABLE,
    environment_file,
    example,
    interpolate,
    raw,
    services,
)

SCHEMA = Path(__file__).with_name("compose-spec.json")
SERVERS = sorted(set(services()) - set(COMMANDS))


def test_file_follows_the_compose_specification() -> None:
    validator = Draft202012Validator(json.loads(SCHEMA.read_text()))

    errors = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(interpolate(raw(), example()))]
    assert not errors


def test_schema_refuses_what_is_no_compose_file() -> None:
    validator = Draft202012Validator(json.loads(SCHEMA.read_text()))

    broken = interpolate(raw(), example())
    broken["services"]["worker"]["restarts"] = "always"
    assert not validator.is_valid(broken)


def test_variables_are_those_of_the_example_with_the_same_defaults() -> None:
    file = "\n".join(line for line in FILE.read_text().splitlines() if not line.lstrip().startswith("#"))
    used: dict[str, set[tuple[str, str]]] = {}
    for _, name, operator, operand in VARIABLE.findall(file):
        if name:
            used.setdefault(name, set()).add((operator, operand))

    offered = environment_file(EXAMPLE.read_text())
    assert set(used) == set(offered)
    for name, ways in used.items():
        # What the example leaves empty is a secret: without one, nothing starts.
        assert ways == ({("?", "see .env.example")} if not offered[name] else {("-", offered[name])}), name


def test_secrets_stand_in_no_file() -> None:
    offered = environment_file(EXAMPLE.read_text())
    secret = [name for name in offered if re.search("PASSWORD|SECRET|KEY|TOKEN", name)]

    assert len(secret) == 7
    assert not any(offered[name] for name in secret)
    for service in raw()["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|FIELD_KEYS", name):
                assert re.fullmatch(r"\$\{[A-Z_]+:\?see \.env\.example\}", value), name


def test_without_its_secrets_the_file_does_not_load() -> None:
    with pytest.raises(KeyError, match=r"see \.env\.example"):
        interpolate(raw(), environment_file(EXAMPLE.read_text()))


@pytest.mark.parametrize("name", sorted(services()))
def test_images_are_pinned_to_a_version(name: str) -> None:
    assert re.fullmatch(r"[a-z0-9./]+:v?\d+\.\d+(\.\d+)?(\.Final|-bookworm)?", services()[name]["image"])


@pytest.mark.parametrize("name", SERVERS)
def test_server_is_restarted_and_asked_how_it_is(name: str) -> None:
    service = services()[name]

    assert service["restart"] == "unless-stopped"
    if name == "feed":
        assert service["healthcheck"] == {"disable": True}
    else:
        assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
        assert {"interval", "timeout", "retries", "start_period"} <= set(service["healthcheck"])


@pytest.mark.parametrize("name", COMMANDS)
def test_command_runs_once(name: str) -> None:
    # Compose takes the first end of a service for its last: one that is tried again would count as failed.
    assert services()[name]["restart"] == "no"


@pytest.mark.parametrize("name", sorted(services()))
def test_service_waits_until_what_it_needs_is_there(name: str) -> None:
    everything = services()
    for needed, how in everything[name].get("depends_on", {}).items():
        if needed in COMMANDS:
            assert how == {"condition": "service_completed_successfully"}
        elif needed == "worker":
            # The feed's changes are the worker's as soon as it comes.
            assert how == {"condition": "service_started"}
        else:
            assert how == {"condition": "service_healthy"}
        # Nobody is made to start a profile by asking for something else.
        assert set(everything[needed].get("profiles", [])) <= set(everything[name].get("profiles", []))


def test_what_must_last_stands_in_named_volumes() -> None:
    mounted = {
        volume.split(":")[0]: (name, volume.split(":")[1])
        for name, service in services().items()
        for volume in service.get("volumes", [])
        if not volume.startswith("./")
    }

    assert set(mounted) == set(raw()["volumes"])
    assert mounted == {
        # From 18 on, the image keeps its data in a folder of the major version below this one.
        "warehouse": ("warehouse", "/var/lib/postgresql"),
        "rewards": ("rewards", "/var/lib/postgresql"),
        "kafka": ("kafka", "/var/lib/kafka/data"),
        "mail": ("mail", "/data"),
    }
    assert services()["kafka"]["environment"]["KAFKA_LOG_DIRS"] == "/var/lib/kafka/data"


def test_files_that_are_mounted_exist_and_scripts_can_be_run() -> None:
    files = [
        PROJECT / volume.split(":")[0]
        for service in services().values()
        for volume in service.get("volumes", [])
        if volume.startswith("./")
    ]

    assert len(files) == 3
    assert all(file.is_file() for file in files)
    # The image would source a script that is not executable, into its own shell.
    assert all(file.stat().st_mode & 0o111 for file in files if file.suffix == ".sh")


def test_ports_are_open_to_this_machine_alone_by_default() -> None:
    published = {name: service["ports"] for name, service in services().items() if "ports" in service}

    assert set(published) == {"web", "mail", "warehouse", "rewards"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_our_containers_may_do_as_little_as_they_need() -> None:
    ours = {name: service for name, service in services().items() if "build" in service}

    assert set(ours) == {"worker", "lag", "web", "feed", *COMMANDS}
    for service in ours.values():
        assert service["read_only"] is True
        assert service["tmpfs"] == "/tmp"
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["init"] is True
