"""Whom a server runs as: Postgres refuses root, so a stack that root starts steps down as distributions do."""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from connectors.errors import StackError

CANDIDATES = ("postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the system to run a process as."""

    name: str
    uid: int
    gid: int

    def can(self, test: str, path: Path) -> bool:
        """Whether this user passes test(1) on a path: asked as that user, since every folder above it counts too."""
        # The folder that we stand in may itself be closed to that user.
        command = ["/bin/sh", "-c", 'test "$1" "$2"', "sh", test, str(path)]
        tested = subprocess.run(  # noqa: S603
            command, user=self.uid, group=self.gid, extra_groups=[], cwd="/", check=False
        )
        return tested.returncode == 0


def unprivileged() -> Account | None:
    """The user that Postgres runs as, or None where we are an ordinary user ourselves.

    Raises:
        StackError: we are root and there is no user to step down to.

    """
    if os.geteuid() != 0:
        return None
    for name in CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise StackError(
        f"Postgres refuses to run as root and none of the users {', '.join(CANDIDATES)} exists: create one of them,"
        " or start as another user"
    )
