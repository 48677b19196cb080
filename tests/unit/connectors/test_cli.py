from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import cli
from connectors.errors import StackNotRunningError
from connectors.local.folder import StackFolder
from connectors.settings import ConnectorSettings

STATE = {
    "warehouse": "postgresql://there/warehouse",
    "rewards": "postgresql://there/sunroc_rewards",
    "kafka": "127.0.0.1:1",
    "connect": "http://127.0.0.1:2",
    "web": "http://127.0.0.1:3",
    "timezone": "America/Denver",
    "ports": {"web": 3},
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings at first, also where the project's own stack is there; what a command writes is taken back."""
    unset = {name: value for name, value in os.environ.items() if not name.startswith("REWARDS_")}
    monkeypatch.setattr(os, "environ", unset)


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """A folder with the state of a stack."""
    folder = StackFolder(tmp_path / "stack")
    folder.create()
    folder.save(STATE)
    return folder.path


def _leaves(app: typer.Typer, *path: str) -> list[tuple[str, ...]]:
    names = [(*path, info.name or getattr(info.callback, "__name__", "")) for info in app.registered_commands]
    return names + [
        leaf
        for group in app.registered_groups
        if group.typer_instance is not None
        for leaf in _leaves(group.typer_instance, *path, str(group.name))
    ]


@pytest.mark.parametrize("command", _leaves(cli.build()), ids=" ".join)
def test_every_command_names_its_stack_and_explains_itself(command: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(cli.application(), [*command, "--help"])

    assert shown.exit_code == 0, shown.output
    assert "--data" in shown.output


def test_stack_that_is_named_wins_over_the_environment(stack: Path) -> None:
    os.environ["REWARDS_KAFKA_BOOTSTRAP"] = "elsewhere:9092"

    cli.use_stack(stack)

    assert os.environ["REWARDS_KAFKA_BOOTSTRAP"] == STATE["kafka"]
    assert os.environ["REWARDS_DATABASE_URL"] == STATE["rewards"]


def test_own_stack_fills_only_what_is_unset(stack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.local.folder.DEFAULT", stack)
    os.environ["REWARDS_KAFKA_BOOTSTRAP"] = "elsewhere:9092"

    cli.use_stack(None)

    assert os.environ["REWARDS_KAFKA_BOOTSTRAP"] == "elsewhere:9092"
    assert os.environ["REWARDS_CONNECT_URL"] == STATE["connect"]


def test_commands_that_mend_work_as_the_owner_and_as_the_connector(stack: Path) -> None:
    folder = StackFolder(stack)
    folder.save(STATE | {"ports": {"web": 3, "postgres": 5432}})
    passwords = folder.secrets().passwords

    cli.use_stack(stack)
    assert "REWARDS_OWNER_DATABASE_URL" not in os.environ
    cli.use_stack(stack, as_owner=True)

    assert passwords["rewards_owner"] in os.environ["REWARDS_OWNER_DATABASE_URL"]
    assert os.environ["REWARDS_CAPTURE_WAREHOUSE_PASSWORD"] == passwords["debezium"]
    assert ConnectorSettings().capture_memberships_user == "debezium"


def test_folder_without_a_stack_is_an_error_where_it_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.local.folder.DEFAULT", tmp_path)

    cli.use_stack(None)
    with pytest.raises(StackNotRunningError):
        cli.use_stack(tmp_path)


def test_command_without_a_stack_ends_with_one_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cli", "points", "M-1", "--data", str(tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr.startswith("Error: there is no stack in")
    assert done.stderr.count("\n") == 1


def test_reload_of_no_topic_of_ours_is_refused(stack: Path) -> None:
    refused = CliRunner().invoke(cli.application(), ["reload", "accept", "nothing", "--data", str(stack)])
    assert refused.exit_code == 2
    assert "invoices, memberships" in refused.output
