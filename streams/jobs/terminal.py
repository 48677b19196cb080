"""What `rewards points` and `rewards dead-letters list` print for a person."""

from __future__ import annotations

from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from streams.jobs.dead_letters import Letters


def print_report(report: dict[str, Any]) -> None:
    """Print a customer's report (customer_report.py) as tables."""
    console = Console()
    membership = report["membership"]
    console.print(Text.assemble((_printable(report["customer_master_id"]), "bold"), " ", _member_of(membership)))
    if not (membership or report["companies"] or report["log"]):
        console.print("Nothing is known of this customer: no invoice with points, and no reward group.")
        return
    console.print(f"[bold]{report['points']:,}[/] points, {report['pending']:,} pending, {report['at_risk']:,} at risk")
    _print_rows(console, "By company", report["companies"], ("company", "points", "pending", "at_risk"))
    _print_rows(console, "Pending", report["pending_invoices"], ("company", "document", "pending", "pay_by"))
    _print_rows(console, "At risk", report["at_risk_invoices"], ("company", "document", "at_risk", "at_risk_on"))
    log = ("id", "effective_on", "company", "document", "kind", "stage", "delta", "points_after", "cause")
    _print_rows(console, "Why (newest first)", report["log"], log)


PIPED_WIDTH: Final = 600
"""Wide enough for a letter's line."""


def print_letters(found: Letters) -> None:
    """Print dead letters and halted partitions; on a line each where no person looks."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    for halted in found.halted:
        console.print(Text(halted.sentence, "red"), soft_wrap=True)
    if not found.letters:
        console.print("No dead letters.")
        return
    table = Table("id", "topic", "partition", "offset", "row", "status", "since", "reason", box=None)
    for letter in found.letters:
        said = f"{letter.reason}: {letter.detail}"
        if letter.note:
            said += f" ({letter.note})"
        table.add_row(
            str(letter.id),
            letter.topic,
            str(letter.partition),
            str(letter.offset),
            "" if letter.row_id is None else str(letter.row_id),
            "being retried" if letter.is_being_retried else letter.status,
            f"{letter.decided_at or letter.recorded_at:%Y-%m-%d %H:%M:%S}",
            Text(_printable(said)),
        )
    console.print(table)
    if found.count > len(found.letters):
        console.print(f"The newest {len(found.letters)} of {found.count}; --limit shows more.")
    if found.open_count:
        console.print(
            "Correct the rows in the warehouse, or `rewards dead-letters accept|retry|discard ID…|--all`;"
            " each says with --help what it does.",
            soft_wrap=True,
        )


def _member_of(membership: dict[str, Any] | None) -> str:
    if membership is None:
        return "is in no reward group"
    name = _printable(membership["reward_group"] or "reward group")
    return f"is in {name} ({membership['reward_group_id']}, {membership['status']}) since {membership['enrolled_on']}"


def _print_rows(console: Console, title: str, rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    if not rows:
        return
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column.replace("_", " "), justify="right" if isinstance(rows[0][column], int) else "left")
    for row in rows:
        table.add_row(*(_text(row[column]) for column in columns))
    console.print(table)


def _text(value: object) -> Text:
    if value is None:
        return Text("")
    return Text(f"{value:,}" if isinstance(value, int) else _printable(str(value)))


def _printable(text: str) -> str:
    """The text without what a terminal would take for an order. As a `Text`, what Rich would take for markup is text as well."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)
