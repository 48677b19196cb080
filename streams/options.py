"""Options that commands share. `--data`: cli.py knows stacks and says, in the context, how one is named."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def _name_stack(context: typer.Context, path: Path | None) -> Path | None:
    """Name the stack before the command runs; without cli.py around it, a command takes its settings from the environment alone."""
    if context.obj is not None and not context.resilient_parsing:
        context.obj.use(path)
    return path


def _name_stack_as_owner(context: typer.Context, path: Path | None) -> Path | None:
    """Name the stack of a command that works as the schema's owner."""
    if context.obj is not None and not context.resilient_parsing:
        context.obj.use(path, as_owner=True)
    return path


LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
LogFormat = Literal["text", "json"]

HELP = "Folder of the stack to talk to (default: .rewards in the project)."
StackOption = Annotated[Path | None, typer.Option("--data", metavar="DIR", callback=_name_stack, help=HELP)]
OwnerStackOption = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", callback=_name_stack_as_owner, help=HELP)
]
LogLevelOption = Annotated[
    LogLevel | None,
    typer.Option("--log-level", case_sensitive=False, help="What is logged; REWARDS_LOG_LEVEL without it."),
]
MetricsPortOption = Annotated[
    int | None,
    typer.Option(
        "--metrics-port",
        min=0,
        max=65535,
        help="Where Prometheus reads the figures; REWARDS_METRICS_PORT without it, else nowhere.",
    ),
]
