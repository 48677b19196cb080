from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import cli
import connectors.commands
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


@pytest.mark.parametrize("command", _leaves(cli.application()), ids=" ".join)
def test_every_command_names_its_stack_and_explains_itself(command: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(cli.application(), [*command, "--help"])

    assert shown.exit_code == 0, shown.output
    assert "--data" in shown.output


FOLDERS = {("up",), ("down",), ("status",), ("restart",), ("stacks",), ("psql",)}
"""Commands that look at a stack's folder themselves, also where nothing runs."""


REQUIRED = {("points",): ["M-1"], ("dead-letters", "discard"): ["--all", "--reason", "of a test"]}


@pytest.mark.parametrize("command", sorted(set(_leaves(cli.application())) - FOLDERS), ids=" ".join)
@pytest.mark.parametrize("before", [True, False])
def test_stack_is_named_before_or_behind_every_command(
    command: tuple[str, ...], before: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[tuple[Path | None, bool]] = []

    def use(path: Path | None, *, as_owner: bool = False) -> None:
        used.append((path, as_owner))
        if path is not None:
            raise typer.Exit(77)

    monkeypatch.setattr(cli, "use_stack", use)
    os.environ["REWARDS_LEGACY_URL"] = "mysql://nobody@127.0.0.1:1/rewards_program"
    arguments = REQUIRED.get(command, [])
    named = ["--data", str(tmp_path)]

    words = [*named, *command, *arguments] if before else [*command, *arguments, *named]
    done = CliRunner().invoke(cli.application(), words)

    assert done.exit_code == 77, done.output
    assert used[-1] == (tmp_path, command[0] in {"connectors", "migrate"})


@pytest.mark.parametrize("command", sorted(FOLDERS - {("up",), ("stacks",)}), ids=" ".join)
def test_folder_is_named_before_or_behind_a_command(command: tuple[str, ...], tmp_path: Path) -> None:
    arguments = [*command, *{("restart",): ["worker"], ("psql",): ["points", "-c", "SELECT 1"]}.get(command, [])]

    before = CliRunner().invoke(cli.application(), ["--data", str(tmp_path), *arguments])
    behind = CliRunner().invoke(cli.application(), [*arguments, "--data", str(tmp_path)])

    assert str(tmp_path) in before.output + str(before.exception)
    assert (before.exit_code, before.output) == (behind.exit_code, behind.output)


def test_stack_that_is_named_nearer_to_the_command_wins(stack: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(
        cli.application(), ["--data", str(tmp_path), "encryption", "new-key", "--data", str(stack)]
    )

    assert done.exit_code == 0, done.output
    assert os.environ["REWARDS_DATABASE_URL"] == STATE["rewards"]


def test_stack_that_is_named_wins_over_the_environment(stack: Path) -> None:
    os.environ["REWARDS_KAFKA_BOOTSTRAP"] = "elsewhere:9092"

    cli.use_stack(stack)

    assert os.environ["REWARDS_KAFKA_BOOTSTRAP"] == STATE["kafka"]
    assert os.environ["REWARDS_DATABASE_URL"] == STATE["rewards"]


@pytest.mark.parametrize(("named", "address"), [(True, None), (False, None), (False, "elsewhere:9092")])
def test_certificate_of_a_stack_is_shown_at_its_own_address_alone(
    stack: Path, monkeypatch: pytest.MonkeyPatch, named: bool, address: str | None
) -> None:
    monkeypatch.setattr("connectors.local.folder.DEFAULT", stack)
    (stack / "tls.pem").touch()
    if address is not None:
        os.environ["REWARDS_KAFKA_BOOTSTRAP"] = address

    cli.use_stack(stack if named else None)

    shown = str(stack / "tls.pem") if address is None else None
    assert os.environ.get("REWARDS_KAFKA_TLS_FILE") == shown
    assert os.environ["REWARDS_CONNECT_TLS_FILE"] == str(stack / "tls.pem")


def test_stack_that_asks_for_no_certificate_is_shown_none(stack: Path) -> None:
    os.environ["REWARDS_KAFKA_TLS_FILE"] = "/of/another/stack.pem"

    cli.use_stack(stack)

    assert "REWARDS_KAFKA_TLS_FILE" not in os.environ


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


@pytest.mark.parametrize(
    ("reloads", "said", "code"),
    [
        ([], "", 0),
        ([{"sentence": "half is missing", "remedy": None, "waits_for_a_word": False}], "half is missing\n", 0),
        (
            [{"sentence": "half is missing", "remedy": "load it", "waits_for_a_word": True}],
            "half is missing (load it)\n",
            1,
        ),
        (None, "Whether a reload or a partition waits for a word cannot be seen: the database does not answer.\n", 1),
    ],
)
def test_status_names_a_reload_that_waits_and_fails_where_it_waits_for_a_word(
    monkeypatch: pytest.MonkeyPatch, reloads: list[dict[str, Any]] | None, said: str, code: int
) -> None:
    running = STATE | {
        "state": "running",
        "business_date": "2026-03-01",
        "processes": [],
        "sources": [],
        "short_of_room": [],
    }
    monkeypatch.setattr("connectors.local.lifecycle.status", lambda _folder: dict(running))
    asked: list[str] = []

    def open_reloads(url: str) -> list[dict[str, Any]] | None:
        asked.append(url)
        return reloads

    app = typer.Typer()
    app.command()(connectors.local.commands.status_command(open_reloads, lambda _url: []))
    shown = CliRunner().invoke(app, [])

    assert (shown.exit_code, asked) == (code, [STATE["rewards"]])
    assert said in shown.output
    assert ("reload" in shown.output) is (reloads is None)


@pytest.mark.parametrize("arguments", [(b"points", b"M-\xff"), (b"--data", b"/tmp/\xe9", b"status")])
def test_argument_that_is_no_text_is_refused_in_one_sentence(arguments: tuple[bytes, ...]) -> None:
    command = [sys.executable.encode(), b"-m", b"cli", *arguments]
    done = subprocess.run(command, capture_output=True, check=False, cwd=Path(cli.__file__).parent)

    assert (done.returncode, done.stderr) == (2, b"Error: an argument is no UTF-8 text.\n")
