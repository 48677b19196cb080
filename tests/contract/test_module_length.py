"""No module of ours is longer than a person reads at once."""

from __future__ import annotations

import subprocess

from connectors.settings import PROJECT

LINES_MAX = 300
NOT_HELD = ("tests/", "migration/versions/")
"""Tests, and versions of the schema, which are not changed once they are released."""


def _modules() -> list[str]:
    # Those that git does not know yet as well, so that the test speaks before the commit.
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"]
    names = subprocess.run(listed, cwd=PROJECT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [name for name in names if not name.startswith(NOT_HELD) and (PROJECT / name).exists()]


def test_every_module_can_be_read_at_once() -> None:
    lengths = {name: len((PROJECT / name).read_text(encoding="utf-8").splitlines()) for name in _modules()}

    assert {"cli.py", "migration/map.py"} <= lengths.keys()
    assert {name: lines for name, lines in lengths.items() if lines > LINES_MAX} == {}
