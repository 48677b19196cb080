"""What a rule is: which legacy types it reads, what it is told of a row's value, and what it reports.

Place on the data's way: the map gives every column one of these; transform.py and verify.py apply it to a row's cells. PURE, as the
whole package.
"""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias
from zoneinfo import ZoneInfo

from migration.errors import UncoveredError

Raw: TypeAlias = bytes | None
"""A value as the legacy server keeps it: a text's bytes in its column's character set, anything else in ASCII."""
Value: TypeAlias = int | str | bool | Decimal | dt.date | dt.datetime | None
Key: TypeAlias = int | str


@dataclass(frozen=True, slots=True)
class Finding:
    """A value that was changed or defaulted."""

    column: str
    """The legacy column."""
    rule: str
    old: Raw
    new: Value
    encrypted: bool = False


class RefusedError(Exception):
    """The row cannot move: it needs one that is not there. Becomes a reject; the load goes on."""


@dataclass(frozen=True, slots=True)
class Zones:
    """The legacy database's time zone, and the program's."""

    legacy: ZoneInfo
    business: ZoneInfo


@dataclass(frozen=True, slots=True)
class Context:
    """What the rules need to know besides the row."""

    legacy_zone: ZoneInfo
    business_zone: ZoneInfo
    accepted: Mapping[str, Mapping[Key, int]] = field(default_factory=dict)
    """Legacy table -> key -> id in the new database, for rows that others refer to. A merged user's leads to the kept one."""
    ranks: Mapping[str, Mapping[float, int]] = field(default_factory=dict)
    """Legacy table -> sort order -> its place, from 1 on."""
    spellings: Mapping[str, str] = field(default_factory=dict)
    """Master account -> how it is written, for those that are written in another way."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One column of one table: what a rule needs to read it."""

    table: str
    column: str
    encoding: str
    context: Context


class Rule(ABC):
    """What becomes of a column's values."""

    TYPES: frozenset[str] = frozenset()
    """The legacy types that it reads, in the words of information_schema."""

    def types(self, place: int) -> frozenset[str]:
        """The legacy types of the first (0) or second legacy column."""
        del place
        return self.TYPES

    @abstractmethod
    def apply(self, raws: tuple[Raw, ...], cell: Cell, findings: list[Finding]) -> Value:
        """Return the new value and add what was changed to `findings`.

        Args:
            raws: the values of the column's legacy columns, one or two.
            cell: where they stand.
            findings: is added to.

        Raises:
            RefusedError: the row has to be refused.
            UncoveredError: there is no rule for this value.
        """


def not_null(raw: Raw, cell: Cell) -> bytes:
    """The value of a column whose new one must have a value.

    Raises:
        UncoveredError: there is none.
    """
    if raw is None:
        raise UncoveredError(cell.column, "is NULL, and the new column must have a value")
    return raw
