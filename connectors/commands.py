"""Commands of the connectors: `rewards connectors …`.

They stand where the data's way begins: they say to Kafka Connect what is captured, and of the sources whether it is.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connectors.errors import ConnectorsError
from connectors.options import OwnerStackOption

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.registration import ConnectorState
    from connectors.source.check import Health

connectors_app = typer.Typer(no_args_is_help=True, help="Register the Debezium connectors with Kafka Connect.")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Timeout = Annotated[float, typer.Option(min=0, help="Seconds to wait until every task runs.")]
SnapshotTimeout = Annotated[float, typer.Option(min=0, help="Seconds to wait for the end of a new snapshot.")]


@connectors_app.command("apply")
def apply_connectors(
    *,
    timeout: Timeout = 90,
    as_json: AsJson = False,
    tolerant: Annotated[
        bool, typer.Option("--tolerant", help="End with 0 also where something is wrong: `rewards up` does so.")
    ] = False,
    _stack: OwnerStackOption = None,
) -> None:
    """Register both connectors, or bring them up to date, and wait until they are well. Does nothing the second time.

    A connector whose source is not sound is left alone; what is wrong and what leads out is printed.

    Exit codes: 0 they are well; 1 they are not.
    """
    from connectors.source import repair

    try:
        found = repair.apply(_connector_settings(), timeout)
    except ConnectorsError as error:
        if not tolerant:
            raise
        typer.echo(f"Error: {error}", err=True)
        return
    _print_health(found, as_json=as_json, tolerant=tolerant)


@connectors_app.command("status")
def status_connectors(*, as_json: AsJson = False, _stack: OwnerStackOption = None) -> None:
    """Say how the connectors and their sources are, and what leads out of what is wrong.

    Exit codes: 0 sources, connectors and tasks were seen to be well; 1 something is wrong, or could not be seen.
    """
    from connectors.source.check import SourceCheck

    with SourceCheck(_connector_settings()) as check:
        found = check.look()
    _print_health(found, as_json=as_json)


@connectors_app.command("repair")
def repair_connectors(
    *,
    timeout: Timeout = 90,
    snapshot_timeout: SnapshotTimeout = 3600,
    as_json: AsJson = False,
    _stack: OwnerStackOption = None,
) -> None:
    """Mend what can be mended without loss, and take a new snapshot where changes are missing or may be.

    Says each thing that it does; run again it does nothing. What only a person can mend is printed with what to do.

    Exit codes: 0 all is well; 1 something is not.
    """
    from connectors.source import repair

    found = repair.repair(_connector_settings(), timeout, snapshot_timeout, _say(as_json=as_json))
    _print_health(found, as_json=as_json)


@connectors_app.command("resnapshot")
def resnapshot_connectors(
    name: Annotated[str | None, typer.Argument(help="The connector, warehouse or rewards (default: both).")] = None,
    *,
    timeout: Timeout = 90,
    snapshot_timeout: SnapshotTimeout = 3600,
    as_json: AsJson = False,
    _stack: OwnerStackOption = None,
) -> None:
    """Start a connector anew with a new snapshot, and wait until the snapshot's end is in its topic.

    What the new snapshot does not show again is taken away by the worker. It may be run again after it was killed.

    Exit codes: 0 the snapshot is through and all is well; 1 it is not; 2 there is no such connector.
    """
    from connectors.registration import deployed
    from connectors.source import repair

    known = [one.name for one in deployed()]
    if name is not None and name not in known:
        raise typer.BadParameter(f"the connectors are {' and '.join(known)}", param_hint="NAME")
    wanted = known if name is None else [name]
    found = repair.resnapshot(_connector_settings(), wanted, timeout, snapshot_timeout, _say(as_json=as_json))
    _print_health(found, as_json=as_json)


@connectors_app.command("restart")
def restart_connectors(*, timeout: Timeout = 90, as_json: AsJson = False, _stack: OwnerStackOption = None) -> None:
    """Restart the connectors with their tasks and wait until they run.

    Exit codes: 0 they run; 1 they do not.
    """
    from connectors import registration

    _print_connectors(registration.restart(_connector_settings(), timeout), as_json=as_json)


@connectors_app.command("delete")
def delete_connectors(*, as_json: AsJson = False, _stack: OwnerStackOption = None) -> None:
    """Take the connectors away. Replication slots and what was sent stay: applied again, they go on where they stopped.

    Exit codes: 0 they are gone; 1 they are not.
    """
    from connectors import registration

    _print_connectors(registration.delete(_connector_settings()), as_json=as_json)


def _connector_settings() -> Any:  # noqa: ANN401 - the type is imported with the command
    from connectors.settings import ConnectorSettings

    return ConnectorSettings()


def _print_connectors(found: list[ConnectorState], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], indent=2))
        return
    for one in found:
        tasks = f" (tasks: {', '.join(one.tasks)})" if one.tasks else ""
        typer.echo(f"{one.name}: {one.state}{tasks}{f': {one.trace}' if one.trace else ''}")


def _say(*, as_json: bool) -> Callable[[str], None]:
    """Print progress, beside the JSON where that is wanted."""
    return lambda sentence: typer.echo(sentence, err=as_json)


def _print_health(found: list[Health], *, as_json: bool, tolerant: bool = False) -> None:
    """Print connectors with what is wrong; end with 1 where something is."""
    if as_json:
        typer.echo(json.dumps([one.describe() for one in found], indent=2))
    else:
        for one in found:
            tasks = f" (tasks: {', '.join(one.tasks)})" if one.tasks else ""
            age = one.last_record_age_seconds
            typer.echo(f"{one.name}: {one.state}{tasks}{'' if age is None else f', last record {age:.1f} s ago'}")
            for finding in one.findings:
                typer.echo(f"  {finding.severity} {finding.code}: {finding.message}. Remedy: {finding.remedy}")
    if not tolerant and not all(one.well for one in found):
        raise typer.Exit(1)
