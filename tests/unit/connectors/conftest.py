from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from connectors.local.folder import StackFolder
from connectors.local.units import Unit
from tests.unit.connectors.supervised import Run


@pytest.fixture
def folder(tmp_path: Path) -> StackFolder:
    made = StackFolder(tmp_path / "stack")
    made.create()
    return made


@pytest.fixture
def run(folder: StackFolder) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def start(*started: Unit) -> Run:
        runs.append(Run(folder, started))
        return runs[-1]

    yield start
    for one in runs:
        one.stop()
