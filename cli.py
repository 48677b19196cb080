"""The command line: composes the packages' commands.

What a command needs is imported when it runs, so that `rewards --help` is quick.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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
    import logging

    from pydantic import ValidationError

    from api.rotation.commands import Part
    from connectors.source.check import SourceCheck
    from streams.jobs.waiting import SourceFault
    from streams.lag.findings import SourceFinding
    from streams.lag.source_watch import Check
    from streams.options import LogFormat


@dataclass(slots=True)
class Surroundings:
    """What a command finds in its context: what its package may not import. The option `--data` of each command asks it as well."""

    path: Path | None = None
    """The stack that was named."""

    def use(self, path: Path | None, *, as_owner: bool = False) -> None:
        """Take the addresses of a stack for settings; one that is named nearer to the command wins."""
        self.path = path or self.path
        use_stack(self.path, as_owner=as_owner)

    def log_formatter(self, log_format: LogFormat) -> logging.Formatter:
        """Return the formatter of our processes, for the supervisor's own log."""
        from streams.logs import formatter

        return formatter(log_format)


def _begin(
    context: typer.Context,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="DIR", help="Folder of the stack; every command takes it behind its name as well."
        ),
    ] = None,
) -> None:
    context.obj = Surroundings(data)
    _log_late()


def _log_late() -> None:
    """Have warnings of a command's libraries written as every process' lines are; without one, nothing is imported for it."""
    import logging

    class LateHandler(logging.Handler):
        """Configures logging for the first record that nobody else takes."""

        def emit(self, record: logging.LogRecord) -> None:
            from streams import logs
            from streams.settings import LogSettings

            logs.configure(LogSettings().log_format, "WARNING")
            logging.getLogger(record.name).handle(record)

    logging.lastResort = LateHandler(logging.WARNING)


def application() -> typer.Typer:
    """Return the application `rewards` with all of its commands."""
    app = typer.Typer(
        callback=_begin,
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
        streams.lag.commands.lag_command(_source_check),
        connectors.feed.commands.feed,
    ):
        app.command()(command)
    # What follows is psql's: an option that we do not know is none of ours.
    app.command(context_settings={"ignore_unknown_options": True})(connectors.local.commands.psql)
    app.add_typer(streams.commands.topics_app, name="topics")
    app.add_typer(connectors.commands.connectors_app, name="connectors")
    app.add_typer(migration.commands.database_app, name="database")
    app.add_typer(migration.commands.migrate_app(_legacy_server), name="migrate")
    app.add_typer(streams.commands.reload_app, name="reload")
    app.add_typer(streams.jobs.commands.app, name="dead-letters")
    app.add_typer(api.commands.app, name="api")
    app.add_typer(api.commands.encryption_app(_report_rotation), name="encryption")
    return app


def _report_rotation() -> Sequence[Part]:
    from migration.rotation import ReportRotation

    return [ReportRotation()]


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


@contextmanager
def _source_check() -> Iterator[Check]:
    from pydantic import ValidationError

    from connectors.settings import ConnectorSettings
    from connectors.source.check import SourceCheck
    from streams.errors import SettingsError

    try:
        settings = ConnectorSettings()
    except ValidationError as error:
        raise SettingsError(_wrong_settings(error)) from error
    with SourceCheck(settings) as check:
        yield lambda: _source_findings(check)


def _source_findings(check: SourceCheck) -> list[SourceFinding]:
    from streams.errors import TransientError
    from streams.lag.findings import SourceFinding

    topics = {one.name: one.captured.topic for one in check.access}
    try:
        return [
            SourceFinding(
                one.connector,
                topics[one.connector],
                one.severity.value,
                one.code,
                one.message,
                one.remedy,
                one.is_unseen,
            )
            for one in check.findings()
        ]
    except ConnectorsError as error:
        raise TransientError(str(error)) from error


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
    from connectors.local.folder import TLS_FILES, StackFolder
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
    # A certificate goes with its address, also where the stack asks for none.
    for name in TLS_FILES.keys() - environment.keys() if path is not None else ():
        os.environ.pop(name, None)
    given = set(os.environ)
    for name, value in environment.items():
        if path is not None or not given & {name, TLS_FILES.get(name, name)}:
            os.environ[name] = value


def main() -> None:
    """Run a command; an error that we raise on purpose is one sentence, everything else a traceback."""
    from streams.errors import RewardsError

    # What a terminal has no letter for is shown as its number; the command goes on.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # No database, no topic and no Java child takes what is no text.
    if not all(map(_is_text, sys.argv)):
        typer.echo("Error: an argument is no UTF-8 text.", err=True)
        sys.exit(2)
    try:
        application()(prog_name="rewards")
    except (ConnectorsError, RewardsError) as error:
        sys.exit(f"Error: {error}")
    except ValueError as error:
        # Importing pydantic takes as long as all of `rewards --help`.
        from pydantic import ValidationError

        if not isinstance(error, ValidationError):
            raise
        sys.exit(f"Error: settings: {_wrong_settings(error)}")


def _is_text(argument: str) -> bool:
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True


def _wrong_settings(error: ValidationError) -> str:
    found = [part for part in error.errors() if part["loc"]]
    said = ", ".join(f"REWARDS_{part['loc'][0]}".upper() + f" ({part['msg']})" for part in found)
    if any(part["type"] == "missing" for part in found):
        return f"{said}. Start a stack with `rewards up`, or name one with --data."
    return f"{said}."


if __name__ == "__main__":
    main()
