"""A run of the migration, and the plan of one: the same reading and the same rules, into Postgres or into nothing.

Place on the data's way: legacy.py (snapshot) -> acceptance.py (who may refer to whom) -> extract.py (lines) -> target.py (COPY).
A run is one transaction: killed at any moment, nothing of it stays.
"""

from __future__ import annotations

import datetime as dt
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from api.core.encryption import FieldCipher
from migration import entries, legacy, target
from migration.acceptance import Acceptance, accept
from migration.connection import division_ids
from migration.extract import Blocks, Extraction
from migration.figures import Figures, Options, TableFigures
from migration.legacy import quoted
from migration.lines import Query, query
from migration.loading import Loading, Written, continue_sequence
from migration.map import TABLES
from migration.mapping import Table, is_numbered
from migration.reading import Reader, count, number, points
from migration.survey import survey
from migration.transform import Notes, Transformer


class Progress(Protocol):
    """Is told how far a run is."""

    def begin(self, totals: dict[str, int]) -> None:
        """Legacy tables in their order, with about as many rows as each has."""

    def advance(self, table: str, rows: int) -> None:
        """So many more rows of a table were read."""

    def end(self, table: str, rows: int) -> None:
        """A table is done: it had so many rows."""

    def say(self, what: str) -> None:
        """What is being done where there are no rows to count."""


def plan(address: str, options: Options, cipher: FieldCipher, progress: Progress) -> Figures:
    """Do everything but write: what would be changed or refused, and why.

    Raises:
        MigrationError: the legacy database is not as the map says, or holds a value that no rule covers.
    """
    with _reading(address, options, progress, {}) as reading:
        for table in TABLES:
            extraction = reading.extraction(table, cipher)
            started = time.monotonic()
            for _ in extraction.blocks(reading.reader, partial(progress.advance, table.old)):
                pass
            reading.done(table, extraction, None, time.monotonic() - started)
        return reading.figures


def run(address: str, owner_url: str, options: Options, cipher: FieldCipher, progress: Progress) -> Figures:
    """Move everything, in one transaction.

    Raises:
        MigrationError: as `plan`, or Postgres refused something; nothing of this run stays.
    """
    started_at = dt.datetime.now(dt.UTC)
    with target.connected(owner_url, options.zones.legacy.key) as connection:
        target.begin(connection)
        with _reading(address, options, progress, division_ids(connection)) as reading:
            for table in TABLES:
                started = time.monotonic()
                extraction = reading.extraction(table, cipher)
                blocks = extraction.blocks(reading.reader, partial(progress.advance, table.old))
                written = Loading(connection, table, extraction.columns).load(Blocks(blocks))
                its = reading.done(table, extraction, written, time.monotonic() - started)
                continue_sequence(connection, table, its.highest)
            figures = reading.figures
            target.write_report(connection, figures.notes.findings, figures.notes.rejects)
            _write_entries(connection, figures, options, progress)
            finished_at = dt.datetime.now(dt.UTC)
            target.write_run(connection, figures.recorded(started_at, finished_at))
            target.tell_pages(connection)
            progress.say("committing")
            connection.commit()
            figures.seconds = (dt.datetime.now(dt.UTC) - started_at).total_seconds()
            return figures


def _write_entries(connection: Any, figures: Figures, options: Options, progress: Progress) -> None:  # noqa: ANN401 - psycopg2's
    progress.say("writing the entries of the point log")
    before = entries.legacy_entries(connection)
    rows = sum(its.written for table, its in zip(TABLES, figures.tables, strict=True) if table.entry)
    entries.write_entries(connection, rows, options.zones.business.key)
    after = entries.legacy_entries(connection)
    for table, its in zip(TABLES, figures.tables, strict=True):
        if table.entry is not None:
            count, points = after.get(table.entry.kind, (0, 0))
            its.entries = count - before.get(table.entry.kind, (0, 0))[0]
            figures.points[table.entry.kind] |= {
                "refused": table.entry.sign * entries.refused_points(connection, table),
                "log": points,
            }


@dataclass(slots=True)
class Reading:
    """The legacy database in its snapshot, with all that is known of it."""

    reader: Reader
    acceptance: Acceptance
    figures: Figures
    progress: Progress

    def extraction(self, table: Table, cipher: FieldCipher) -> Extraction:
        """One pass over a table."""
        tables = self.figures.catalog.tables
        asked: Query = query(table, tables[table.old], self.acceptance, joined=tables.get(table.joined))
        transformer = Transformer(table, asked.columns, asked.olds, self.acceptance, cipher, self.figures.notes)
        return Extraction(table, asked, transformer, cipher)

    def highest(self, table: Table) -> int:
        """The highest number that the legacy table gave, 0 where its key is none."""
        if not is_numbered(table):
            return 0
        statement = f"SELECT COALESCE(MAX({quoted(table.key[0])}), 0) FROM {quoted(table.old)}"  # noqa: S608 - of the map
        return number(self.reader.connection, statement)

    def done(self, table: Table, extraction: Extraction, written: Written | None, seconds: float) -> TableFigures:
        """Note what became of a table, and return it."""
        figures = TableFigures(table.old, table.new, read=extraction.rows_read, seconds=seconds)
        figures.highest = self.highest(table)
        figures.rejected = self.figures.notes.refused.get(table.old, 0)
        if written is None:
            figures.written = extraction.rows_out
        else:
            figures.written, figures.kept = written.added, written.kept
            figures.different, figures.different_keys = written.different_count, written.different
        self.figures.tables.append(figures)
        self.progress.end(table.old, extraction.rows_read)
        return figures


@contextmanager
def _reading(
    address: str, options: Options, progress: Progress, known_divisions: Mapping[str, int]
) -> Iterator[Reading]:
    with (
        legacy.connected(address) as connection,
        tempfile.TemporaryFile() as findings,
        tempfile.TemporaryFile() as rejects,
    ):
        progress.say("looking at the legacy database")
        catalog = legacy.catalog(connection, address)
        found = survey(catalog)
        found.require(strict=options.strict)
        legacy.begin_snapshot(connection)
        figures = Figures(catalog, found, options, Notes(findings, rejects))
        figures.left_behind = {name: count(connection, name) for name in (*found.left_behind, *found.unknown_tables)}
        figures.points = {
            table.entry.kind: {"legacy": table.entry.sign * points(connection, table)}
            for table in TABLES
            if table.entry
        }
        reader = Reader(connection)
        acceptance = accept(
            reader,
            catalog.encodings,
            options.zones,
            merge_emails=options.merge_emails,
            division_ids=known_divisions,
        )
        progress.begin(reader.counts)
        yield Reading(reader, acceptance, figures, progress)
