"""What the migration's commands print for a person: progress, and figures as tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Final, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from migration.comparison import Comparison
from migration.figures import Figures
from migration.report import RULES, Report, printable

RUN_IN_READINGS: Final = 2.3
"""A run takes about so many times as long as the reading of a plan, as measured (docs/benchmarks.md)."""


WIDTH: Final = 160
"""Of what goes into a file or a pipe, where nobody says how wide it is."""


def console() -> Console:
    """Where to print to."""
    found = Console()
    return found if found.is_terminal else Console(width=WIDTH)


class ShownProgress:
    """A bar a table, and one for all; where there is no terminal, a line a table."""

    def __init__(self, console: Console, what: str) -> None:
        self._console = console
        self._what = what
        self._bars = Progress(
            TextColumn("{task.description}", justify="left"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TimeRemainingColumn(), console=console,
        )  # fmt: skip
        self._total: TaskID | None = None
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def begin(self, totals: dict[str, int]) -> None:
        """Show a bar a table."""
        for table, rows in totals.items():
            self._tasks[table] = self._bars.add_task(table, total=max(rows, 1))
        self._total = self._bars.add_task(f"[bold]{self._what}", total=max(sum(totals.values()), 1))

    def advance(self, table: str, rows: int) -> None:
        """Move on."""
        self._bars.advance(self._tasks[table], rows)
        if self._total is not None:
            self._bars.advance(self._total, rows)

    def end(self, table: str, rows: int) -> None:
        """Fill a table's bar."""
        self._bars.update(self._tasks[table], completed=max(rows, 1), total=max(rows, 1))
        if not self._console.is_terminal:
            self._console.print(f"{table}: {rows:,} rows")

    def say(self, what: str) -> None:
        """Name a step that has no rows."""
        if self._total is not None:
            self._bars.update(self._total, description=f"[bold]{self._what}[/]: {what}")
        if not self._console.is_terminal:
            self._console.print(what)


class Silence:
    """For programs that read the outcome."""

    def begin(self, totals: dict[str, int]) -> None:
        """Say nothing."""

    def advance(self, table: str, rows: int) -> None:
        """Say nothing."""

    def end(self, table: str, rows: int) -> None:
        """Say nothing."""

    def say(self, what: str) -> None:
        """Say nothing."""


def print_plan(console: Console, figures: Figures, seconds: float, *, compared: bool) -> None:
    """What was found, what would become of it, and how long that would take."""
    console.print(f"[bold]{escape(figures.catalog.source)}[/] ({escape(figures.catalog.server)})")
    _print_survey(console, figures)
    tables = [
        (
            table.old,
            table.new,
            "{} of {}".format(*figures.survey.mapped[table.old]),
            table.read,
            table.written,
            table.rejected,
        )
        for table in figures.tables
    ]
    total = ("", "", "", *(sum(int(table[n]) for table in tables) for n in (3, 4, 5)))
    heads = ("legacy table", "new table", "columns that move", "rows", "would move", "would be refused")
    _print(console, "Tables", heads, [*tables, total])
    rows = [
        (table, column, RULES.get(rule, rule), count, _examples(figures, table, column, rule))
        for table, counts in figures.notes.counts.items()
        for (column, rule), count in counts.items()
    ]
    _print(console, "Values that would be changed", ("table", "column", "what and how", "values", "for example"), rows)
    refused = [(table, key, reason) for table, reasons in figures.notes.reasons.items() for key, reason in reasons]
    _print(console, "Rows that would be refused (the first ones)", ("table", "key", "reason"), refused)
    _print_changes(console, [table.told() for table in figures.tables])
    if not compared:
        console.print("[yellow]No new database was looked at: REWARDS_OWNER_DATABASE_URL, or a stack, names one.[/]")
    console.print(
        f"\nReading took {seconds:.1f} s; a run would take about {max(1, round(seconds * RUN_IN_READINGS))} s here."
        " Nothing was written."
    )


def print_run(console: Console, figures: Figures) -> None:
    """What a run did, shortly."""
    _print_tables(
        console,
        [table.told() | {"new": table.new} for table in figures.tables],
        ("read", "written", "kept", "rejected", "entries"),
    )
    _print_changes(console, [table.told() for table in figures.tables])
    _print_unprotected(console, figures.survey.unprotected)
    changed = sum(sum(counts.values()) for counts in figures.notes.counts.values())
    refused = sum(figures.notes.refused.values())
    console.print(
        f"\n{figures.rows:,} rows in {figures.seconds:.1f} s ({figures.rows / max(figures.seconds, 0.001):,.0f} a second);"
        f" {changed:,} values changed, {refused:,} rows refused: `rewards migrate report` names them."
        "\nNow `rewards migrate verify` with the same --from."
    )


