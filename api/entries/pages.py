"""The log on the pages of other features: its entries and the chart of the balance, each rendered alone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

from jinja2 import Environment

from api.core.templating import render_part
from api.entries.chart import balance_chart
from api.entries.queries import LOG_PAGE, Entry

TEMPLATE: Final = "entries/_log.html"


def entry_parts(environment: Environment, entries: Sequence[Entry], *, names: bool) -> list[tuple[int, str]]:
    """Return id and HTML of the entries of one page of the log; `names` shows each one's customer."""
    return [
        (entry.id, render_part(environment, TEMPLATE, "log_entry", entry=entry, names=names))
        for entry in entries[:LOG_PAGE]
    ]


def chart_part(environment: Environment, points_by_day: Sequence[tuple[int, int]], until: dt.date | None) -> str:
    """Return the HTML of the balance over time."""
    return render_part(environment, TEMPLATE, "chart", chart=balance_chart(points_by_day, until))
