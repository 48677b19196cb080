"""`rewards api` where it cannot listen: one sentence, before anything is opened."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from api.commands import app
from api.core.encryption import new_key
from streams.errors import SettingsError


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REWARDS_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    monkeypatch.setenv("REWARDS_SESSION_SECRET", "of a test that opens nothing, and long enough")
    monkeypatch.setenv("REWARDS_FIELD_KEYS", new_key())


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.mark.parametrize("port", ["-1", "65536", "99999"])
def test_port_that_there_is_not_is_wrong_usage(port: str) -> None:
    refused = CliRunner().invoke(app, ["--port", port])

    assert refused.exit_code == 2
    assert "--port" in refused.output


def test_port_that_is_taken_is_named_with_what_to_do(taken: int) -> None:
    refused = CliRunner().invoke(app, ["--port", str(taken)])

    assert isinstance(refused.exception, SettingsError)
    assert f"on port {taken}" in str(refused.exception)
    assert "--port" in str(refused.exception)


def test_host_that_is_not_ours_is_named_with_what_to_do() -> None:
    refused = CliRunner().invoke(app, ["--host", "192.0.2.1", "--port", "0"])

    assert isinstance(refused.exception, SettingsError)
    assert "192.0.2.1" in str(refused.exception)
