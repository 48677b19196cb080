"""Commands that a start prints: as they can be copied into the shell that they are printed to."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from connectors.local.terminal import typed

PROGRAM = Path(sys.executable).with_name("rewards")


def test_command_that_the_shell_finds_is_printed_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{PROGRAM.parent}:/bin")

    assert typed("rewards status") == "rewards status"


def test_command_that_the_shell_does_not_find_has_its_path_from_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/bin")
    monkeypatch.chdir(PROGRAM.parent.parent)

    assert typed("rewards status") == "bin/rewards status"


def test_command_of_another_folder_has_its_whole_path_also_where_another_program_has_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rewards").write_text("#!/bin/sh\n")
    (tmp_path / "rewards").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.chdir(tmp_path)

    assert shlex.split(typed("rewards down --data 'a b'")) == [str(PROGRAM), "down", "--data", "a b"]
