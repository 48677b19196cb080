"""Reads a legacy table as blocks of lines for COPY: plain rows as the server wrote them, the others through the rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import pymysql

from api.core.encryption import FieldCipher
from migration import copytext
from migration.errors import MigrationError
from migration.lines import MARK, Query
from migration.mapping import Table
from migration.reading import Reader, not_read, require_computed
from migration.transform import Transformer, value_place

ROWS_A_BLOCK: Final = 2_000


class Extraction:
    """One pass over one table."""

    def __init__(self, table: Table, query: Query, transformer: Transformer, cipher: FieldCipher) -> None:
        self._table = table
        self._query = query
        self._transformer = transformer
        self._cipher = cipher
        self.columns = query.columns
        """The new columns in the order of a line."""
        self._secret = query.columns[len(query.columns) - query.encrypted :]
        self._none = (None,) * query.encrypted
        self._no_secrets = (b"\t" + copytext.NULL) * query.encrypted
        self.rows_read = 0
        self.rows_out = 0

    def blocks(self, reader: Reader, show: Callable[[int], None]) -> Iterator[bytes]:
        """Yield blocks of whole lines. `show` is told how many rows were read.

        Raises:
            MigrationError: a value that no rule covers or that the server could not give, or rows are missing.
        """
        left = 0
        with reader.connection.cursor() as cursor:
            cursor.execute(self._query.sql)
            while rows := cursor.fetchmany(ROWS_A_BLOCK):
                left += sum(row[0] is None for row in rows)
                whole = [row for row in rows if row[0] is not None]
                yield from self._block(self._beside(whole) if self._query.encrypted else self._alone(whole))
                self.rows_read += len(whole)
                show(len(whole))
            if not left:
                require_computed(cursor, self._table.old)
        if left:
            yield from self._apart(reader, left, show)
        reader.require_all(self._table.old, self.rows_read)

    def _block(self, lines: list[bytes]) -> Iterator[bytes]:
        if lines:
            self.rows_out += len(lines)
            yield b"\n".join([*lines, b""])

    def _apart(self, reader: Reader, left: int, show: Callable[[int], None]) -> Iterator[bytes]:
        """The rows that the server wrote no line for, by the rules: one at a time, for each may be large."""
        source, condition = self._query.apart
        rows = 0
        for raws in reader.values(self._table.old, self._query.olds, source, condition=condition):
            row = self._transformer.row(raws)
            yield from self._block([] if row is None else [copytext.line(row)])
            rows += 1
            show(1)
        self.rows_read += rows
        if rows != left:
            raise MigrationError(
                f"table {self._table.old}: the legacy server wrote no line for {left} rows, and gave {rows} of them apart."
                " Nothing of this run stays. Start again while nobody changes its settings or a table without transactions"
            )

    def _alone(self, rows: list[tuple[bytes, ...]]) -> list[bytes]:
        lines = [line for (line,) in rows]
        if not any(line.startswith(MARK) for line in lines):
            return lines
        return [line for line in map(self._decided, lines) if line is not None]

    def _beside(self, rows: list[tuple[bytes, *tuple[bytes | None, ...]]]) -> list[bytes]:
        lines = []
        for row in rows:
            line: bytes | None = row[0]
            if row[0][:1] == MARK:
                line = self._decided(row[0])
            elif row[1:] != self._none or not row[0].endswith(self._no_secrets):
                line = self._with_secrets(row)
            if line is not None:
                lines.append(line)
        return lines

    def _decided(self, line: bytes) -> bytes | None:
        """A row about which the rules decide; None where it was refused."""
        if not line.startswith(MARK):
            return line
        raws = [None if value == b"-" else bytes.fromhex(value.decode()) for value in line.split(b",")[1:]]
        row = self._transformer.row(raws)
        return None if row is None else copytext.line(row)

    def _with_secrets(self, row: tuple[bytes, *tuple[bytes | None, ...]]) -> bytes:
        """A plain row with values to encrypt."""
        line, *nulls = row[0].rsplit(b"\t", self._query.encrypted)
        # As a number, for one of a column with ZEROFILL begins with zeros.
        key = int(line[: line.index(b"\t")])
        parts = [line]
        for column, value, null in zip(self._secret, row[1:], nulls, strict=True):
            if (value is None) != (null == copytext.NULL):
                raise not_read(self._table.old, str(key), column.old)
            if value is None:
                parts.append(copytext.NULL)
            else:
                parts.append(
                    copytext.bytea(self._cipher.encrypt(value.decode(), value_place(self._table, column, key)))
                )
        return b"\t".join(parts)


class ReadingEndedError(Exception):
    """Tells COPY to give up, and no more."""


class Blocks:
    """Blocks as the file that psycopg2's COPY reads from."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self.failure: Exception | None = None
        """What ended the reading. Postgres would write its text, with a legacy value in it, to its log."""

    def read(self, size: int = -1, /) -> bytes:  # noqa: ARG002 - a block is what there is; psycopg2 takes any size
        """The next block; b"" at the end."""
        try:
            return next(self._blocks, b"")
        except (MigrationError, pymysql.Error) as error:
            self.failure = error
            raise ReadingEndedError from None

    def readline(self, size: int = -1, /) -> bytes:
        """The same: COPY does not ask for lines."""
        return self.read(size)
