"""A run of the migration, and the plan of one: the same reading and the same rules, into Postgres or into nothing.

Place on the data's way: legacy.py (snapshot) -> acceptance.py (who may refer to whom) -> extract.py (lines) -> loading.py (COPY) ->
decisions.py (may it?) -> entries.py (log). A run is one transaction: killed at any moment, nothing of it stays.
"""

from __future__ import annotations

import datetime as dt
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from psycopg2.extensions import connection as Connection  # noqa: N812

from api.core.encryption import FieldCipher
from migration import entries, legacy, target
from migration.acceptance import Acceptance, accept
from migration.catalog import catalog as read_catalog
from migration.changes import LEGACY, OWN
from migration.connection import division_ids
from migration.decisions import require_decided
from migration.errors import MigrationError
from migration.extract import Blocks, Extraction
from migration.feasibility import require_feasible
from migration.figures import Figures, Options, TableFigures
from migration.legacy import quoted
from migration.lines import Query, query
from migration.loading import Loading, continue_sequence
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


def plan(
    address: str, options: Options, cipher: FieldCipher, progress: Progress, owner_url: str | None = None
) -> Figures:
    """Do everything but write: what would be changed or refused, and why.

    Args:
        address: of the legacy database.
        options: as those of the run.
        cipher: with the key of the run, where there is a new database to look at.
        progress: is told how far it is.
        owner_url: the new database, to be compared with what stands there; without it, that is not looked at.

    Raises:
        MigrationError: the legacy database is not as the map says, or holds a value that no rule covers; or a run would be refused
            for what stands in the new database.
    """
    with _target(owner_url, options) as connection:
        known = division_ids(connection) if connection else {}
        loading = Loading(connection, cipher) if connection else None
        with _reading(address, options, progress, known) as reading:
            for table in TABLES:
                with reading.noted(table, cipher) as (extraction, blocks):
                    if loading is not None and loading.has_rows(table):
                        loading.compare(table, extraction.columns, Blocks(blocks))
                    else:
                        for _ in blocks:
                            pass
                        if loading is not None:
                            loading.skip(table, extraction.rows_out)
            if connection is not None and loading is not None:
                require_decided(connection, loading, catch_up=options.catch_up)
                connection.rollback()
                reading.note_changes(loading)
            return reading.figures


def run(address: str, owner_url: str, options: Options, cipher: FieldCipher, progress: Progress) -> Figures:
    """Move everything, in one transaction. The tables are locked once the legacy database is known and nothing is left to be decided.

    Raises:
        MigrationError: as `plan`, or Postgres refused something; nothing of this run stays.
    """
    started_at = dt.datetime.now(dt.UTC)
    with target.connected(owner_url, options.zones.legacy.key) as connection:
        target.keep_others_out(connection)
        divisions = division_ids(connection)
        connection.rollback()
        with _reading(address, options, progress, divisions) as reading:
            reading.figures.survey.require_snapshot(allowed=options.allow_myisam)
            target.begin(connection)
            if division_ids(connection) != divisions:
                raise MigrationError("somebody changed the divisions of the new database just now: start again")
            loading = Loading(connection, cipher)
            for table in TABLES:
                with reading.noted(table, cipher) as (extraction, blocks):
                    take = loading.compare if loading.has_rows(table) else loading.fill
                    take(table, extraction.columns, Blocks(blocks))
            require_decided(connection, loading, catch_up=options.catch_up)
            loading.apply()
            figures = reading.figures
            for table, its in zip(TABLES, figures.tables, strict=True):
                continue_sequence(connection, table, its.highest)
            reading.note_changes(loading)
            target.write_report(connection, figures.notes.findings, figures.notes.rejects)
            _write_entries(connection, loading, figures, options, progress)
            finished_at = dt.datetime.now(dt.UTC)
            target.write_run(connection, figures.recorded(started_at, finished_at))
            target.tell_pages(connection)
            progress.say("committing")
            connection.commit()
            figures.seconds = (dt.datetime.now(dt.UTC) - started_at).total_seconds()
            return figures


@contextmanager
def _target(owner_url: str | None, options: Options) -> Iterator[Connection | None]:
    """The new database, where there is one to look at."""
    if owner_url is None:
        yield None
        return
    with target.connected(owner_url, options.zones.legacy.key) as connection:
        yield connection


def _write_entries(
    connection: Connection, loading: Loading, figures: Figures, options: Options, progress: Progress
) -> None:
    progress.say("writing the entries of the point log")
    before = entries.legacy_entries(connection)
    rows = sum(its.written for table, its in zip(TABLES, figures.tables, strict=True) if table.entry)
    log = entries.Log(connection, loading.standing, options.zones.business.key)
    log.write(rows)
    if options.catch_up:
        log.correct()
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

    @contextmanager
    def noted(self, table: Table, cipher: FieldCipher) -> Iterator[tuple[Extraction, Iterator[bytes]]]:
        """One pass over a table, with its lines; what it found is noted at its end."""
        started = time.monotonic()
        extraction = self.extraction(table, cipher)
        yield extraction, extraction.blocks(self.reader, partial(self.progress.advance, table.old))
        figures = TableFigures(table.old, table.new, read=extraction.rows_read, written=extraction.rows_out)
        figures.seconds = time.monotonic() - started
        figures.highest = self.highest(table)
        figures.rejected = self.figures.notes.refused.get(table.old, 0)
        self.figures.tables.append(figures)
        self.progress.end(table.old, extraction.rows_read)

    def note_changes(self, loading: Loading) -> None:
        """Note what became of the rows, where there were some already."""
        for its in self.figures.tables:
            changes = loading.changes[its.new]
            moved = its.written
            its.written, its.changed, its.deleted = (changes.counts.get(state, 0) for state in LEGACY)
            its.kept = moved - its.written - its.changed
            its.own = sum(changes.counts.get(state, 0) for state in OWN)
            its.own_keys = tuple(key for state in OWN for key in changes.keys.get(state, ()))


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
        catalog = read_catalog(connection, address)
        found = survey(catalog)
        found.require(strict=options.strict)
        legacy.begin_snapshot(connection)
        require_feasible(connection, catalog)
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
            cased=catalog.cased,
        )
        progress.begin(reader.counts)
        yield Reading(reader, acceptance, figures, progress)
