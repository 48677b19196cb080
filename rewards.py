"""The program `rewards`: the command line (cli.py), with no modules but those of its own environment."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run a command. Where PYTHONPATH puts other modules in front of ours, and of what we stand on, Python is started without it."""
    if "PYTHONPATH" in os.environ and not sys.flags.ignore_environment:
        os.execv(sys.executable, [sys.executable, "-E", "-P", "-m", "cli", *sys.argv[1:]])  # noqa: S606
    import cli

    cli.main()
