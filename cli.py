"""The command line: composes the packages' commands.

What a command needs is imported when it runs, so that `rewards --help` is quick.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import api.commands
import connectors.commands
import connectors.feed.commands
import connectors.local.commands
import migration.commands
import streams.commands
import streams.jobs.commands
import streams.lag.commands
from connectors.errors import ConnectorsError

if TYPE_CHECKING:
    from streams.jobs.waiting import SourceFault

DATA = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Folder of the stack to talk to (default: .rewards in the project)."),
]

MIGRATE = "migrate"
CONNECTORS = "connectors"
AS_OWNER = frozenset({MIGRATE, CONNECTORS})
"""Groups whose commands work as the schema's owner."""


def build() -> typer.Typer:
    """The application `rewards` with all of its commands."""
    app = typer.Typer(
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        help="Rewards points: invoices change in the warehouse, points follow."
        " Exit codes: 0 done, 1 failed (the reason is printed), 2 wrong usage.",
    )
    for command in (
        connectors.local.commands.up,
        connectors.local.commands.down,
        connectors.local.commands.status_command(_open_reloads, _halted_partitions),
        connectors.local.commands.restart,
        connectors.local.commands.stacks,
        streams.commands.worker,
        streams.commands.wait_command(_source_faults),
        streams.commands.day,
        streams.commands.points,
        streams.lag.commands.lag,
        connectors.feed.commands.feed,
    ):
        app.command()(command)
    app.add_typer(streams.commands.topics_app, name="topics")
    app.add_typer(connectors.commands.connectors_app, name=CONNECTORS)
    app.add_typer(migration.commands.database_app, name="database")
    app.add_typer(migration.commands.migrate_app(_legacy_server), name=MIGRATE)
    app.add_typer(streams.commands.reload_app, name="reload")
    app.add_typer(streams.jobs.commands.app, name="dead-letters")
    app.add_typer(api.commands.app, name="api")
    app.add_typer(api.commands.encryption_app, name="encryption")
    return app


@contextmanager
def _legacy_server() -> Iterator[migration.commands.LegacyServer]:
    from connectors.local import mariadb

    with mariadb.running() as server:
        typer.echo(f"The legacy sample is on MariaDB {server.name}. REWARDS_MARIADB names another one.")
        yield server


def _source_faults() -> list[SourceFault]:
    from connectors.settings import ConnectorSettings
    from connectors.source.check import SourceCheck
    from connectors.source.findings import errors
    from streams.jobs.waiting import SourceFault

    with SourceCheck(ConnectorSettings()) as check:
        return [SourceFault(f"{one.message} ({one.remedy})", one.is_gap) for one in errors(check.findings())]


def _open_reloads(database_url: str) -> list[dict[str, Any]] | None:
    from streams.errors import InvariantError, TransientError
    from streams.jobs.reloads import describe, read_reloads

    try:
        return [describe(one) for one in read_reloads(database_url)]
    except (TransientError, InvariantError):
        # Postgres is away, or has no tables yet.
        return None


def _halted_partitions(database_url: str) -> list[dict[str, Any]] | None:
    from streams.errors import InvariantError, TransientError
    from streams.jobs.dead_letters import describe_halted

    try:
        return describe_halted(database_url)
    except (TransientError, InvariantError):
        return None


def use_stack(path: Path | None, *, as_owner: bool = False) -> None:
    """Fill the settings in the environment from a stack's folder, for the schema's owner those of the owner as well.

    A folder that was named wins over the environment; the project's own stack fills only what is unset.
    """
    from connectors.errors import StackNotRunningError
    from connectors.local.folder import StackFolder
    from connectors.settings import forget_libpq_settings

    folder = StackFolder(path)
    try:
        environment = folder.environment() | (folder.owner_environment() if as_owner else {})
    except StackNotRunningError:
        if path is not None:
            raise
        return
    if path is not None or "REWARDS_DATABASE_URL" not in os.environ:
        # The addresses are the stack's own.
        forget_libpq_settings()
    for name, value in environment.items():
        if path is not None or name not in os.environ:
            os.environ[name] = value


def _name_the_stack(app: typer.Typer, *, as_owner: bool = False) -> typer.Typer:
    """Give every command that has none an option `--data DIR`, which names the stack it talks to."""
    for info in (*app.registered_commands, app.registered_callback):
        if info is not None and info.callback is not None:
            info.callback = _with_data_option(info.callback, as_owner=as_owner)
    for group in app.registered_groups:
        if group.typer_instance is not None:
            _name_the_stack(group.typer_instance, as_owner=group.name in AS_OWNER)
    return app


def _with_data_option(command: Callable[..., None], *, as_owner: bool) -> Callable[..., None]:
    signature = inspect.signature(command, eval_str=True)
    if "data" in signature.parameters:
        return command

    @functools.wraps(command)
    def with_stack(*arguments: object, data: Path | None, **options: object) -> None:
        use_stack(data, as_owner=as_owner)
        command(*arguments, **options)

    option = inspect.Parameter("data", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=DATA)
    extended = signature.replace(parameters=[*signature.parameters.values(), option])
    # Typer reads the annotations besides the signature, and both must tell the same.
    with_stack.__signature__ = extended  # type: ignore[attr-defined]
    with_stack.__annotations__ = {name: parameter.annotation for name, parameter in extended.parameters.items()}
    return with_stack


def application() -> typer.Typer:
    """Return the application as it is run: every command can name its stack."""
    return _name_the_stack(build())


def main() -> None:
    """Run a command; an error that we raise on purpose is one sentence, everything else a traceback."""
    from pydantic import ValidationError

    from streams.errors import RewardsError

    try:
        application()(prog_name="rewards")
    except (ConnectorsError, RewardsError) as error:
        sys.exit(f"Error: {error}")
    except ValidationError as error:
        missing = ", ".join(
            f"REWARDS_{part['loc'][0]}".upper() + f" ({part['msg']})" for part in error.errors() if part["loc"]
        )
        sys.exit(f"Error: settings: {missing}. Start a stack with `rewards up`, or name one with --data.")


if __name__ == "__main__":
    main()
