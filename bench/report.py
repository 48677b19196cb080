"""The report: a table on the terminal, and the generated part of docs/benchmarks.md."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from bench.figures import Figure, Section
from tests.stack import PROJECT

DOCUMENT: Final = PROJECT / "docs" / "benchmarks.md"
BEGIN: Final = "<!-- What follows is written by `make bench`. -->"
END: Final = "<!-- End of what is written by `make bench`. -->"
HEAD: Final = "### "
"""Begins a section."""
HEADINGS: Final = ("", "median", "target", "", "each run")


def show_circumstances(facts: Sequence[str]) -> None:
    """Print what the figures are taken on."""
    for line in facts:
        Console(highlight=False).print(line, style="dim")


def show(section: Section) -> None:
    """Print what a benchmark found."""
    console = Console(highlight=False)
    table = Table(*HEADINGS, title=section.title, title_justify="left")
    for figure in section.figures:
        table.add_row(*_cells(figure))
    console.print(table)
    for note in section.notes:
        console.print(f"- {note}", style="dim")


def write(sections: Sequence[Section], facts: Sequence[str], document: Path = DOCUMENT) -> None:
    """Replace the sections of the same titles between the markers, and leave the others."""
    text = document.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    written, _, after = rest.partition(END)
    kept = {part.partition("\n")[0]: part for part in written.split(HEAD)[1:]}
    for section in sections:
        lines = [section.title, "", *(f"- {line}" for line in facts), ""]
        lines += [f"| {' | '.join(HEADINGS)} |", "|---|---:|---:|---|---|"]
        lines += [f"| {' | '.join(_cells(figure))} |" for figure in section.figures]
        lines += ["", *(f"- {note}" for note in section.notes), "", ""]
        kept[section.title] = "\n".join(lines)
    parts = "".join(f"{HEAD}{part}" for part in kept.values())
    document.write_text(f"{before}{BEGIN}\n\n{parts}{END}{after}", encoding="utf-8")


def circumstances(command: str, machine: Sequence[str]) -> list[str]:
    """The lines above the tables."""
    return [f"`{command}`, {dt.datetime.now(dt.UTC).date().isoformat()}", *machine]


def _cells(figure: Figure) -> tuple[str, ...]:
    verdict = {None: "", True: "met", False: "missed"}[figure.met]
    each = ", ".join(f"{value:,.{figure.digits}f}" for value in figure.values)
    return (figure.name, figure.text(figure.median), figure.target, verdict, each)
