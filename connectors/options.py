"""The option `--data DIR` of the commands here. cli.py puts into the context which stack was named before, and how one is used."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def _folder(context: typer.Context, path: Path | None) -> Path | None:
    """Return the folder that was named, here or before the command."""
    return path if path is not None or context.obj is None else context.obj.path


def _name_stack(context: typer.Context, path: Path | None) -> Path | None:
    """Name the stack before the command runs: its addresses become settings."""
    if context.obj is not None and not context.resilient_parsing:
        context.obj.use(path)
    return path


def _name_stack_as_owner(context: typer.Context, path: Path | None) -> Path | None:
    """Name the stack of a command that mends what is captured, as the schema's owner."""
    if context.obj is not None and not context.resilient_parsing:
        context.obj.use(path, as_owner=True)
    return path


HELP = "Folder of the stack to talk to (default: .rewards in the project)."
FolderOption = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="DIR", callback=_folder, help="Folder of the stack (default: .rewards in the project)."
    ),
]
StackOption = Annotated[Path | None, typer.Option("--data", metavar="DIR", callback=_name_stack, help=HELP)]
OwnerStackOption = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", callback=_name_stack_as_owner, help=HELP)
]
