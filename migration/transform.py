"""A legacy row that is not plain becomes a new one, or a reject; everything that was changed is kept for the report.

Place on the data's way: between the reading (extract.py) and Postgres (target.py). The rules themselves stand in rules/.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from api.core.encryption import FieldCipher, place_in
from migration import copytext
from migration.acceptance import Acceptance
from migration.errors import MigrationError, UncoveredError
from migration.mapping import Column, Table
from migration.rules.characters import decode, key_text
from migration.rules.encrypted import Encrypted
from migration.rules.references import Reference
from migration.rules.rule import Finding, Raw, RefusedError, Value

Row = tuple[Value | bytes, ...]
"""New values in the order of the query's columns; encrypted ones as bytes."""


@dataclass(slots=True)
class Notes:
    """Where findings and rejects go: files in the form of COPY, since every row of a large table may have one; and their counts."""

    findings: IO[bytes]
    rejects: IO[bytes]
    counts: dict[str, dict[tuple[str, str], int]] = field(default_factory=dict)
    """Table -> column and rule -> findings."""
    refused: dict[str, int] = field(default_factory=dict)
    """Table -> rejects."""
    examples: dict[tuple[str, str, str], list[tuple[str, Finding]]] = field(default_factory=dict)
    """Table, column and rule -> the first keys with their findings."""
    reasons: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """Table -> the first rejects' keys and reasons."""

    def add(self, cipher: FieldCipher, table: str, key: str, findings: Sequence[Finding]) -> None:
        """Keep a row's findings."""
        counts = self.counts.setdefault(table, {})
        for finding in findings:
            kind = (finding.column, finding.rule)
            counts[kind] = counts.get(kind, 0) + 1
            if counts[kind] <= EXAMPLES:
                self.examples.setdefault((table, *kind), []).append((key, finding))
            old = finding.old
            if finding.encrypted and old is not None:
                old = cipher.encrypt(old.decode("latin-1"), finding_place(table, key, finding.column))
            new = None if finding.new is None else copytext.written(finding.new)
            fields = [copytext.written(value) for value in (table, key, finding.column, finding.rule)]
            fields += [
                copytext.written(old),
                copytext.NULL if new is None else new,
                copytext.written(finding.encrypted),
            ]
            self.findings.write(copytext.SEPARATOR.join(fields) + b"\n")

    def refuse(self, table: str, key: str, content: dict[str, Any], reason: str) -> None:
        """Keep a row that cannot move."""
        self.refused[table] = self.refused.get(table, 0) + 1
        if self.refused[table] <= EXAMPLES:
            self.reasons.setdefault(table, []).append((key, reason))
        self.rejects.write(copytext.line((table, key, json.dumps(content, ensure_ascii=False), reason)) + b"\n")


EXAMPLES = 5
"""Of each kind, that a plan shows."""


def finding_place(table: str, key: str, column: str) -> str:
    """What an encrypted value of the report is bound to."""
    return f"migration_findings.{column} {table} {key}"


def reject_place(table: str, key: str, column: str) -> str:
    """What an encrypted value of a reject is bound to."""
    return f"migration_rejects.{column} {table} {key}"


def value_place(table: Table, column: Column, key: object) -> str:
    """What an encrypted value of the new table is bound to: `prize_redemptions.passport_number 17`."""
    return place_in(table.new, column.new, key)


