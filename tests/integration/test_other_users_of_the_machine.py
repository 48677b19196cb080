"""Whoever else works on the machine reaches what listens on loopback, and gets nothing of a stack from it."""

from __future__ import annotations

import http.client
import json
import ssl
import stat
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from connectors.local import certificate
from connectors.local.folder import StackFolder
from connectors.rest import ConnectRest, opener
from tests.stack import Stack

VALIDATE = "/connector-plugins/PostgresConnector/config/validate"


def nobodys_context(_folder: Path) -> ssl.SSLContext:
    """Of who shows nothing and believes everybody."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def a_strangers_context(folder: Path) -> ssl.SSLContext:
    """Of who shows a certificate that was made in the same way."""
    stranger = StackFolder(folder / "strange")
    stranger.create()
    context = nobodys_context(folder)
    context.load_cert_chain(certificate.made(stranger))
    return context


CONTEXTS = pytest.mark.parametrize("context", [nobodys_context, a_strangers_context])
Context = Callable[[Path], ssl.SSLContext]


@CONTEXTS
def test_connect_answers_nobody_without_the_stacks_certificate(stack: Stack, context: Context, tmp_path: Path) -> None:
    request = urllib.request.Request(
        f"{stack.address('connect')}{VALIDATE}",
        json.dumps({"database.password": "${env:REWARDS_CAPTURE_WAREHOUSE_PASSWORD}"}).encode(),
        {"Content-Type": "application/json"},
        method="PUT",
    )
    strangers = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context(tmp_path))
    )

    with pytest.raises(OSError, match=r"(?i)certificate|reset|aborted|EOF"):
        strangers.open(request, timeout=10)
    with pytest.raises((OSError, http.client.HTTPException)):
        opener().open(f"http{stack.address('connect').removeprefix('https')}/connectors", timeout=10)


@CONTEXTS
@pytest.mark.parametrize("listener", ["kafka", "kafka_controller"])
def test_kafka_answers_nobody_without_the_stacks_certificate(
    stack: Stack, context: Context, listener: str, tmp_path: Path
) -> None:
    options = {
        "bootstrap_servers": f"127.0.0.1:{stack.state()['ports'][listener]}",
        "security_protocol": "SSL",
        "ssl_context": context(tmp_path),
    }

    with pytest.raises(KafkaError):
        KafkaAdminClient(**options, request_timeout_ms=2_000, bootstrap_timeout_ms=2_000)


@pytest.mark.parametrize("listener", ["kafka", "kafka_controller"])
def test_kafka_answers_nobody_without_tls(stack: Stack, listener: str) -> None:
    address = f"127.0.0.1:{stack.state()['ports'][listener]}"

    with pytest.raises(KafkaError):
        KafkaAdminClient(bootstrap_servers=address, request_timeout_ms=2_000, bootstrap_timeout_ms=2_000)


def test_connector_may_not_set_how_its_clients_talk_to_kafka(stack: Stack) -> None:
    rest = ConnectRest(stack.address("connect"), stack.files.tls_file)
    known = rest.configuration("warehouse")
    assert known is not None

    refused = rest._call("PUT", VALIDATE, known | {"producer.override.linger.ms": "1"})

    said = {one["value"]["name"]: one["value"]["errors"] for one in refused["configs"]}
    assert "None" in "".join(said["producer.override.linger.ms"])


def test_secret_stands_in_no_command_line_no_log_and_no_file_that_others_read(stack: Stack) -> None:
    kept = stack.files.secrets()
    private = stack.files.tls_file.read_text().split("-----")[2].strip().splitlines()[1]
    secrets = [*kept.passwords.values(), kept.session_secret, kept.field_keys, private]
    properties = (stack.folder / "connect" / "worker.properties").read_text()
    secrets += [line.split("=", 1)[1] for line in properties.splitlines() if "password=" in line]
    assert len(set(secrets)) == len(kept.passwords) + 4

    for process in stack.processes():
        words = " ".join(process.cmdline())
        assert not [one for one in secrets if one in words], process.name()

    found = []
    for file in stack.folder.rglob("*"):
        if file.is_file() and not file.is_relative_to(stack.folder / "postgres"):
            content = file.read_text(errors="replace")
            if any(one in content for one in secrets):
                found.append(file)
    assert {one.name for one in found} == {"secrets.json", "stack.json", "tls.pem", "worker.properties"}
    assert {stat.S_IMODE(one.stat().st_mode) for one in found} == {0o600}


def test_worker_and_connect_go_on_with_the_same_certificate_after_a_restart_of_kafka(stack: Stack) -> None:
    before = stack.files.tls_file.read_bytes()
    psutil.Process(stack.process("kafka")["pid"]).terminate()

    stack.command("restart", "kafka")
    stack.wait()

    assert stack.files.tls_file.read_bytes() == before