def print_report(console: Console, report: Report) -> None:
    """The last run."""
    console.print(
        f"[bold]{escape(report.source)}[/] ({escape(report.server)}), finished {report.finished_at:%Y-%m-%d %H:%M:%S %Z},"
        f" {report.seconds:.1f} s"
    )
    tables = [table | {"new": name} for name, table in report.tables.items()]
    _print_tables(console, tables, ("read", "written", "kept", "rejected", "entries"))
    _print_changes(console, tables)
    _print_unprotected(console, report.left_behind.get("unprotected", []))
    points = [(kind.replace("_", " "), p["legacy"], p["refused"], p["log"]) for kind, p in report.points.items()]
    _print(console, "Points", ("entries", "legacy database", "of refused rows", "point log"), points)
    console.print(
        "[green]The log holds what the legacy database holds, but for refused rows.[/]"
        if report.points_agree
        else "[red]The log does not hold what the legacy database holds.[/]"
    )
    changes = [
        (
            c.table,
            c.column,
            RULES.get(c.rule, c.rule),
            c.count,
            "; ".join(f"{k}: {o} → {n}" for k, o, n in c.examples[:2]),
        )
        for c in report.changes
    ]
    _print(console, "Values that were changed", ("table", "column", "what and how", "values", "for example"), changes)
    refused = [(reject.table, reject.key, reject.reason) for reject in report.rejects]
    _print(console, f"Rows that were refused ({report.rejected:,})", ("table", "key", "reason"), refused)
    left = report.left_behind
    unknown = {*left["unknown_tables"], *left["unknown_columns"]}
    behind = [
        (f"table {name}", f"{rows:,} rows", "unknown" if name in unknown else "")
        for name, rows in left["tables"].items()
    ]
    behind += [(f"column {name}", "", "unknown") for name in left["unknown_columns"]]
    behind += [(f"column {name}", "", "") for name in left["dropped_columns"]]
    _print(console, "Left behind", ("what", "rows", "to the map"), behind)


def print_comparisons(console: Console, comparisons: Sequence[Comparison]) -> None:
    """What a verification found."""
    rows = [
        (c.name, c.rows_expected, c.rows_found, c.digest_expected[:12], c.digest_found[:12], c.differing)
        for c in comparisons
        if c.digest_expected or c.differing or c.rows_expected
    ]
    heads = ("table", "legacy, by the rules", "new", "digest", "digest of the new", "differing")
    _print(console, "Every row, value by value", heads, rows)
    for comparison in comparisons:
        for difference in comparison.differences:
            console.print(
                f"[red]{comparison.name} {escape(printable(difference.key))}: {escape(printable(difference.what))}[/]"
            )
        if comparison.own:
            console.print(f"{comparison.name}: {comparison.own:,} rows are the new system's own, made since.")
        if comparison.replaced:
            console.print(
                f"{comparison.name}: {comparison.replaced:,} passwords were replaced since, and are not compared."
            )
    differing = sum(comparison.differing for comparison in comparisons)
    console.print(
        f"[red]{differing:,} rows differ.[/]" if differing else "[green]Both databases hold the same, row by row.[/]"
    )


def _print_survey(console: Console, figures: Figures) -> None:
    found = figures.survey
    for name, rows in figures.left_behind.items():
        known = "[yellow]not known to the map[/], left behind" if name in found.unknown_tables else "left behind"
        console.print(f"table {escape(name)}: {rows:,} rows, {known}")
    for name in found.unknown_columns:
        console.print(f"column {escape(name)}: [yellow]not known to the map[/], left behind")
    if found.dropped:
        console.print(f"columns left behind: {escape(', '.join(found.dropped))}")
    _print_unprotected(console, found.unprotected)


def _print_unprotected(console: Console, names: Iterable[str]) -> None:
    for name in names:
        console.print(
            f"[yellow]table {escape(name)} has no transactions: what somebody wrote to it during the run moved by halves[/]"
        )


def _print_changes(console: Console, tables: Iterable[dict[str, Any]]) -> None:
    """What the legacy database did since the run before, and what the new system did. Reports of older runs know nothing of it."""
    for table in tables:
        if table.get("changed") or table.get("deleted"):
            console.print(
                f"{table['legacy']}: {table['changed']:,} rows changed and {table['deleted']:,} deleted as in the legacy database"
            )
        if table.get("own"):
            keys = escape(printable(", ".join(table["own_keys"])))
            more = " …" if table["own"] > len(table["own_keys"]) else ""
            console.print(
                f"[yellow]{table['legacy']}: {table['own']:,} rows were changed or removed in the new system since the last run, and"
                f" stay so: {keys}{more}[/]"
            )


def _print_tables(console: Console, tables: Iterable[dict[str, Any]], figures: Sequence[str]) -> None:
    rows = [(table["legacy"], table["new"], *(table[name] for name in figures)) for table in tables]
    total = ("", "", *(sum(row[2 + n] for row in rows) for n in range(len(figures))))
    _print(console, "Tables", ("legacy table", "new table", *figures), [*rows, total])


def _examples(figures: Figures, table: str, column: str, rule: str) -> str:
    found = figures.notes.examples.get((table, column, rule), [])
    return "; ".join(
        f"{key}: (encrypted)"
        if finding.encrypted
        else f"{key}: {(finding.old or b'').decode('ascii', 'backslashreplace')!s} → {finding.new}".replace(
            "\0", "\\x00"
        )
        for key, finding in found[:2]
    )


def _print(console: Console, title: str, heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    if not rows:
        return
    table = Table(title=title, title_justify="left")
    for n, head in enumerate(heads):
        table.add_column(head, justify="right" if isinstance(rows[0][n], int) else "left", overflow="fold")
    for row in rows:
        table.add_row(*(f"{value:,}" if isinstance(value, int) else escape(printable(str(value))) for value in row))
    console.print(table)
