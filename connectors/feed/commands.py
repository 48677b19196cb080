"""`rewards feed`: realistic changes in the warehouse, as an ERP would make them."""

from __future__ import annotations

import datetime as dt
import json
import signal
import time
from dataclasses import asdict, dataclass
from threading import Event
from typing import TYPE_CHECKING, Annotated, Final

import typer

from connectors.options import StackOption

if TYPE_CHECKING:
    from connectors.feed.business_date import BusinessDate
    from connectors.feed.warehouse import Warehouse

ROWS_LOADED_A_CUSTOMER: Final = 20


def feed(
    *,
    customers: Annotated[
        int, typer.Option(min=1, help="Customers that take part; M-1001, 1002, 1003, 1007, 1012 first.")
    ] = 200,
    rows: Annotated[int, typer.Option(min=0, help="Row changes to write, then stop; 0: without an end.")] = 1_000,
    rate: Annotated[float, typer.Option(min=0, help="Changes a second; 0: as fast as possible.")] = 20,
    seed: Annotated[int, typer.Option(help="The same seed on the same table makes the same changes.")] = 1,
    load: Annotated[
        int | None, typer.Option(min=0, help="Rows of history for an empty table (default: 20 a customer).")
    ] = None,
    bad_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of changes that make a row bad for a while.")
    ] = 0.001,
    business_date: Annotated[
        dt.datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Date that rows are dated by (default: the stack's)."),
    ] = None,
    enrol: Annotated[
        bool, typer.Option("--enrol/--no-enrol", help="Add sample reward groups that are missing.")
    ] = True,
    truncate_and_reload: Annotated[
        bool, typer.Option("--truncate-and-reload", help="Empty the table and load the same rows again; then stop.")
    ] = False,
    chunks: Annotated[int, typer.Option(min=1, help="Transactions of the reload; 1: all in one.")] = 1,
    forever: Annotated[bool, typer.Option("--forever", help="The same as --rows 0.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
    _stack: StackOption = None,
) -> None:
    """Write realistic changes into the warehouse: invoices, payments, credits, corrections, moves, deletes.

    An empty table gets a history of eight months first. Ctrl-C ends after the transaction that is being written.
    A reload that was interrupted is completed first.

    Exit codes: 0 done, or stopped by a signal; 1 the warehouse cannot be written (the reason is printed).
    """
    from connectors.feed.business_date import BusinessDate
    from connectors.feed.settings import FeedError, FeedSettings
    from connectors.feed.warehouse import CONNECTION_LOST, Warehouse, first_line

    stop = _stop_on_signal()
    settings = FeedSettings()
    database_url = settings.database_url.get_secret_value() if settings.database_url else None
    calendar = BusinessDate(business_date.date() if business_date else None, database_url, settings.timezone)
    figures: dict[str, object] = {"seed": seed, "business_date": calendar.today().isoformat()}
    try:
        warehouse = Warehouse(settings.warehouse_url.get_secret_value())
        figures |= _reload(warehouse, chunks, stop, asked=truncate_and_reload)
        if not truncate_and_reload:
            figures["enrolled"] = _enrol(database_url, customers, calendar.today()) if enrol else 0
            wanted = ROWS_LOADED_A_CUSTOMER * customers if load is None else load
            changes = None if forever or rows == 0 else rows
            figures |= _write(warehouse, calendar, stop, _Plan(customers, seed, wanted, bad_share, changes, rate))
    except CONNECTION_LOST as error:
        raise FeedError(f"the connection was lost: {first_line(error)}") from error
    typer.echo(json.dumps(figures) if as_json else _sentence(figures))


@dataclass(frozen=True, slots=True)
class _Plan:
    """What was asked for."""

    customers: int
    seed: int
    load: int
    bad_share: float
    rows: int | None
    """None: without an end."""
    rate: float


def _write(warehouse: Warehouse, calendar: BusinessDate, stop: Event, plan: _Plan) -> dict[str, object]:
    """Fill an empty table, then write changes. Returns the figures."""
    from connectors.feed import catalog
    from connectors.feed.generator import Generator
    from connectors.feed.ledger import Ledger
    from connectors.feed.progress import Progress
    from connectors.feed.run import Feed

    ledger = Ledger()
    generator = Generator(
        seed=plan.seed,
        customers=catalog.customers(plan.customers),
        take_id=warehouse.take_id,
        ledger=ledger,
        bad_share=plan.bad_share,
    )
    run = Feed(warehouse, generator, calendar, stop)
    loaded = 0
    if warehouse.is_empty():
        with Progress("Loading history", "rows", plan.load) as progress:
            loaded = run.load(plan.load, progress.show)
    else:
        ledger.learn(warehouse.newest_rows())
    started = time.monotonic()
    with Progress("Writing changes", "changes", plan.rows) as progress:
        written = run.write(plan.rows, plan.rate, progress.show)
    seconds = time.monotonic() - started
    return {"loaded": loaded, "changes": written.changes, **asdict(written), "seconds": round(seconds, 3)}


def _reload(warehouse: Warehouse, chunks: int, stop: Event, *, asked: bool) -> dict[str, object]:
    """Truncate and reload where asked, or complete what was interrupted; returns the figures of what was done."""
    from connectors.feed.progress import Progress
    from connectors.feed.reload import is_interrupted, truncate_and_reload

    interrupted = is_interrupted(warehouse.connection)
    if not asked and not interrupted:
        return {}
    if interrupted:
        typer.echo("A reload was interrupted: its rows were set aside and are loaded now.", err=True)
    started = time.monotonic()
    with Progress("Reloading", "rows", None) as progress:
        done = truncate_and_reload(warehouse.connection, chunks, progress.show, stop)
    if done.rows_loaded < done.rows_set_aside and stop.is_set():
        typer.echo("Stopped: the rows that are still aside are loaded by the next call of `rewards feed`.", err=True)
    return {**asdict(done), "reload_seconds": round(time.monotonic() - started, 3)}


def _enrol(database_url: str | None, customers: int, today: dt.date) -> int | None:
    """Enrol the sample customers; None where nobody can be. The feed belongs to the warehouse and goes on without."""
    from connectors.feed.enrolment import enrol
    from connectors.feed.settings import FeedError

    if database_url is None:
        typer.echo("Nobody is enrolled: REWARDS_DATABASE_URL is not set", err=True)
        return None
    try:
        return enrol(database_url, customers, today)
    except FeedError as error:
        typer.echo(f"Nobody is enrolled: {error}", err=True)
        return None


def _stop_on_signal() -> Event:
    """An event that Ctrl-C and a supervisor's SIGTERM set; a second Ctrl-C ends at once."""
    from connectors.local.own_process import set_from_a_signal

    stop = Event()

    def ask_to_stop(_number: int, _frame: object) -> None:
        set_from_a_signal(stop)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, ask_to_stop)
    signal.signal(signal.SIGTERM, ask_to_stop)
    return stop


def _sentence(figures: dict[str, object]) -> str:
    """The figures for a person."""
    return "; ".join(f"{name.replace('_', ' ')} {value}" for name, value in figures.items() if value is not None)
