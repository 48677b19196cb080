"""The commands `rewards database …` and `rewards migrate …`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from migration.options import AllowMyisam, AsJson, CatchUp, From, LegacyZone, Merge, MergeEmails, Strict
from streams.options import OwnerStackOption, StackOption

if TYPE_CHECKING:
    from api.core.encryption import FieldCipher
    from migration.comparison import Comparison
    from migration.figures import Options
    from migration.rules.rule import Zones

database_app = typer.Typer(no_args_is_help=True, help="The schema of sunroc_rewards.")


class LegacyServer(Protocol):
    """A legacy database server that was started for the demonstration."""

    @property
    def url(self) -> str:
        """The server's address: mysql://user:password@127.0.0.1:port/."""

    def load(self, script: Path) -> object:
        """Run an SQL script."""


SAMPLE = Path(__file__).parent / "sample" / "rewards_program.sql"


@database_app.callback()
def database(*, _stack: StackOption = None) -> None:
    """Keep `upgrade` a subcommand (Typer would make a single command the group itself)."""


@database_app.command()
def upgrade(*, _stack: StackOption = None) -> None:
    """Bring the schema to the newest version, as its owner (REWARDS_OWNER_DATABASE_URL). Does nothing the second time.

    Exit codes: 0 it is the newest; 1 the upgrade failed, and nothing of it stays.
    """
    from migration.schema import upgrade as upgrade_schema

    before, after = upgrade_schema(_owner_url())
    typer.echo(
        f"The schema is at version {after}." if before == after else f"Upgraded from {before or 'nothing'} to {after}."
    )


def migrate_app(demo_server: Callable[[], AbstractContextManager[LegacyServer]]) -> typer.Typer:
    """The commands `rewards migrate …`.

    Args:
        demo_server: starts a legacy server for `demo`; this package knows nothing of starting servers.
    """
    app = typer.Typer(
        no_args_is_help=True,
        help="Move the legacy database rewards_program (MySQL or MariaDB) into sunroc_rewards: plan, run, verify, report, rollback."
        " docs/migration.md tells the weekend.",
    )
    for command in (plan, run, verify, report, rollback):
        app.command()(command)

    @app.command()
    def demo(*, _stack: OwnerStackOption = None) -> None:
        """Start a MariaDB with the sample in it, migrate it into this stack, and show plan, run, report and verification.

        Exit codes: 0 everything is the same on both sides; 1 something failed or differs.
        """
        with demo_server() as server:
            server.load(SAMPLE)
            address = f"{server.url.rstrip('/')}/rewards_program"
            for title, step in (("plan", plan), ("run", run), ("report", None), ("verify", verify)):
                typer.secho(f"\n$ rewards migrate {title}{' --from mysql://…' if step else ''}", bold=True)
                if step is None:
                    report()
                else:
                    step(address)

    return app


def plan(
    source: From,
    *,
    strict: Strict = False,
    legacy_zone: LegacyZone = "America/Denver",
    merge_emails: Merge = None,
    catch_up: CatchUp = False,
    allow_myisam: AllowMyisam = False,
    as_json: AsJson = False,
    _stack: OwnerStackOption = None,
) -> None:
    """Read everything and write nothing: what would move, what would be changed or refused and why, and how long a run takes.

    Where REWARDS_OWNER_DATABASE_URL names the new database (as the stack in --data does), it is compared with what stands there.
    Exit codes: 0 a run would succeed; 1 it would not (the reason is printed).
    """
    import time

    from api.core.encryption import FieldCipher, new_key
    from migration import terminal
    from migration.run import plan as make_plan

    options = _options(
        legacy_zone, strict=strict, merge_emails=merge_emails, catch_up=catch_up, allow_myisam=allow_myisam
    )
    started = time.monotonic()
    owner_url = _owner_url_if_any()
    # Without a new database nothing stays of what is encrypted here, so any key will do.
    cipher = _cipher() if owner_url else FieldCipher.from_setting(new_key())
    if as_json:
        figures = make_plan(source, options, cipher, terminal.Silence(), owner_url)
        _print_json(figures.told())
    else:
        console = terminal.console()
        with terminal.ShownProgress(console, "reading") as progress:
            figures = make_plan(source, options, cipher, progress, owner_url)
        terminal.print_plan(console, figures, time.monotonic() - started, compared=owner_url is not None)
    figures.survey.require_snapshot(allowed=allow_myisam)


