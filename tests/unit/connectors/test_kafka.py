from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from connectors.errors import StackError
from connectors.local import certificate, connect, kafka, stack
from connectors.local.binaries import Java
from connectors.local.folder import StackFolder
from connectors.settings import LocalSettings

JAVA = Java(Path("/usr/bin/java"), 25)
PORTS = {"kafka": 1, "kafka_controller": 2, "connect": 3}


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("/home/josé/a b", r"/home/jos\u00E9/a b"),
        ("C:\\new", r"C:\\new"),
        ("\u20ac", r"\u20AC"),
        ("🏠", r"\uD83C\uDFE0"),
        (" in front\n", r"\ in front\u000A"),
    ],
)
def test_property_is_written_as_java_reads_it(tmp_path: Path, value: str, written: str) -> None:
    file = kafka.write_properties(tmp_path / "some.properties", {"name": value})

    assert file.read_bytes() == f"name={written}\n".encode("ascii")


def test_data_folder_with_a_comma_is_refused_before_kafka_would_split_it(tmp_path: Path) -> None:
    folder = StackFolder(tmp_path / "a,b")
    folder.create()

    with pytest.raises(StackError, match=r"a,b/kafka has a ',' in its name.*--data"):
        kafka.prepare(folder, JAVA, "", PORTS)

    assert list(folder.path.iterdir()) == [folder.logs]


@pytest.mark.parametrize("name", ["a,b", "a:b"])
def test_cache_folder_that_java_would_split_is_refused(tmp_path: Path, name: str) -> None:
    folder = StackFolder(tmp_path / "stack")
    folder.create()

    with pytest.raises(StackError, match="REWARDS_CACHE_DIR"):
        stack.units(folder, LocalSettings(cache_dir=tmp_path / name), PORTS, stack.Wanted())


def test_data_folder_whose_path_is_no_text_is_refused(tmp_path: Path) -> None:
    folder = StackFolder(tmp_path / "latin-1 \udce9")

    with pytest.raises(StackError, match=r"no UTF-8 text.*--data"):
        folder.create()


@pytest.mark.parametrize(
    ("trace", "wrong"),
    [
        ("org.apache.kafka.connect.errors.ConnectException: Client Config Overrides not allowed [[linger.ms", None),
        ("java.net.ConnectException: refused", "failed: warehouse"),
    ],
)
def test_connector_that_an_older_version_registered_does_not_keep_connect_from_being_well(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, trace: str, wrong: str | None
) -> None:
    """The start that brings it up to date would wait for Connect, which would wait for the connector."""
    folder = StackFolder(tmp_path)
    failed = {"connector": {"state": "FAILED", "trace": trace}, "tasks": []}
    monkeypatch.setattr(connect.ConnectRest, "connectors", lambda _rest: {"warehouse": failed})

    assert connect.probe("https://127.0.0.1:9", certificate.made(folder)) == wrong


def test_options_of_java_that_the_user_has_set_come_after_ours() -> None:
    java = replace(JAVA, options=("-Xmx4g",))

    command = kafka.java_command(java, "a.jar", kafka.JVM, "Main")

    assert command.index("-Xmx512m") < command.index("-Xmx4g") < command.index("Main")


def test_options_of_java_are_parted_as_a_shell_would(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REWARDS_JAVA_OPTIONS", raising=False)
    assert LocalSettings().java_options == ()
    monkeypatch.setenv("REWARDS_JAVA_OPTIONS", "-Xmx4g '-Da=b c'")
    assert LocalSettings().java_options == ("-Xmx4g", "-Da=b c")
    monkeypatch.setenv("REWARDS_JAVA_OPTIONS", "'-Da")
    with pytest.raises(ValidationError, match="not as a shell parts words: No closing quotation"):
        LocalSettings()
