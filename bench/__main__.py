"""Runs the benchmarks and reports medians: `python -m bench` (`make bench` sets up what it needs)."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from importlib.metadata import version
from typing import Annotated, Final

import typer

from bench import backlog, latency, migration, page, pages, quix, report, sign_ins, streams
from bench.figures import Figure, Section, load_average, machine
from bench.stack import started

NAMES: Final = ("latency", "page", "pages", "sign-ins", "streams", "backlog", "quix", "migration")
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
    machine_facts = [*machine(), versions(), f"load average before the start {load_average()}"]
    facts = report.circumstances(shlex.join(["python", "-m", "bench", *sys.argv[1:]]), machine_facts)
    report.show_circumstances(facts)
    sections = []
    for section in _measured(wanted, 1 if quick else runs, quick=quick):
        report.show(section)
        sections.append(section)
    if not quick:
        report.write(sections, facts)


def _measured(wanted: list[str], runs: int, *, quick: bool) -> Iterator[Section]:
    if {"latency", "page", "sign-ins", "streams"} & set(wanted):
        yield from _on_the_whole_stack(wanted, runs, quick=quick)
    if "pages" in wanted:
        with started("--only", pages.UNITS) as stack:
            stack.command("api", "samples")
            yield pages.measure(stack, runs, quick=quick)
    if {"backlog", "quix"} & set(wanted):
        yield from _of_a_backlog(wanted, runs, quick=quick)
    if "migration" in wanted:
        with started("--only", "postgres,databases") as stack:
            yield from migration.measure(stack, runs, quick=quick)


def _on_the_whole_stack(wanted: list[str], runs: int, *, quick: bool) -> Iterator[Section]:
    with started() as stack:
        # First, for the sample's groups have ids of their own choice.
        stack.command("api", "samples")
        if "latency" in wanted:
            yield latency.measure(stack, runs, 60 if quick else 400)
        if "page" in wanted:
            yield page.measure(stack, runs, 20 if quick else 150)
        if "sign-ins" in wanted:
            yield sign_ins.measure(stack, runs, 5 if quick else 20)
        if "streams" in wanted:
            yield streams.measure(stack, runs)


def _of_a_backlog(wanted: list[str], runs: int, *, quick: bool) -> Iterator[Section]:
    with started("--only", backlog.UNITS) as stack:
        written = backlog.write(stack, 15_000 if quick else INVOICES)
        ours = backlog.measure(stack, written, runs) if "backlog" in wanted else None
        if ours is not None:
            yield ours
        if "quix" in wanted:
            theirs = quix.measure(stack, written, runs)
            theirs.figures += _compared(ours, theirs) if ours is not None else []
            yield theirs


def _compared(ours: Section, theirs: Section) -> list[Figure]:
    """How many times Quix' rate ours is, run against run."""
    rate = next(figure for figure in theirs.figures if figure.name.endswith(": rate")).values
    return [
        Figure(
            f"{figure.name.removesuffix(': rate')}, in rates of Quix Streams",
            "times",
            [a / b for a, b in zip(figure.values, rate, strict=True)],
            digits=2,
        )
        for figure in ours.figures
        if figure.name.endswith(": rate")
    ]


def versions() -> str:
    """Of what takes part, apart from Postgres, which is the system's or the one in the environment."""
    names = ("faust-streaming", "aiokafka", "psycopg2-binary", "orjson", "playwright")
    return ", ".join(f"{name} {version(name)}" for name in names)


if __name__ == "__main__":
    application = typer.Typer(pretty_exceptions_enable=False)
    application.command()(main)
    application()
