"""Commands of a person who decides: `rewards dead-letters`."""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer

from streams.options import StackOption

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from streams.jobs.dead_letters import Decided

app = typer.Typer(help="Records that could not be used, and the ways on.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Numbers = Annotated[list[int] | None, typer.Argument(metavar="ID…", help="Dead letters, as `list` numbers them.")]
Everything = Annotated[bool, typer.Option("--all", help="Every letter that nobody has decided on.")]
POLL_SECONDS: Final = 0.1


@app.command("list")
def list_letters(
    *,
    everything: Annotated[bool, typer.Option("--all", help="Also those that were decided on.")] = False,
    status: Annotated[
        list[str] | None,
        typer.Option(help="Only those that are open, accepted, retried, discarded or superseded; may be repeated."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="The most letters to show, the newest first.")] = 500,
    as_json: AsJson = False,
    _stack: StackOption = None,
) -> None:
    """Show the records that could not be used, why, and which partitions wait for a decision. Never their bytes.

    A letter is superseded once a later record of its row has come. As JSON a list of letters; `halted_at` of those that a partition
    waits for.

    Exit codes: 0 shown; 1 Postgres does not answer; 2 there is no such status.
    """
    from streams.jobs.dead_letters import STATUSES, find_letters
    from streams.jobs.terminal import print_letters

    if unknown := set(status or ()) - set(STATUSES):
        raise typer.BadParameter(
            f"{', '.join(sorted(unknown))}: there are {', '.join(STATUSES)}", param_hint="--status"
        )
    with _cursor() as cursor:
        found = find_letters(cursor, STATUSES if everything else status or ("open",), limit)
    if not as_json:
        print_letters(found)
        return
    _echo([asdict(letter) for letter in found.letters])
    if found.count > len(found.letters):
        typer.echo(f"The newest {len(found.letters)} of {found.count}; --limit shows more.", err=True)


@app.command()
def accept(
    numbers: Numbers = None,
    *,
    everything: Everything = False,
    as_json: AsJson = False,
    _stack: StackOption = None,
) -> None:
    """Let the stream go on past letters, and past all bad records that are in their partitions by now.

    They stay here, and their rows count for nothing until they are corrected in the warehouse. Of no effect the second time.

    Exit codes: 0 accepted, now or before; 1 a letter is not there or was decided otherwise; 2 neither ID nor --all.
    """
    from streams.jobs import dead_letters

    chosen = _chosen(numbers, everything=everything)
    with _cursor() as cursor:
        decided = dead_letters.accept(cursor, chosen, getpass.getuser())
    _report(decided, "accepted", as_json=as_json)


@app.command()
def discard(
    numbers: Numbers = None,
    *,
    reason: Annotated[str, typer.Option(help="Why they are worth nothing, for whoever looks for their points later.")],
    everything: Everything = False,
    as_json: AsJson = False,
    _stack: StackOption = None,
) -> None:
    """Put letters aside for good, with a reason. A partition that was halted for nothing else goes on.

    Exit codes: 0 discarded, now or before; 1 a letter is not there or was decided otherwise, or the reason is empty; 2 neither ID
    nor --all, or no --reason.
    """
    from streams.jobs import dead_letters

    chosen = _chosen(numbers, everything=everything)
    with _cursor() as cursor:
        decided = dead_letters.discard(cursor, chosen, getpass.getuser(), reason)
    _report(decided, "discarded", as_json=as_json)


@app.command()
def retry(
    numbers: Numbers = None,
    *,
    everything: Everything = False,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait for the worker.")] = 30.0,
    as_json: AsJson = False,
    _stack: StackOption = None,
) -> None:
    """Have the worker try letters again at their true place, after the program was mended. Waits for how it comes out.

    A letter whose row a later record has changed since changes nothing. One that cannot be used still stays open, with its reason.

    Exit codes: 0 all could be used, now or before; 1 one could not, is not there or was decided otherwise, or no worker tried it in time;
    2 neither ID nor --all.
    """
    from streams.jobs import dead_letters

    chosen = _chosen(numbers, everything=everything)
    with _cursor() as cursor:
        decided = dead_letters.ask_for_retry(cursor, chosen, getpass.getuser())
    tried = decided.done
    _until(lambda cursor: not dead_letters.being_retried(cursor, tried), timeout)
    with _cursor() as cursor:
        decided = dead_letters.retried(cursor, decided)
    _report(decided, "retried", as_json=as_json)


def _chosen(numbers: list[int] | None, *, everything: bool) -> list[int] | None:
    """Return the letters that a command is about; None: every open one."""
    if bool(numbers) == everything:
        raise typer.BadParameter("name letters by their ID, or say --all", param_hint="ID…")
    return None if everything else numbers


@contextmanager
def _cursor() -> Iterator[Cursor]:
    from streams.postgres.session import connect, faults
    from streams.settings import StreamSettings

    connection = connect(StreamSettings().database_url.get_secret_value(), name="rewards dead-letters")
    try:
        with faults(), connection, connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def _until(ask: Callable[[Cursor], bool], timeout_seconds: float) -> None:
    """Ask, each time in a transaction of its own, until it is so or the time is over."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        with _cursor() as cursor:
            if ask(cursor) or time.monotonic() >= deadline:
                return
        time.sleep(POLL_SECONDS)


def _report(decided: Decided, word: str, *, as_json: bool) -> None:
    if as_json:
        _echo(
            {
                word: decided.done,
                "already": decided.already,
                "superseded": decided.superseded,
                "refused": decided.refused,
            }
        )
    else:
        typer.echo(f"{len(decided.done)} {word}." if decided.done else f"Nothing was to be {word}.")
        if decided.already:
            typer.echo(f"{len(decided.already)} {'was' if len(decided.already) == 1 else 'were'} {word} before.")
        if decided.superseded:
            typer.echo(f"Of {len(decided.superseded)} a later record has come: nothing is left to decide.")
        for number, why in decided.refused.items():
            typer.echo(f"{number}: {why}", err=True)
    if decided.refused:
        raise typer.Exit(1)


def _echo(value: object) -> None:
    import orjson

    options = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS
    typer.echo(orjson.dumps(value, default=str, option=options).decode())
