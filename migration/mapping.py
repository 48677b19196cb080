"""What the map says of a table: which legacy columns become which new ones, by which rule, and which entry of the log a row also is.

Place on the data's way: the words that the map (map.py) is written in, and that everything which follows it reads. No table is named
here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from migration.rules.numbers import Integer
from migration.rules.references import Reference
from migration.rules.rule import Rule


@dataclass(frozen=True, slots=True)
class Column:
    """A new column, the legacy columns that it is made of, and the rule."""

    old: str
    """`column`, or `table.column` of the joined table; two with a comma between them where the rule takes two."""
    new: str
    rule: Rule
    unique: bool = False
    """Whether no two rows may have the same text there."""

    @property
    def olds(self) -> tuple[str, ...]:
        """The legacy columns."""
        return tuple(name.strip() for name in self.old.split(","))


@dataclass(frozen=True, slots=True)
class Entry:
    """The entry of the point log that a row also becomes."""

    kind: Literal["redemption", "property_development", "adjustment"]
    sign: Literal[1, -1]
    name: str
    """What the entry's source is called: `redemption 17`."""


@dataclass(frozen=True, slots=True)
class Table:
    """A legacy table and the new one."""

    old: str
    new: str
    key: tuple[str, ...]
    """Legacy key columns; they are also the first columns of the new table, in the same order."""
    columns: tuple[Column, ...]
    dropped: tuple[str, ...] = ()
    """Legacy columns that are left behind."""
    joined: str = ""
    """A second legacy table that has the same key `joined_by`."""
    joined_by: str = ""
    entry: Entry | None = None

    @property
    def new_key(self) -> tuple[str, ...]:
        """The new table's key columns."""
        return tuple(column.new for column in self.columns[: len(self.key)])

    @property
    def olds(self) -> tuple[str, ...]:
        """The table's own legacy columns that the map reads."""
        return tuple(dict.fromkeys(old for column in self.columns for old in column.olds if "." not in old))

    @property
    def known(self) -> dict[str, str]:
        """Legacy columns that the map knows of, in lower case -> as the map writes them."""
        return {name.lower(): name for name in (*self.olds, *self.dropped)}

    def required_references(self) -> tuple[Column, ...]:
        """What a row cannot do without."""
        return tuple(column for column in self.columns if isinstance(column.rule, Reference) and column.rule.required)

    def points(self) -> Column | None:
        """The column with the points, where the rows become entries."""
        return next((column for column in self.columns if column.new == "points"), None) if self.entry else None


def is_numbered(table: Table) -> bool:
    """Whether the rows keep a number as their key, so that both databases give them in the same order."""
    return len(table.key) == 1 and isinstance(table.columns[0].rule, Integer)
