"""The command line of the website, `rewards api …`, and of the values that it encrypts, `rewards encryption …`."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from streams.errors import SettingsError
from streams.options import LogLevelOption, StackOption

if TYPE_CHECKING:
    from api.rotation.commands import Part

BACKLOG = 2048
"""Connections that wait to be accepted, as uvicorn has it."""

app = typer.Typer(help="The website: pages, JSON and live updates.", no_args_is_help=False)


@app.callback(invoke_without_command=True)
def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on; REWARDS_WEB_HOST without it.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on, 0 for any; REWARDS_WEB_PORT without it.")
    ] = None,
    log_level: LogLevelOption = None,
    _stack: StackOption = None,
) -> None:
    """Run the web app until it is stopped."""
    if context.invoked_subcommand is not None:
        return
    import contextlib

    from api.app import create_server
    from api.core.encryption import FieldCipher
    from api.core.server import allow_files
    from api.core.settings import EncryptionSettings, WebSettings
    from streams import logs
    from streams.settings import LogSettings

    logging, settings = LogSettings(), WebSettings.model_validate({})
    # The key is needed also where nothing is encrypted yet: a wrong one shows now, not when a trip has to be booked.
    cipher = FieldCipher.from_setting(EncryptionSettings.model_validate({}).field_keys.get_secret_value())
    logs.configure(logging.log_format, log_level or logging.log_level)
    allow_files(settings.connections)
    host, port = host or settings.web_host, settings.web_port if port is None else port
    server = create_server(settings, cipher, host=host, port=port)
    # uvicorn stops in good order on Ctrl-C, and then raises it again.
    with _listening(host, port) as listening, contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listening])


def _listening(host: str, port: int) -> socket.socket:
    """Return the socket to listen on, which uvicorn would open itself: where it cannot, it ends in its log's words."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise SettingsError(
            f"nobody can listen at {host} on port {port} ({error.strerror or error}):"
            " name another one with --port (0 takes any that is free) or --host, or stop what is there"
        ) from error


@app.command()
def samples(_stack: StackOption = None) -> None:
    """Write the sample's roles, groups, customers, prizes and users where they are missing."""
    from api.core.database import Database
    from api.core.settings import DatabaseSettings
    from api.samples.commands import write_samples

    database = Database(DatabaseSettings.model_validate({}).database_url.get_secret_value(), connections=2)
    try:
        with database.write_sessions.begin() as session:
            added = write_samples(session)
    finally:
        database.close()
    typer.echo(f"{added} sample users added.")


@app.command()
def logins(
    *, as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False, _stack: StackOption = None
) -> None:
    """Print the sample logins."""
    import json

    from api.samples.rows import LOGINS

    if as_json:
        found = [{"email": o.email, "password": o.password, "role": o.role.title, "sees": o.sees} for o in LOGINS]
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    width = max(len(login.email) for login in LOGINS)
    for login in LOGINS:
        typer.echo(f"{login.email:<{width}}  {login.password:<14} {login.role.title:<14} {login.sees}")


def encryption_app(parts: Callable[[], Sequence[Part]] = tuple) -> typer.Typer:
    """The commands `rewards encryption …`.

    Args:
        parts: gives the encrypted values of other packages, which are rotated after the website's own.
    """
    app = typer.Typer(help="Personal details: the keys that they are encrypted under.", no_args_is_help=True)
    app.command("new-key")(new_key)

    @app.command()
    def rotate(_stack: StackOption = None) -> None:
        """Encrypt anew whatever is not under the first key of REWARDS_FIELD_KEYS. Does nothing the second time.

        It may be interrupted and run again at any moment. Exit codes: 0 everything is under the first key; 1 some values cannot be
        decrypted, which are named and left as they are.
        """
        _rotate(parts())

    return app


def new_key(_stack: StackOption = None) -> None:
    """Print a fresh key for REWARDS_FIELD_KEYS. It is stored nowhere: keep it as docs/encryption.md says."""
    from api.core import encryption

    typer.echo(encryption.new_key())


def _rotate(parts: Sequence[Part]) -> None:
    from sqlalchemy.exc import OperationalError

    from api.core.database import Database
    from api.core.encryption import FieldCipher
    from api.core.settings import DatabaseSettings, EncryptionSettings
    from api.rotation.commands import Rotation
    from api.rotation.commands import rotate as rotate_values
    from api.rotation.queries import count_outdated
    from streams.errors import TransientError

    cipher = FieldCipher.from_setting(EncryptionSettings.model_validate({}).field_keys.get_secret_value())
    database = Database(DatabaseSettings.model_validate({}).database_url.get_secret_value(), connections=2)
    try:
        with database.read_sessions.begin() as session:
            total = count_outdated(session, cipher) + sum(part.count_outdated(session, cipher) for part in parts)
        with typer.progressbar(length=total, label="Encrypting anew", file=sys.stderr) as bar:

            def told(rotation: Rotation) -> None:
                bar.update(rotation.rewritten + rotation.failed - bar.pos)

            rotation = rotate_values(database, cipher, told, parts)
    except OperationalError as error:
        raise TransientError(f"the database does not answer, run it again later: {error.orig}".strip()) from error
    finally:
        database.close()
    typer.echo(f"{rotation.rewritten:,} value{'' if rotation.rewritten == 1 else 's'} encrypted anew.")
    if rotation.failed:
        for failure in rotation.failures:
            typer.echo(f"{failure}.", err=True)
        typer.echo(f"{rotation.failed:,} in all were left as they are: see docs/encryption.md.", err=True)
        raise typer.Exit(1)
