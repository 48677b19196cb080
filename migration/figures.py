"""How a run is to be done, and what it found and did: a table's rows, changed values, refused rows, points.

Place on the data's way: the run (run.py) fills them in; the commands print them, and the report keeps them (target.py). Nothing is read
or written here.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from migration.catalog import Catalog
from migration.rules.rule import Zones
from migration.survey import Survey
from migration.transform import Notes


@dataclass(frozen=True, slots=True)
class Options:
    """How a run is to be done."""

    zones: Zones
    strict: bool = False
    merge_emails: bool = False
    catch_up: bool = False
    """Do what the legacy database did since the last run."""
    allow_myisam: bool = False
    """Go on although the snapshot does not hold for all tables."""

    def told(self) -> dict[str, Any]:
        """For the report."""
        return {
            "legacy_zone": self.zones.legacy.key,
            "business_zone": self.zones.business.key,
            "strict": self.strict,
            "merge_emails": self.merge_emails,
            "catch_up": self.catch_up,
            "allow_myisam": self.allow_myisam,
        }


@dataclass(slots=True)
class TableFigures:
    """What became of the rows of a legacy table."""

    old: str
    new: str
    read: int = 0
    written: int = 0
    kept: int = 0
    """Rows that stood there already and were not touched."""
    changed: int = 0
    """Rows that the legacy database changed since the last run, and that were brought up to date."""
    deleted: int = 0
    """The same of rows that it deleted, or that the rules refuse now."""
    own: int = 0
    """Rows that the new system changed or removed since the last run: they stay so."""
    own_keys: tuple[str, ...] = ()
    rejected: int = 0
    entries: int = 0
    highest: int = 0
    """The highest number in the legacy table: what is numbered after it, the new system has made."""
    seconds: float = 0.0

    def told(self) -> dict[str, Any]:
        """For the report."""
        return {
            "legacy": self.old, "read": self.read, "written": self.written, "kept": self.kept, "changed": self.changed,
            "deleted": self.deleted, "own": self.own, "own_keys": list(self.own_keys),
            "rejected": self.rejected, "entries": self.entries, "highest": self.highest,
            "seconds": round(self.seconds, 3),
        }  # fmt: skip


@dataclass(slots=True)
class Figures:
    """What a run, or the plan of one, found and did."""

    catalog: Catalog
    survey: Survey
    options: Options
    notes: Notes
    tables: list[TableFigures] = field(default_factory=list)
    points: dict[str, dict[str, int]] = field(default_factory=dict)
    """Kind of entry -> legacy (all rows), refused, log."""
    left_behind: dict[str, int] = field(default_factory=dict)
    """Tables that do not move -> rows."""
    seconds: float = 0.0

    @property
    def rows(self) -> int:
        """Rows read."""
        return sum(table.read for table in self.tables)

    def told(self) -> dict[str, Any]:
        """For programs."""
        return {
            "source": self.catalog.source,
            "server": self.catalog.server,
            "options": self.options.told(),
            "tables": {table.new: table.told() for table in self.tables},
            "points": self.points,
            "seconds": round(self.seconds, 3),
            "left_behind": self.left_behind,
            "unknown_tables": self.survey.unknown_tables,
            "unknown_columns": self.survey.unknown_columns,
            "dropped_columns": self.survey.dropped,
            "unprotected": self.survey.unprotected,
            "mapped_columns": {
                table: {"moved": moved, "found": found} for table, (moved, found) in self.survey.mapped.items()
            },
            "changed": [
                {"table": table, "column": column, "rule": rule, "values": count}
                for table, counts in self.notes.counts.items()
                for (column, rule), count in counts.items()
            ],
            "refused": {
                table: {
                    "rows": count,
                    "examples": [{"key": key, "reason": reason} for key, reason in self.notes.reasons[table]],
                }
                for table, count in self.notes.refused.items()
            },
        }

    def recorded(self, started_at: dt.datetime, finished_at: dt.datetime) -> dict[str, Any]:
        """As the report of the last run is kept (`migration_runs`)."""
        return {
            "source": self.catalog.source,
            "server": self.catalog.server,
            "options": self.options.told(),
            "started_at": started_at,
            "finished_at": finished_at,
            "tables": {table.new: table.told() for table in self.tables},
            "points": self.points,
            "left_behind": {
                "tables": self.left_behind,
                "unknown_tables": self.survey.unknown_tables,
                "unknown_columns": self.survey.unknown_columns,
                "dropped_columns": self.survey.dropped,
                "unprotected": self.survey.unprotected,
            },
        }
