"""Finds a Chromium for the browser tests, or installs the distribution's: `python -m tests.chromium` prints its path.

Root installs the package. An ordinary user cannot: the package and what it needs are downloaded by apt, as it allows to
anybody, and unpacked into the user's cache folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")
BINARY = Path("usr/lib/chromium/chromium")


def find() -> str | None:
    """The system's Chromium."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def install(cache: Path) -> str:
    """Install Chromium and return its path."""
    if not shutil.which("apt-get"):
        raise SystemExit(
            f"The browser tests need one of {', '.join(NAMES)}, and there is no apt-get to install it with: install it."
        )
    if os.geteuid() == 0:
        _run("apt-get", "update", "-qq")
        _run("apt-get", "install", "-qq", "--yes", "--no-install-recommends", "chromium")
        return find() or str("/" / BINARY)
    return _unpack(cache / "chromium")


def _unpack(target: Path) -> str:
    """Download the package with what it needs and unpack it; no step needs root. Returns a script that starts it."""
    launcher = target / "chromium"
    if launcher.exists():
        return str(launcher)
    root, apt, archives = target / "root", target / "apt", target / "archives"
    for folder in (root, apt / "lists" / "partial", apt / "cache" / "archives" / "partial", archives):
        folder.mkdir(parents=True, exist_ok=True)
    # Lists of our own: the system's may be missing, and are root's to refresh.
    own = (
        "-qq",
        "-o",
        f"Dir::State::lists={apt / 'lists'}",
        "-o",
        f"Dir::Cache={apt / 'cache'}",
        "-o",
        "Debug::NoLocking=1",
    )
    _run("apt-get", *own, "update")
    planned = _run("apt-get", *own, "install", "--simulate", "--no-install-recommends", "chromium")
    packages = [line.split()[1] for line in planned.splitlines() if line.startswith("Inst ")]
    _run("apt-get", *own, "download", *packages, cwd=archives)
    for archive in sorted(archives.glob("*.deb")):
        _run("dpkg", "-x", str(archive), str(root))
    libraries = sorted({str(found.parent) for found in root.rglob("*.so*")})
    launcher.write_text(
        f'#!/bin/sh\nLD_LIBRARY_PATH="{":".join(libraries)}" exec "{root / BINARY}" "$@"\n', encoding="utf-8"
    )
    launcher.chmod(0o755)
    shutil.rmtree(archives)
    shutil.rmtree(apt)
    return str(launcher)


def _run(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
    )
    if done.returncode:
        raise SystemExit(
            f"Chromium for the browser tests could not be installed: {' '.join(command)}: {done.stderr.strip()}"
        )
    return done.stdout


if __name__ == "__main__":
    user_cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    sys.stdout.write(find() or install(user_cache / "rewards"))
