"""The rules of numbers: whole ones, money, flags, and fractions that only say an order.

Place on the data's way: from a number as the legacy server writes it to the new column's. PURE, as the whole package.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

from migration.errors import UncoveredError
from migration.rules.rule import Cell, Finding, Raw, Rule, not_null

BIGINT_MAX: Final = 2**63 - 1
INTEGERS: Final = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})


@dataclass(frozen=True, slots=True)
class Integer(Rule):
    """A whole number; unsigned ones fit into a bigint."""

    TYPES = INTEGERS
    required: bool = False

    def apply(self, raws: tuple[Raw, ...], cell: Cell, findings: list[Finding]) -> int | None:  # noqa: ARG002
        """Source: "unsigned integers → bigint"."""
        number = not_null(raws[0], cell) if self.required else raws[0]
        if number is None:
            return None
        value = int(number)
        if value > BIGINT_MAX:
            raise UncoveredError(cell.column, f"{value} is larger than a bigint")
        return value


@dataclass(frozen=True, slots=True)
class Money(Rule):
    """A decimal with two digits after the point at most, kept exactly."""

    TYPES = frozenset({"decimal"}) | INTEGERS

    def apply(self, raws: tuple[Raw, ...], cell: Cell, findings: list[Finding]) -> Decimal | None:  # noqa: ARG002
        """Refuse to round."""
        if raws[0] is None:
            return None
        try:
            value = Decimal(raws[0].decode("ascii"))
        except (InvalidOperation, UnicodeDecodeError) as error:
            raise UncoveredError(cell.column, "is no number") from error
        if abs(value) >= Decimal(10**8) or value != value.quantize(Decimal("0.01")):
            raise UncoveredError(cell.column, f"{value} does not fit into numeric(10,2)")
        return value


@dataclass(frozen=True, slots=True)
class Flag(Rule):
    """tinyint(1)."""

    TYPES = INTEGERS

    def apply(self, raws: tuple[Raw, ...], cell: Cell, findings: list[Finding]) -> bool:
        """Source: "other than 0, 1, NULL → true, reported"."""
        raw = not_null(raws[0], cell)
        number = int(raw)
        if number not in (0, 1):
            findings.append(Finding(cell.column, "flag", raw, True))
        return number != 0


@dataclass(frozen=True, slots=True)
class SortOrder(Rule):
    """A float becomes its place among all of the table's: equal ones stay equal."""

    TYPES = frozenset({"float", "double", "decimal"}) | INTEGERS

    def apply(self, raws: tuple[Raw, ...], cell: Cell, findings: list[Finding]) -> int:
        """Source: "float `sort_order` → dense integers in the same order"."""
        raw = not_null(raws[0], cell)
        number = float(raw)
        place = cell.context.ranks[cell.table][number]
        if number != place:
            findings.append(Finding(cell.column, "sort-order", raw, place))
        return place
