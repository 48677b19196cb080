"""Reads a legacy table as blocks of lines for COPY: plain rows as the server wrote them, the others through the rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import compress

import pymysql

from api.core.encryption import FieldCipher
from migration import copytext
from migration.copytext import END, NULL, SEPARATOR
from migration.errors import MigrationError
from migration.lines import MARK, Query
from migration.mapping import Column, Table
from migration.reading import Reader
from migration.rules.characters import decoded, may_be_encoded_twice, recoded
from migration.transform import Row, Transformer, value_place


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
        self._no_secrets = (SEPARATOR + NULL) * query.encrypted
        # Of a plain line: its key, for the place of what is encrypted, its texts, and what is encrypted.
        self._ruled = query.texts | {0, *range(len(query.columns) - query.encrypted, len(query.columns))}
        self.rows_read = 0
        self.rows_out = 0

    def blocks(self, reader: Reader, show: Callable[[int], None]) -> Iterator[bytes]:
        """Yield blocks of whole lines. `show` is told how many rows were read.

        Raises:
            MigrationError: a value that no rule covers or that the server could not give, or rows are missing.
        """
        left = 0
        for rows in reader.lines(self._table.old, self._query.sql):
            lines = [row for row in rows if row is not None]
            left += len(rows) - len(lines)
            if block := self._block(lines):
                yield block
            self.rows_read += len(lines)
            show(len(lines))
        if left:
            yield from self._apart(reader, left, show)
        reader.require_all(self._table.old, self.rows_read)

    def _apart(self, reader: Reader, left: int, show: Callable[[int], None]) -> Iterator[bytes]:
        """The rows that the server wrote no line for, by the rules: one at a time, for each may be large."""
        source, condition = self._query.apart
        rows = 0
        for raws in reader.values(self._table.old, self._query.olds, source, condition=condition):
            yield self._written([self._transformer.row(raws)])
            rows += 1
            show(1)
        self.rows_read += rows
        if rows != left:
            raise MigrationError(
                f"table {self._table.old}: the legacy server wrote no line for {left} rows, and gave {rows} of them apart."
                " Nothing of this run stays. Start again while nobody changes its settings or a table without transactions"
            )

    def _block(self, lines: list[bytes]) -> bytes:
        rows = [self._decided(line) for line in lines if line[:1] == MARK]
        plain = [line for line in lines if line[:1] != MARK] if rows else lines
        secret: list[bytes] = []
        if self._query.encrypted:
            secret = [line for line in plain if not line.endswith(self._no_secrets)]
            plain = [line for line in plain if line.endswith(self._no_secrets)]
        plain, text = self._plain(plain, rows)
        if secret:
            secret, _ = self._plain(secret, rows)
            text += self._recoded(END.join([*map(self._with_secrets, secret), b""])) or b""
        self.rows_out += len(plain) + len(secret)
        return copytext.escaped(text) + self._written(rows)

    def _plain(self, lines: list[bytes], rows: list[Row | None]) -> tuple[list[bytes], bytes]:
        """Plain lines and what becomes of them, without those of which the rules decide about a text: these are added to `rows`."""
        text = self._recoded(END.join([*lines, b""]))
        if text is not None and not _is_odd(text):
            return lines, text
        texts = [self._recoded(line) for line in lines] if text is None else text.split(END)[: len(lines)]
        kept = [text is not None and not _is_odd(text) for text in texts]
        rows += [
            self._transformer.plain_row(line.split(SEPARATOR), self._ruled)
            for line, is_kept in zip(lines, kept, strict=True)
            if not is_kept
        ]
        return list(compress(lines, kept)), b"".join(
            [text + END for text, is_kept in zip(texts, kept, strict=True) if text and is_kept]
        )

    def _recoded(self, raw: bytes) -> bytes | None:
        """Plain lines in UTF-8; None where bytes of theirs stand for no characters."""
        if raw.isascii():
            return raw
        try:
            return recoded(raw, self._query.encoding)
        except UnicodeDecodeError:
            return None

    def _written(self, rows: list[Row | None]) -> bytes:
        lines = [copytext.line(row) for row in rows if row is not None]
        self.rows_out += len(lines)
        return b"".join([line + b"\n" for line in lines])

    def _decided(self, line: bytes) -> Row | None:
        """A row about which the rules decide; None where it was refused."""
        raws = [None if value == b"-" else bytes.fromhex(value.decode()) for value in line.split(b",")[1:]]
        return self._transformer.row(raws)

    def _with_secrets(self, line: bytes) -> bytes:
        """A plain line whose last values are encrypted."""
        rest, *values = line.rsplit(SEPARATOR, self._query.encrypted)
        # As a number, for one of a column with ZEROFILL begins with zeros.
        key = int(rest[: rest.index(SEPARATOR)])
        return SEPARATOR.join(
            [rest, *(self._secured(value, column, key) for column, value in zip(self._secret, values, strict=True))]
        )

    def _secured(self, value: bytes, column: Column, key: int) -> bytes:
        if value == NULL:
            return NULL
        text = decoded(value, self._query.encoding)
        return copytext.bytea(self._cipher.encrypt(text, value_place(self._table, column, key)))


def _is_odd(text: bytes) -> bool:
    """Whether the rules have to decide about something in it: text in UTF-8, of one row or of many."""
    return b"\0" in text or may_be_encoded_twice(text)


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