def run(
    source: From,
    *,
    strict: Strict = False,
    legacy_zone: LegacyZone = "America/Denver",
    merge_emails: Merge = None,
    catch_up: CatchUp = False,
    allow_myisam: AllowMyisam = False,
    as_json: AsJson = False,
    _stack: OwnerStackOption = None,
) -> None:
    """Move everything in one transaction, as the schema's owner. Killed or failed, nothing of it stays; run again, nothing changes.

    What changed in the legacy database since the last run is named, and moves with --catch-up alone.

    Exit codes: 0 everything moved, but for the rows that the report names; 1 it failed (the reason is printed).
    """
    from migration import terminal
    from migration.run import run as do_run

    options = _options(
        legacy_zone, strict=strict, merge_emails=merge_emails, catch_up=catch_up, allow_myisam=allow_myisam
    )
    cipher = _cipher()
    if as_json:
        _print_json(do_run(source, _owner_url(), options, cipher, terminal.Silence()).told())
        return
    console = terminal.console()
    with terminal.ShownProgress(console, "all tables") as progress:
        figures = do_run(source, _owner_url(), options, cipher, progress)
    terminal.print_run(console, figures)


def verify(source: From, *, as_json: AsJson = False, _stack: OwnerStackOption = None) -> None:
    """Compare every row of every mapped table, value by value: the legacy one after the rules, and the new one.

    Zone and merging of e-mails are those of the last run. Exit codes: 0 everything is the same; 1 something differs, and is named.
    """
    from dataclasses import asdict

    from migration import terminal
    from migration.report import report as last_run
    from migration.verify import verify as compare

    cipher = _cipher()
    chosen = last_run(_owner_url()).options
    zones = _zones(chosen["legacy_zone"], chosen["business_zone"])
    merged = bool(chosen["merge_emails"])
    if as_json:
        found = compare(source, _owner_url(), zones, cipher, merge_emails=merged, show=lambda _table, _rows: None)
        _print_json([asdict(comparison) | {"same": comparison.same} for comparison in found])
    else:
        console = terminal.console()
        with console.status("comparing") as status:
            counted: dict[str, int] = {}

            def show(table: str, rows: int) -> None:
                counted[table] = counted.get(table, 0) + rows
                status.update(f"comparing {table}: {counted[table]:,} rows")

            found = compare(source, _owner_url(), zones, cipher, merge_emails=merged, show=show)
        terminal.print_comparisons(console, found)
    if not _all_same(found):
        raise typer.Exit(1)


def report(
    *,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write it as a page that needs nothing else.")
    ] = None,
    as_json: AsJson = False,
    _stack: OwnerStackOption = None,
) -> None:
    """Tell what the last run did: counts a table, every changed value by rule, refused rows, sums of points old and new.

    Exit codes: 0 there it is; 1 nothing was migrated yet.
    """
    from migration import terminal
    from migration.page import page
    from migration.report import report as last_run

    found = last_run(_owner_url())
    if html is not None:
        html.write_text(page(found), encoding="utf-8")
        typer.echo(f"Written to {html}.")
    elif as_json:
        _print_json(found.told())
    else:
        terminal.print_report(terminal.console(), found)


def rollback(
    *,
    discard_changes: Annotated[
        bool, typer.Option("--discard-changes", help="Remove rows as well that the new system has changed since.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    _stack: OwnerStackOption = None,
) -> None:
    """Take all runs back: remove the rows that they put into the new database, their entries and reports. A later run begins anew.

    The new system's own rows stay, and rows that stood there before. Exit codes: 0 it is as before the first run; 1 it could not be
    done (the reason is printed), and nothing was changed.
    """
    from migration.rollback import roll_back

    if not yes:
        typer.confirm("Remove everything that was migrated from the new database?", abort=True)
    removed = roll_back(_owner_url(), discard_changes=discard_changes)
    for name, rows in removed.items():
        typer.echo(f"{name}: {rows:,} rows removed")


def _owner_url() -> str:
    from migration.settings import OwnerSettings

    return OwnerSettings.model_validate({}).owner_database_url.get_secret_value()


def _owner_url_if_any() -> str | None:
    from migration.settings import TargetSettings

    url = TargetSettings.model_validate({}).owner_database_url
    return None if url is None else url.get_secret_value()


def _cipher() -> FieldCipher:
    from api.core.encryption import FieldCipher
    from api.core.settings import EncryptionSettings

    return FieldCipher.from_setting(EncryptionSettings.model_validate({}).field_keys.get_secret_value())


def _options(
    legacy_zone: str, *, strict: bool, merge_emails: MergeEmails | None, catch_up: bool, allow_myisam: bool
) -> Options:
    from migration.figures import Options
    from migration.settings import ZoneSettings

    zones = _zones(legacy_zone, ZoneSettings.model_validate({}).timezone)
    return Options(
        zones, strict=strict, merge_emails=merge_emails is not None, catch_up=catch_up, allow_myisam=allow_myisam
    )


def _zones(legacy: str, business: str) -> Zones:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    from migration.rules.rule import Zones

    try:
        return Zones(ZoneInfo(legacy), ZoneInfo(business))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise typer.BadParameter(
            f"{legacy}: no such time zone; write one like America/Denver", param_hint="--legacy-zone"
        ) from error


def _all_same(found: list[Comparison]) -> bool:
    return all(comparison.same for comparison in found)


def _print_json(found: object) -> None:
    import json

    typer.echo(json.dumps(found, ensure_ascii=False, default=str))
