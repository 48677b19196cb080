"""Two streams of rows in the order of their keys, walked along side by side: what differs, and a digest of each side. PURE."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, TypeAlias

from migration.map import PASSWORD
from migration.mapping import Table, is_numbered
from migration.rules.encrypted import Encrypted
from migration.rules.rule import Value

Key: TypeAlias = tuple[Any, ...]
Values: TypeAlias = tuple[Any, ...]

ROWS_A_SHOW: Final = 2_000
SHOWN: Final = 20
"""Differences that are named, a table; all are counted."""
ENTRY: Final = (
    "reward_group_id", "company", "kind", "points_before", "points_after", "delta", "effective_on", "recorded_at", "facts ->> 'title'",
)  # fmt: skip
"""What is compared of an entry of the log."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that is not the same."""

    key: str
    what: str
    """`missing`, `not in the legacy database`, or the columns with both values (encrypted ones without)."""


@dataclass(slots=True)
class Comparison:
    """One table, or the entries that one became."""

    name: str
    rows_expected: int = 0
    rows_found: int = 0
    differing: int = 0
    differences: list[Difference] = field(default_factory=list)
    own: int = 0
    """Rows that the new system has made since: numbered after all of the legacy ones. Not compared."""
    replaced: int = 0
    """Passwords that their users have replaced since: not compared."""
    digest_expected: str = ""
    digest_found: str = ""

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return self.differing == 0 and self.digest_expected == self.digest_found

    def differ(self, key: Key, what: str) -> None:
        """Note a row that is not the same."""
        self.differing += 1
        if len(self.differences) < SHOWN:
            self.differences.append(Difference(",".join(map(str, key)), what))


def match(
    comparison: Comparison,
    expected: Iterator[tuple[Key, Values]],
    found: Iterator[tuple[Key, Values]],
    table: Table,
    highest: int | None,
    show: Callable[[str, int], None],
) -> None:
    """Walk along both sides in the order of their keys.

    Args:
        comparison: is filled in.
        expected: what the legacy database holds, by the rules.
        found: what the new one holds.
        table: what both are rows of.
        highest: the highest legacy number at the time of the run, where rows are numbered.
        show: is told how many more rows were compared.
    """
    names = _names(table)
    secret = {column.new for column in table.columns if isinstance(column.rule, Encrypted)} | {*PASSWORD[:2]}
    digests = hashlib.sha256(), hashlib.sha256()
    one, other = next(expected, None), next(found, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one[0] < other[0]):
            assert one is not None
            comparison.rows_expected += 1
            digests[0].update(_canonical(one))
            comparison.differ(one[0], "missing")
            one = next(expected, None)
            continue
        if one is None and is_numbered(table) and highest is not None and other[0] > (highest,):
            comparison.own += 1
            other = next(found, None)
            continue
        if one is None or other[0] < one[0]:
            comparison.rows_found += 1
            digests[1].update(_canonical(other))
            comparison.differ(other[0], "not in the legacy database")
            other = next(found, None)
            continue
        comparison.rows_expected += 1
        comparison.rows_found += 1
        pair = one[1], other[1]
        if table.old == "users" and _is_replaced(names, other[1]):
            comparison.replaced += 1
            pair = _without_password(names, one[1]), _without_password(names, other[1])
        if pair[0] != pair[1]:
            comparison.differ(one[0], _told(names, secret, *pair))
        digests[0].update(_canonical((one[0], pair[0])))
        digests[1].update(_canonical((other[0], pair[1])))
        if comparison.rows_expected % ROWS_A_SHOW == 0:
            show(table.old, ROWS_A_SHOW)
        one, other = next(expected, None), next(found, None)
    show(table.old, comparison.rows_expected % ROWS_A_SHOW)
    comparison.digest_expected, comparison.digest_found = digests[0].hexdigest(), digests[1].hexdigest()


def _told(names: Sequence[str], secret: set[str], expected: Values, found: Values) -> str:
    return "; ".join(
        f"{name} differs" if name in secret else f"{name} is {there!r} instead of {here!r}"
        for name, here, there in zip(names, expected, found, strict=True)
        if here != there
    )


def _is_replaced(names: Sequence[str], values: Values) -> bool:
    """Whether the user has signed in since: the legacy hash is gone for good."""
    row = dict(zip(names, values, strict=True))
    return row["password_salt"] is None and str(row["password_hash"]).startswith("$argon2")


def _without_password(names: Sequence[str], values: Values) -> Values:
    return tuple(None if name in PASSWORD else value for name, value in zip(names, values, strict=True))


def _canonical(row: tuple[Key, Values]) -> bytes:
    """The same bytes for the same values, whatever database they come from."""
    return repr([_plain(value) for value in row[1]]).encode()


def _plain(value: Value) -> object:
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat()
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value.quantize(Decimal("0.01")))
    return value


def _names(table: Table) -> tuple[str, ...]:
    columns = tuple(column.new for column in table.columns)
    return columns + tuple(f"entry's {name}" for name in ENTRY) if table.entry else columns
