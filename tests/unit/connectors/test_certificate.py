"""The certificate of a stack: made once, its owner's alone, shown and believed by those who have it."""

from __future__ import annotations

import os
import socket
import ssl
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from connectors.errors import ConnectorsError
from connectors.kafka_access import KafkaAccess, tls_context
from connectors.local import certificate, kafka
from connectors.local.folder import StackFolder
from streams.errors import SettingsError
from streams.kafka_access import KafkaAccess as StreamsAccess


def test_certificate_is_made_once_and_read_by_its_owner_alone_whatever_the_umask_is(folder: StackFolder) -> None:
    before = os.umask(0)
    try:
        made = certificate.made(folder)
        certificate.keystore(folder, folder.path / "tls.p12", "a password")
    finally:
        os.umask(before)
    content = made.read_bytes()

    assert certificate.made(folder).read_bytes() == content
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.path.glob("tls.*")} == {0o600}
    assert len(list(folder.path.glob("tls.*"))) == 2


def shaken_hands(server: Path, client: ssl.SSLContext) -> bytes:
    """What a server that asks for its own certificate is told by a client, over loopback."""
    asks = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    asks.load_cert_chain(server)
    asks.load_verify_locations(server)
    asks.verify_mode = ssl.CERT_REQUIRED

    def serve(listening: socket.socket) -> bytes:
        with listening.accept()[0] as plain, asks.wrap_socket(plain, server_side=True) as secured:
            return secured.recv(5)

    with ThreadPoolExecutor(1) as pool, socket.create_server(("127.0.0.1", 0)) as listening:
        told = pool.submit(serve, listening)
        with (
            socket.create_connection(listening.getsockname()) as plain,
            client.wrap_socket(plain, server_hostname="127.0.0.1") as secured,
        ):
            secured.sendall(b"hello")
            return told.result(10)


@pytest.mark.parametrize("access", [KafkaAccess, StreamsAccess])
def test_those_who_have_the_file_believe_one_another(
    folder: StackFolder, access: type[KafkaAccess | StreamsAccess]
) -> None:
    options = access("127.0.0.1:1, 127.0.0.1:2", certificate.made(folder)).options()

    assert options["bootstrap_servers"] == ["127.0.0.1:1", "127.0.0.1:2"]
    assert options["security_protocol"] == "SSL"
    # As Python does by default from 3.13 on.
    options["ssl_context"].verify_flags |= ssl.VERIFY_X509_STRICT
    assert shaken_hands(folder.tls_file, options["ssl_context"]) == b"hello"


def test_who_listens_in_a_servers_place_is_told_nothing(folder: StackFolder, tmp_path: Path) -> None:
    certificate.made(folder)
    stranger = StackFolder(tmp_path / "stranger")
    stranger.create()

    with pytest.raises(OSError, match=r"(?i)certificate"):
        shaken_hands(certificate.made(stranger), tls_context(folder.tls_file))


def test_without_a_file_nothing_is_shown() -> None:
    assert KafkaAccess("127.0.0.1:1").options() == StreamsAccess("127.0.0.1:1").options()
    assert KafkaAccess("127.0.0.1:1").options() == {"bootstrap_servers": ["127.0.0.1:1"]}


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_file_that_is_none_is_named(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "tls.pem"
    if content is not None:
        file.write_text(content)

    with pytest.raises(SettingsError, match=f"REWARDS_KAFKA_TLS_FILE={file}"):
        StreamsAccess("127.0.0.1:1", file).options()
    with pytest.raises(ConnectorsError, match=f"{file} holds no key"):
        KafkaAccess("127.0.0.1:1", file).options()


def test_properties_are_read_by_their_owner_alone_also_where_an_older_start_wrote_them(tmp_path: Path) -> None:
    file = tmp_path / "worker.properties"
    file.write_text("of an older start")
    file.chmod(0o644)

    kafka.write_properties(file, {"password": "é"})

    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == ("password=\\u00E9\n", 0o600)


def test_log_configuration_is_named_by_an_address_whatever_folder_the_project_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "LOG4J", Path("/home/José, Ana/a clone/log4j2.properties"))

    command = kafka.java_command(kafka.Java(Path("/java"), 25), "a.jar", (), "Main")

    address = "file:///home/Jos%C3%A9%2C%20Ana/a%20clone/log4j2.properties"
    assert f"-Dlog4j2.configurationFile={address}" in command
