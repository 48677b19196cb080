"""What the last run did, read back from `sunroc_rewards`: for a terminal, for a program, and as a page to hand on."""

from __future__ import annotations

import datetime as dt
from contextlib import closing
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from migration.connection import connect
from migration.errors import MigrationError
from migration.map import TABLES

EXAMPLES: Final = 5
REJECTS_SHOWN: Final = 500

RULES: Final = {
    "ambiguous-time": "A time that the clock showed twice: the first reading",
    "dangling-reference": "A reference to a row that does not exist: empty",
    "double-encoding": "Text that was encoded twice: decoded once more",
    "empty-enum": "An empty choice: empty",
    "flag": "A flag other than 0 and 1: true",
    "lower-case": "A word in capitals: lower case",
    "master-account": "A master account in another spelling, equal for MySQL: one customer",
    "merged-email": "A user of the same e-mail was older: that one",
    "missing-time": "A time that the clock leapt over: moved forward by the leap",
    "nul": "A NUL character: removed",
    "sort-order": "A fractional sort order: its place in the same order",
    "spaces": "Spaces around an e-mail: removed",
    "zero-date": "A zero or part-zero date: empty, or 1 January 2011 where a date must stand",
}
"""Rule -> what it found and what became of it."""


@dataclass(frozen=True, slots=True)
class Change:
    """One rule in one column."""

    table: str
    column: str
    rule: str
    count: int
    examples: list[tuple[str, str, str]]
    """Key, old, new."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that did not move."""

    table: str
    key: str
    reason: str


@dataclass(slots=True)
class Report:
    """The last run."""

    source: str
    server: str
    options: dict[str, Any]
    started_at: dt.datetime
    finished_at: dt.datetime
    tables: dict[str, Any]
    points: dict[str, Any]
    left_behind: dict[str, Any]
    runs: int
    changes: list[Change] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    rejected: int = 0

    def told(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)

    @property
    def seconds(self) -> float:
        """How long the run took."""
        return (self.finished_at - self.started_at).total_seconds()

    def total(self, name: str) -> int:
        """The sum of a figure over all tables."""
        return sum(int(table[name]) for table in self.tables.values())

    @property
    def points_agree(self) -> bool:
        """Whether the log holds just what the legacy database holds, but for refused rows."""
        return all(p["legacy"] - p["refused"] == p["log"] for p in self.points.values())


def report(database_url: str) -> Report:
    """Read the last run.

    Raises:
        MigrationError: there was none, or Postgres does not answer.
    """
    connection = connect(database_url, "rewards migrate report")
    with closing(connection), connection.cursor() as cursor:
        cursor.execute(
            "SELECT source, server, options, started_at, finished_at, tables, points, left_behind,"
            " (SELECT count(*) FROM migration_runs)::int FROM migration_runs ORDER BY id DESC LIMIT 1"
        )
        row = cursor.fetchone()
        if row is None:
            raise MigrationError("nothing was migrated into this database yet: `rewards migrate run --from mysql://…`")
        found = Report(*row)
        # JSON in Postgres keeps no order.
        # Neither did older runs know all of the figures.
        none = {"changed": 0, "deleted": 0, "own": 0, "own_keys": []}
        found.tables = {table.new: none | found.tables[table.new] for table in TABLES if table.new in found.tables}
        cursor.execute(
            "SELECT table_name, column_name, rule, count(*)::int FROM migration_findings GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
        )
        for table, column, rule, count in cursor.fetchall():
            cursor.execute(
                "SELECT key, old, new, encrypted FROM migration_findings WHERE (table_name, column_name, rule) = (%s, %s, %s)"
                " ORDER BY length(key), key LIMIT %s",
                (table, column, rule, EXAMPLES),
            )
            examples = [
                (printable(key), _shown(old, encrypted=hidden), _new(new, encrypted=hidden))
                for key, old, new, hidden in cursor
            ]
            found.changes.append(Change(table, column, rule, count, examples))
        cursor.execute("SELECT count(*)::int FROM migration_rejects")
        (found.rejected,) = cursor.fetchone() or (0,)
        cursor.execute(
            "SELECT table_name, key, reason FROM migration_rejects ORDER BY table_name, length(key), key LIMIT %s",
            (REJECTS_SHOWN,),
        )
        found.rejects = [Reject(table, printable(key), printable(reason)) for table, key, reason in cursor.fetchall()]
        return found


def _shown(old: memoryview | None, *, encrypted: bool) -> str:
    """Bytes for a person: characters where they are ASCII, escapes elsewhere."""
    if encrypted:
        return "(kept encrypted)"
    if old is None:
        return "NULL"
    return printable(bytes(old).decode("ascii", "backslashreplace")) or "''"


def _new(new: str | None, *, encrypted: bool) -> str:
    if new is None:
        return "NULL"
    return "(encrypted)" if encrypted else printable(new) or "''"


def printable(text: str) -> str:
    """Text without what a terminal would take for an order: such characters are written as escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
