"""The rule of foreign keys: to a row by its number or its code, to the one that took its place, or to nothing.

Place on the data's way: from a legacy key to the new id, by what the acceptance (acceptance.py) says has one. PURE, as the whole package.
"""

from __future__ import annotations

from dataclasses import dataclass

from migration.rules.characters import decode
from migration.rules.numbers import INTEGERS
from migration.rules.rule import Cell, Finding, Key, Raw, RefusedError, Rule
from migration.rules.texts import TEXTS


@dataclass(frozen=True, slots=True)
class Reference(Rule):
    """A foreign key: another table's row by its number, or by its code."""

    to: str
    """The legacy table that it points into."""
    required: bool = False
    by_code: bool = False
    """By a code in letters instead of a number."""

    def types(self, place: int) -> frozenset[str]:
        """Numbers, or text for a code."""
        del place
        return TEXTS if self.by_code else INTEGERS

    def apply(self, raws: tuple[Raw, ...], cell: Cell, findings: list[Finding]) -> int | None:
        """Source: "a foreign key to nothing" may be empty, or takes the row with it."""
        raw = raws[0]
        key: Key | None = None
        if raw is not None:
            key = code_of(raw, cell) if self.by_code else int(raw)
        new = None if key is None else cell.context.accepted[self.to].get(key)
        if new is None and self.required:
            raise RefusedError(f"{cell.column} {'is empty' if key is None else f'{key}: no such row in {self.to}'}")
        if new is None and key is not None:
            findings.append(Finding(cell.column, "dangling-reference", raw, None))
        if new is not None and isinstance(key, int) and new != key:
            findings.append(Finding(cell.column, "merged-email", raw, new))
        return new


def code_of(raw: bytes, cell: Cell) -> str:
    """A code as MySQL compares it: neither case nor spaces at its end count."""
    return decode(raw, cell).rstrip(" ").casefold()
