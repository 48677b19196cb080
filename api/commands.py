"""The commands of the website: `rewards api`, `rewards api samples`, `rewards api logins`."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="The website: pages, JSON and live updates.", no_args_is_help=False)


@app.callback(invoke_without_command=True)
def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on; REWARDS_WEB_HOST without it.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on, 0 for any; REWARDS_WEB_PORT without it.")] = None,
) -> None:
    """Run the web app until it is stopped."""
    if context.invoked_subcommand is not None:
        return
    import uvicorn

    from api.app import create_app
    from api.logs import log_to_standard_error
    from api.settings import WebSettings

    settings = WebSettings.model_validate({})
    log_to_standard_error()
    uvicorn.run(
        create_app(settings),
        host=host or settings.web_host,
        port=settings.web_port if port is None else port,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=3,
    )


@app.command()
def samples() -> None:
    """Write the sample's roles, groups, customers and users where they are missing."""
    from api.data.samples import write_samples
    from api.database import Database
    from api.settings import DatabaseSettings

    database = Database(DatabaseSettings.model_validate({}).database_url.get_secret_value(), connections=2)
    try:
        with database.writing.begin() as session:
            added = write_samples(session)
    finally:
        database.close()
    typer.echo(f"{added} sample users added.")


@app.command()
def logins(*, as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Print the sample logins."""
    import json

    from api.data.samples import LOGINS

    if as_json:
        found = [{"email": o.email, "password": o.password, "role": o.role.title, "sees": o.sees} for o in LOGINS]
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    width = max(len(login.email) for login in LOGINS)
    for login in LOGINS:
        typer.echo(f"{login.email:<{width}}  {login.password:<14} {login.role.title:<14} {login.sees}")
