"""The report as a page to hand on."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from migration.report import REJECTS_SHOWN, RULES, Report

TEMPLATES: Final = Path(__file__).with_name("templates")


def page(found: Report) -> str:
    """One HTML page that needs nothing else."""
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("report.html").render(report=found, rules=RULES, rejects_shown=REJECTS_SHOWN)
