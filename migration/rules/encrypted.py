"""The rule of personal details: another rule, of which neither findings nor errors tell the value.

Place on the data's way: before the encryption, which the writer does (transform.py); no key is known here. PURE, as the whole package.
"""

from __future__ import annotations

from dataclasses import dataclass

from migration.errors import UncoveredError
from migration.rules.dates import Date
from migration.rules.rule import Cell, Finding, Raw, Rule
from migration.rules.texts import Text


@dataclass(frozen=True, slots=True)
class Encrypted(Rule):
    """A value that is kept encrypted. What comes out is the text to encrypt; who writes it does that."""

    inner: Date | Text

    def types(self, place: int) -> frozenset[str]:
        """Those of what it wraps."""
        return self.inner.types(place)

    def apply(self, raws: tuple[Raw, ...], cell: Cell, findings: list[Finding]) -> str | None:
        """As the inner rule, with findings that are to be encrypted as well, and errors that do not tell the value."""
        found: list[Finding] = []
        try:
            value = self.inner.apply(raws, cell, found)
        except UncoveredError:
            # Without its cause, which tells the value.
            raise UncoveredError(
                cell.column, "is no value of its kind (which one is not told, for it is personal)"
            ) from None
        findings += [
            Finding(f.column, f.rule, f.old, None if f.new is None else "(encrypted)", encrypted=True) for f in found
        ]
        return None if value is None else str(value)
