"""Commands of the stream: `rewards worker`, `topics`, `wait`, `day`, `points`, `reload`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.options import LogLevelOption, MetricsPortOption, StackOption

if TYPE_CHECKING:
    from streams.jobs.waiting import SourceFault

reload_app = typer.Typer(
    no_args_is_help=True, help="Truncates and new snapshots of a captured table that have not shown all rows again."
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def worker(
    *,
    metrics_port: MetricsPortOption = None,
    log_level: LogLevelOption = None,
    _stack: StackOption = None,
) -> None:
    """Run one worker in the foreground. Several may run, also on other machines: each takes its share of the partitions.

    Exit codes: 0 stopped by a signal; 65 a source topic was made anew or lost records (the message says what leads out); 70 a fault of
    ours (nothing was committed after it).
    """
    from streams import logs
    from streams.settings import LogSettings, MetricsSettings, StreamSettings
    from streams.worker.app import run_worker

    logging, metrics = LogSettings(), MetricsSettings()
    logs.configure(logging.log_format, log_level or logging.log_level)
    run_worker(StreamSettings(), metrics.at(metrics_port))


topics_app = typer.Typer(invoke_without_command=True)


@topics_app.callback()
def topics(context: typer.Context, *, _stack: StackOption = None) -> None:
    """Create the program's topics where they are missing, and set what differs of the others. Does nothing the second time.

    Exit codes: 0 they exist; 1 no broker answers, or one has another number of partitions.
    """
    from streams.settings import StreamSettings
    from streams.topic_admin import ensure_topics
    from streams.topics import ALL

    if context.invoked_subcommand is not None:
        return
    created, altered = ensure_topics(StreamSettings().kafka, ALL)
    if created:
        typer.echo(f"Created {', '.join(created)}.")
    for name, settings in altered.items():
        typer.echo(f"Set {', '.join(f'{setting}={value}' for setting, value in settings.items())} of {name}.")
    if not (created or altered):
        typer.echo("All topics exist.")


@topics_app.command("adopt")
def adopt_topics(
    names: Annotated[list[str] | None, typer.Argument(metavar="[TOPIC]…", help="Default: all that are read.")] = None,
    *,
    as_json: AsJson = False,
    _stack: StackOption = None,
) -> None:
    """Take source topics as they stand after they were made anew or lost records: they are read from their beginning.

    The worker stops where it finds such a topic, and says so; no worker may run. What was lost comes back with a new snapshot alone,
    `rewards connectors resnapshot`. Does nothing where all is well.

    Exit codes: 0 done; 1 a topic is missing or has another number of partitions, a worker runs, or something does not answer.
    """
    from dataclasses import asdict

    from streams.jobs.adoption import adopt
    from streams.settings import StreamSettings

    settings = StreamSettings()
    adopted = adopt(settings.kafka, settings.database_url.get_secret_value(), names or ())
    lines = [
        f"{one.topic}: {len(one.partitions)} partitions are read from their beginning ({one.kind.replace('_', ' ')})."
        for one in adopted
    ]
    if any(one.lost for one in adopted):
        lines.append("Changes may be missing: run `rewards connectors resnapshot` now.")
    lines.append(
        "Then start the worker (`rewards restart worker` in a stack)."
        if adopted
        else "All topics are those that are read."
    )
    _echo({"adopted": [asdict(one) for one in adopted]}, "\n".join(lines), as_json=as_json)


def wait_command(source_faults: Callable[[], list[SourceFault]]) -> Callable[..., None]:
    """Return the command `wait`; `source_faults` looks at what is captured, which this package knows nothing of."""

    def wait(
        *,
        timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait at most.")] = 60.0,
        as_json: AsJson = False,
        _stack: StackOption = None,
    ) -> None:
        """Wait until everything committed to the warehouse before this call stands in sunroc_rewards.

        Says so only where what is captured was seen to be sound: a table that left its publication sends nothing to wait for, and a topic
        that was made anew may lack what was never read.

        Exit codes: 0 it does; 1 it does not yet, or a partition is halted, or it cannot be known, or something is away (the reason is
        printed).
        """
        from streams.errors import SettingsError
        from streams.jobs.adoption import faults_of_topics
        from streams.jobs.waiting import wait_until_caught_up
        from streams.settings import StreamSettings

        settings = StreamSettings()
        if settings.warehouse_url is None:
            raise SettingsError(
                "REWARDS_WAREHOUSE_URL is not set; the warehouse is where what is waited for was committed"
            )
        seconds = wait_until_caught_up(
            settings.warehouse_url.get_secret_value(),
            settings.database_url.get_secret_value(),
            timeout,
            lambda: faults_of_topics(settings.kafka, settings.database_url.get_secret_value()),
            source_faults,
        )
        _echo({"caught_up": True, "seconds": round(seconds, 3)}, f"Caught up after {seconds:.2f} s.", as_json=as_json)

    return wait


def day(
    *,
    to: Annotated[dt.datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Move on to this date.")] = None,
    start: Annotated[dt.datetime | None, typer.Option(formats=["%Y-%m-%d"], hidden=True)] = None,
    as_json: AsJson = False,
    _stack: StackOption = None,
) -> None:
    """Show the business date, or move it on where the stack was started with --business-date.

    Exit codes: 0 done; 1 the date follows the clock, or lies before the one that is open.
    """
    from streams.jobs.business_day import move_day, read_day, start_day
    from streams.settings import StreamSettings

    url = StreamSettings().database_url.get_secret_value()
    if start is not None:
        found = start_day(url, start.date())
    elif to is not None:
        found = move_day(url, to.date())
    else:
        found = read_day(url)
    text = f"{found.business_date} ({'moved by hand' if found.manual else 'follows the clock'})"
    _echo({"business_date": found.business_date.isoformat(), "manual": found.manual}, text, as_json=as_json)


def points(
    master_id: Annotated[str, typer.Argument(help="The customer_master_id, e.g. M-1001.")],
    *,
    limit: Annotated[int, typer.Option(min=0, help="Entries of the log to show.")] = 20,
    as_json: AsJson = False,
    _stack: StackOption = None,
) -> None:
    """Show a customer's points a company, what is pending and at risk, and the log that explains them.

    Exit codes: 0 done; 1 nothing is known of the customer.
    """
    from streams.jobs.customer_report import customer_report
    from streams.settings import StreamSettings

    report = customer_report(StreamSettings().database_url.get_secret_value(), master_id, log_limit=limit)
    if as_json:
        _echo(report, "", as_json=True)
    else:
        from streams.jobs.terminal import print_report

        print_report(report)
    if not (report["membership"] or report["companies"] or report["log"]):
        raise typer.Exit(1)


@reload_app.command("status")
def reload_status(*, as_json: AsJson = False, _stack: StackOption = None) -> None:
    """Show each truncate or snapshot that is not over: what it has not shown again, what it waits for, and what leads out.

    Exit codes: 0 none of them waits for a person's word; 1 one does, or Postgres does not answer.
    """
    from streams.jobs.reloads import describe, read_reloads
    from streams.settings import StreamSettings

    found = read_reloads(StreamSettings().database_url.get_secret_value())
    lines = [f"{one.sentence}.{f' Remedy: {one.remedy}.' if one.remedy else ''}" for one in found]
    text = "\n".join(f"{line[0].upper()}{line[1:]}" for line in lines)
    _echo([describe(one) for one in found], text or "No reload is open.", as_json=as_json)
    if any(one.waits_for_a_word for one in found):
        raise typer.Exit(1)


@reload_app.command("accept")
def reload_accept(
    topic: Annotated[
        str | None, typer.Argument(help="invoices, memberships, or a topic's name (default: all).")
    ] = None,
    *,
    as_json: AsJson = False,
    _stack: StackOption = None,
) -> None:
    """Say that what a truncate or a snapshot has not shown again is gone: it is retired at once, and its points are taken.

    Nothing is lost for good: rows that come later count again. Run again, it does nothing.

    Exit codes: 0 it is being retired, or nothing is open; 1 what is missing cannot be known yet, or Postgres does not answer; 2 no
    such topic.
    """
    from streams.jobs.reloads import accept_reloads, describe, this_user, topic_names
    from streams.settings import StreamSettings

    if topic is not None and topic not in topic_names():
        raise typer.BadParameter(f"it is one of {', '.join(topic_names())}", param_hint="TOPIC")
    answers = accept_reloads(StreamSettings().database_url.get_secret_value(), topic, this_user())
    value = [
        describe(one.epoch)
        | {
            "accepted": one.accepted,
            "said": one.said,
            "retired": one.retired,
            "points": one.points,
            "pending": one.pending,
        }
        for one in answers
    ]
    _echo(
        value,
        "\n".join(one.said for one in answers) or "No reload is open: there is nothing to accept.",
        as_json=as_json,
    )
    if not all(one.accepted for one in answers):
        raise typer.Exit(1)


def _echo(value: Any, text: str, *, as_json: bool) -> None:  # noqa: ANN401 -- anything JSON can hold
    if not as_json:
        typer.echo(text)
        return
    import orjson

    typer.echo(orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2).decode())
