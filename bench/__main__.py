"""Runs the benchmarks, each on a stack of its own, and reports medians: `python -m bench` (`make bench` sets up what it needs)."""

from __future__ import annotations

import shlex
import sys
from importlib.metadata import version
from typing import Annotated, Final

import typer

from bench import backlog, latency, page, quix, report
from bench.figures import Figure, Section, load_average, machine
from bench.stack import BenchStack, started

NAMES: Final = ("latency", "page", "backlog", "quix")
INVOICES: Final = 50_000


def main(
    *,
    runs: Annotated[int, typer.Option(min=1, help="Of each benchmark; the median counts.")] = 3,
    only: Annotated[str, typer.Option(help=f"Some of {', '.join(NAMES)}, with commas.")] = ",".join(NAMES),
    quick: Annotated[
        bool, typer.Option("--quick", help="Small sizes and one run, to try it out; writes nothing.")
    ] = False,
) -> None:
    """Measure what the product promises, on the real components, and keep it in docs/benchmarks.md.

    Exit codes: 0 measured, whether a target was met or not; 1 something did not work, so that nothing was measured.
    """
    wanted = only.split(",")
    if unknown := set(wanted) - set(NAMES):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: not one of {', '.join(NAMES)}", param_hint="--only")
    load = load_average()
    sections, versions = _measured(wanted, 1 if quick else runs, quick=quick)
    command = shlex.join(["python", "-m", "bench", *sys.argv[1:]])
    circumstances = report.circumstances(command, machine(), versions, load)
    report.show(sections, circumstances)
    if not quick and set(wanted) == set(NAMES):
        report.write(sections, circumstances)


def _measured(wanted: list[str], runs: int, *, quick: bool) -> tuple[list[Section], list[str]]:
    sections: list[Section] = []
    versions: list[str] = []
    if {"latency", "page"} & set(wanted):
        with started() as stack:
            versions = _versions(stack)
            # First, for the sample's groups have ids of their own choice.
            stack.command("api", "samples")
            if "latency" in wanted:
                sections.append(latency.measure(stack, runs, 60 if quick else 400))
            if "page" in wanted:
                sections.append(page.measure(stack, runs, 20 if quick else 150))
    if {"backlog", "quix"} & set(wanted):
        with started("--only", backlog.UNITS) as stack:
            versions = _versions(stack)
            written = backlog.write(stack, 2_000 if quick else INVOICES)
            found = []
            if "backlog" in wanted:
                found.append(backlog.measure(stack, written, runs))
            if "quix" in wanted:
                found.append(quix.measure(stack, written, runs))
            if len(found) == len({"backlog", "quix"}):
                found[1].figures += _compared(*found)
            sections += found
    return sections, versions


def _compared(ours: Section, theirs: Section) -> list[Figure]:
    """How many times Quix' rate ours is, run against run."""
    rate = next(figure for figure in theirs.figures if figure.name.endswith(": rate")).values
    return [
        Figure(
            f"{figure.name.removesuffix(': rate')}, in rates of Quix Streams",
            "×",
            [a / b for a, b in zip(figure.values, rate, strict=True)],
            digits=2,
        )
        for figure in ours.figures
        if figure.name.endswith(": rate")
    ]


def _versions(stack: BenchStack) -> list[str]:
    ((postgres,),) = stack.execute("SHOW server_version")
    return [
        f"Postgres {postgres.split()[0]}",
        *(f"{name} {version(name)}" for name in ("faust-streaming", "aiokafka", "psycopg2-binary", "orjson")),
    ]


if __name__ == "__main__":
    application = typer.Typer(pretty_exceptions_enable=False)
    application.command()(main)
    application()
