"""Commands of the database: `rewards database upgrade`."""

from __future__ import annotations

import typer

database_app = typer.Typer(no_args_is_help=True, help="The schema of sunroc_rewards.")


@database_app.callback()
def database() -> None:
    """Keep `upgrade` a subcommand (Typer would make a single command the group itself)."""


@database_app.command()
def upgrade() -> None:
    """Bring the schema to the newest version, as its owner (REWARDS_OWNER_DATABASE_URL). Does nothing the second time.

    Exit codes: 0 it is the newest; 1 the upgrade failed, and nothing of it stays.
    """
    from migration.schema import upgrade as upgrade_schema
    from migration.settings import OwnerSettings

    before, after = upgrade_schema(OwnerSettings().owner_database_url.get_secret_value())
    typer.echo(
        f"The schema is at version {after}." if before == after else f"Upgraded from {before or 'nothing'} to {after}."
    )
