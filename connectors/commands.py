"""Commands of the stack and of the connectors: `rewards up`, `down`, `status`, `connectors …`."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connectors.errors import ConnectorsError
from connectors.options import FolderOption, OwnerStackOption

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.local.folder import StackFolder
    from connectors.registration import ConnectorState
    from connectors.source.check import Health

connectors_app = typer.Typer(no_args_is_help=True, help="Register the Debezium connectors with Kafka Connect.")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Timeout = Annotated[float, typer.Option(min=0, help="Seconds to wait until every task runs.")]
SnapshotTimeout = Annotated[float, typer.Option(min=0, help="Seconds to wait for the end of a new snapshot.")]


def up(
    context: typer.Context,
    *,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return once everything runs; `rewards down` stops it.")
    ] = False,
    feed: Annotated[
        bool, typer.Option("--feed/--no-feed", help="Sample data and a feed that keeps changing it.")
    ] = True,
    data: FolderOption = None,
    business_date: Annotated[
        dt.datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Start on this business date; `rewards day --to` moves it on."),
    ] = None,
    only: Annotated[str | None, typer.Option(hidden=True, help="Names of units, comma separated: for tests.")] = None,
    background: Annotated[bool, typer.Option("--background", hidden=True, help="What --detach starts.")] = False,
) -> None:
    """Start the stack: Postgres, Kafka, Connect with Debezium, worker, lag, web, feed. Ctrl-C stops all of it.

    A worker, or another part that the rest can do without, that does not come up does not stop the start: it is named.

    Exit codes: 0 it was started (and, in the foreground, stopped again), runs already, or is being started; 1 it did not
    start, and nothing of it is left; 130 Ctrl-C during the start (143 SIGTERM).
    """
    from connectors.errors import StackRunningError
    from connectors.local import lifecycle, stack
    from connectors.local.folder import StackFolder
    from connectors.local.terminal import StartShown
    from connectors.settings import LocalSettings

    folder = StackFolder(data)
    settings = LocalSettings()
    if folder.supervised():
        _say_running(folder, wait=detach)
        return
    day = business_date.date().isoformat() if business_date else None
    wanted = stack.Wanted(feed, day, tuple(only.split(",")) if only else ())
    formatter = context.obj.log_formatter(settings.log_format)
    if background:
        # Its output goes to a file, which passwords do not belong in.
        lifecycle.run(folder, settings, wanted, lambda _state: None, formatter)
        return
    lifecycle.prepare(settings)
    ended_by = None
    try:
        with StartShown(folder) as shown:
            if detach:
                arguments = ["--feed" if feed else "--no-feed", *(("--business-date", day) if day else ())]
                lifecycle.detach(folder, [*arguments, *(("--only", only) if only else ())], shown.changed)
            else:
                ended_by = lifecycle.run(folder, settings, wanted, shown.changed, formatter)
    except StackRunningError:
        # Two starts at once: the other one was quicker.
        _say_running(folder, wait=detach)
    if ended_by is not None:
        raise typer.Exit(128 + ended_by)


def _say_running(folder: StackFolder, *, wait: bool) -> None:
    """Say of a stack that somebody started before that it runs, and where; or that it is being started."""
    from connectors.local import lifecycle
    from connectors.local.terminal import StartShown, print_running

    state = folder.state().get("state")
    if state == "running":
        typer.echo(f"The stack in {folder.path} is running already.")
        print_running(folder)
        return
    typer.echo(
        f"The stack in {folder.path} is being {'stopped' if state == 'stopping' else 'started'} already;"
        f" `{folder.command('status')}` says how far it is."
    )
    if wait and state != "stopping":
        with StartShown(folder) as shown:
            lifecycle.follow(folder, shown.changed)


def restart(
    names: Annotated[list[str], typer.Argument(help="What to start again, as `rewards status` names it.")],
    *,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait until it runs.")] = 90,
    data: FolderOption = None,
    as_json: AsJson = False,
) -> None:
    """Start parts of a stack that runs again at once, also one that failed and stays down, or waits for its next try.

    Exit codes: 0 they run again; 1 one of them does not (the reason is printed), or no stack is running.
    """
    from connectors.local import restarts
    from connectors.local.folder import StackFolder

    folder = StackFolder(data)
    entries = [restarts.restart(folder, name, timeout) for name in names]
    if as_json:
        typer.echo(json.dumps(entries, indent=2))
    else:
        for one in entries:
            why = "; ".join(filter(None, (one.get("reason"), one.get("remedy"))))
            typer.echo(f"{one['name']} is {one['state']}{f': {why}' if why else ''}.")
    if any(one["state"] not in {"running", "done"} for one in entries):
        raise typer.Exit(1)


def stacks(
    ids: Annotated[list[str] | None, typer.Argument(help="Only these (default: all).")] = None,
    *,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the data of stacks whose folder is gone.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before removing.")] = False,
    data: FolderOption = None,  # noqa: ARG001 - every command takes it
    as_json: AsJson = False,
) -> None:
    """List databases that root's stacks keep outside of their folders, and remove those whose folder is gone.

    A folder may be gone because its disk is away, or because it was moved: the next `rewards up` there finds its data.

    Exit codes: 0 done; 1 one could not be removed, or you said no.
    """
    from dataclasses import asdict

    from connectors.local import shared_data
    from connectors.local.terminal import print_shared_data

    found = [one for one in shared_data.found() if not ids or one.stack_id in ids]
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], indent=2, default=str))
    else:
        print_shared_data(found)
    orphans = [one for one in found if not one.has_stack and not one.runs]
    if remove and orphans:
        if not yes:
            typer.confirm(f"Remove the data of {len(orphans)} stacks for good?", abort=True, err=True)
        for one in orphans:
            shared_data.remove(one)
        typer.echo(f"Removed {len(orphans)}.", err=as_json)


def down(*, data: FolderOption = None) -> None:
    """Stop the stack and every process of it, also after its supervisor was killed.

    Exit codes: 0 nothing of it runs any more; 1 something could not be stopped.
    """
    from connectors.local import lifecycle
    from connectors.local.folder import StackFolder

    folder = StackFolder(data)
    ended = lifecycle.down(folder)
    typer.echo(f"Stopped {ended} processes." if ended else f"No stack is running in {folder.path}.")


def status(*, data: FolderOption = None, as_json: AsJson = False) -> None:
    """Say what runs, how it is, and where to reach it. The JSON holds passwords.

    Exit codes: 0 everything runs and what is captured is sound; 1 something does not, or is not; 3 no stack was ever started in
    this folder.
    """
    from connectors.errors import StackNotRunningError
    from connectors.local import lifecycle
    from connectors.local.folder import StackFolder
    from connectors.local.terminal import print_status

    try:
        state = lifecycle.status(StackFolder(data))
    except StackNotRunningError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(3) from error
    if as_json:
        typer.echo(json.dumps(state, indent=2))
    else:
        print_status(state)
    unsound = any(finding["severity"] == "error" for one in state["sources"] for finding in one["findings"])
    if unsound or state["state"] != "running" or any(one["state"] != "running" for one in state["processes"]):
        raise typer.Exit(1)


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