class Transformer:
    """Applies the rules to the rows of one table."""

    def __init__(
        self,
        table: Table,
        columns: Sequence[Column],
        olds: Sequence[str],
        acceptance: Acceptance,
        cipher: FieldCipher,
        notes: Notes,
    ) -> None:
        self._table = table
        self._acceptance = acceptance
        self._cipher = cipher
        self._notes = notes
        self._olds = olds
        numbers = {old: number for number, old in enumerate(olds)}
        self._key = [(numbers[name], acceptance.cell_of(table, name)) for name in table.key]
        self._steps = [
            (column, acceptance.cell(table, column), tuple(numbers[old] for old in column.olds)) for column in columns
        ]
        encrypted = {old for column in columns if isinstance(column.rule, Encrypted) for old in column.olds}
        self._encrypted = [old in encrypted for old in olds]
        # Rows whose whole key are references may become equal when users are merged.
        self._may_meet = all(isinstance(column.rule, Reference) for column in table.columns[: len(table.key)])
        self._met: set[Row] = set()

    def row(self, raws: Sequence[Raw]) -> Row | None:
        """Return the new row; None where it was refused. Findings and rejects are noted.

        Raises:
            MigrationError: a value that no rule covers, with table, key and column.
        """
        key = self.key(raws)
        findings: list[Finding] = []
        try:
            self._leave_merged(raws)
            values = tuple(
                column.rule.apply(tuple([raws[number] for number in numbers]), cell, findings)
                for column, cell, numbers in self._steps
            )
            if self._may_meet:
                self._meet(values)
        except RefusedError as refused:
            self._notes.refuse(self._table.old, key, self._content(raws, key), str(refused))
            return None
        except UncoveredError as uncovered:
            raise self._uncovered(key, uncovered) from uncovered
        return self._done(key, values, findings)

    def plain_row(self, cells: Sequence[bytes], texts: Collection[int]) -> Row:
        """Return the new row of a plain line whose texts are to be decided about. It is never refused.

        Args:
            cells: the line's, with texts in the column's own encoding.
            texts: which columns' rules are to be applied; the other cells are as COPY reads them.

        Raises:
            MigrationError: a text that no rule covers.
        """
        raws = [None if cell == copytext.NULL else cell for cell in cells]
        key = key_text(zip(raws, [cell for _, cell in self._key], strict=False))
        findings: list[Finding] = []
        try:
            values = tuple(
                column.rule.apply((raw,), cell, findings) if number in texts else None if raw is None else raw.decode()
                for number, (raw, (column, cell, _)) in enumerate(zip(raws, self._steps, strict=True))
            )
        except UncoveredError as uncovered:
            raise self._uncovered(key, uncovered) from uncovered
        return self._done(key, values, findings)

    def _uncovered(self, key: str, uncovered: UncoveredError) -> MigrationError:
        return MigrationError(
            f"table {self._table.old}, key {key}, column {uncovered.column}: {uncovered.why}. No rule covers this;"
            " nothing of this run stays. Change the value in the legacy database and start again"
        )

    def _done(self, key: str, values: Sequence[Value], findings: Sequence[Finding]) -> Row:
        if findings:
            self._notes.add(self._cipher, self._table.old, key, findings)
        return self._encrypt(values)

    def key(self, raws: Sequence[Raw]) -> str:
        """A row's key for people."""
        return key_text((raws[number], cell) for number, cell in self._key)

    def _leave_merged(self, raws: Sequence[Raw]) -> None:
        if self._table.old == "users":
            user = int(raws[self._key[0][0]] or b"0")
            if user in self._acceptance.merged:
                raise RefusedError(f"merged into user {self._acceptance.merged[user]}, which has the same e-mail")

    def _meet(self, values: Row) -> None:
        if values in self._met:
            raise RefusedError("the same as another row, since users were merged")
        self._met.add(values)

    def _encrypt(self, values: Sequence[Value]) -> Row:
        return tuple(
            self._cipher.encrypt(value, value_place(self._table, column, values[0]))
            if isinstance(column.rule, Encrypted) and isinstance(value, str)
            else value
            for (column, _, _), value in zip(self._steps, values, strict=True)
        )

    def _content(self, raws: Sequence[Raw], key: str) -> dict[str, Any]:
        return {
            old: self._told(old, raw, key, encrypted=encrypted)
            for old, raw, encrypted in zip(self._olds, raws, self._encrypted, strict=True)
        }

    def _told(self, old: str, raw: Raw, key: str, *, encrypted: bool) -> Any:  # noqa: ANN401 - JSON
        if raw is None:
            return None
        if encrypted:
            stored = self._cipher.encrypt(raw.decode("latin-1"), reject_place(self._table.old, key, old))
            return {"encrypted": base64.b64encode(stored).decode()}
        try:
            text = decode(raw, self._acceptance.cell_of(self._table, old))
        except UncoveredError:
            return {"hex": raw.hex()}
        # JSON in Postgres has no NUL.
        return {"hex": raw.hex()} if "\0" in text else text
