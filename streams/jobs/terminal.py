"""What `rewards points` prints for a person."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table


def print_report(report: dict[str, Any]) -> None:
    """Print a customer's report (customer_report.py) as tables."""
    console = Console()
    membership = report["membership"]
    console.print(f"[bold]{report['customer_master_id']}[/]", _member_of(membership))
    if not (membership or report["companies"] or report["log"]):
        console.print("Nothing is known of this customer: no invoice with points, and no reward group.")
        return
    console.print(f"[bold]{report['points']:,}[/] points, {report['pending']:,} pending, {report['at_risk']:,} at risk")
    _print_rows(console, "By company", report["companies"], ("company", "points", "pending", "at_risk"))
    _print_rows(console, "Pending", report["pending_invoices"], ("company", "document", "pending", "pay_by"))
    _print_rows(console, "At risk", report["at_risk_invoices"], ("company", "document", "at_risk", "at_risk_on"))
    log = ("id", "effective_on", "company", "document", "kind", "stage", "delta", "points_after", "cause")
    _print_rows(console, "Why (newest first)", report["log"], log)


def _member_of(membership: dict[str, Any] | None) -> str:
    if membership is None:
        return "is in no reward group"
    name = membership["reward_group"] or "reward group"
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


def _text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else str(value)
