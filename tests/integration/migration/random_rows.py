"""Rows as a legacy database of ten years may hold them: mostly plain, the others as odd as their columns allow."""

from __future__ import annotations

import datetime as dt
import random
import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, Final
from zoneinfo import ZoneInfo

from migration import legacy
from migration.catalog import LegacyColumn, catalog
from migration.map import TABLES
from migration.mapping import Table
from migration.rules.dates import Date, Moment, MomentWhenTrue
from migration.rules.encrypted import Encrypted
from migration.rules.numbers import Flag, Integer, Money, SortOrder
from migration.rules.references import Reference
from migration.rules.rule import Rule
from migration.rules.texts import Choice, Email, MasterAccount, Status, Text
from tests.integration.migration.databases import Legacy

ROWS: Final = {
    "rewards_groups": 120, "rewards": 120, "prizes": 8, "prizes_options": 20, "customers": 200, "users": 200,
    "rewards_favorites": 60, "prizes_redemptions_batch": 60, "prizes_redemptions": 500, "property_development_points": 150,
    "points_adjustments": 150,
}  # fmt: skip
KNOWN: Final = {
    "rewards_groups": [1, 2, 3, 7, 12], "user_roles": [1, 2, 3, 4, 9], "users": [1, 2, 3, 5, 8], "prizes": [1, 2, 3, 4],
    "prizes_options": [1, 2, 3, 4, 5], "prizes_redemptions_batch": [1],
}  # fmt: skip
"""What the sample holds already."""
UNIQUE: Final = {("users", "email"), ("customers", "customer_id"), ("rewards", "master_acct_id")}

PLAIN: Final = "abcdefghijklmnopqrstuvwxyzABCXYZ0123456789 .,;:!?()[]{}<>@#$%^&*_+=|~`'\"/-"
CONTROLS: Final = "\0\0\t\n\r\\\\\x01\x02\x07\b\v\x1a\x1b\x7f,"
LATIN1: Final = "".join(bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(256))
"""MySQL's latin1: cp1252, and what that leaves open under its own number."""
BEYOND: Final = "Łódź\u041a\u0438\u0435\u0432日本😀\u200b\u2028\ufeff\u0130\u017f"
SNIPPETS: Final = (
    "P\u00c3\u00a9rez",
    "O\u00e2\u20ac\u2122Neill",
    "\u00c3\u0081",
    "\\N",
    "\\.",
    "\\t",
    "\\x41",
    "\\0",
    "\u00c3",
)
"""Text that was encoded twice or only looks like it, and what COPY would take for something else."""
ZEROS: Final = ("0000-00-00", "1980-00-00", "2020-12-00", "0000-05-05", "1975-00-17")
DATES: Final = ("1000-01-01", "1899-12-31", "1969-12-31", "2000-02-29", "2038-01-19", "9999-12-30")


class RandomRows:
    """Makes rows for the sample's tables, the same ones for a seed."""

    def __init__(self, seed: int, zone: ZoneInfo, *, first_id: int = 100) -> None:
        self._chance = random.Random(seed)
        self._first_id = first_id
        self._changes = _changes(zone)
        self._keys = {table: list(keys) for table, keys in KNOWN.items()}

    def fill(self, database: Legacy) -> None:
        """Add rows to every table but divisions and roles."""
        with legacy.connected(database.url) as connection:
            tables = catalog(connection, database.url).tables
        mapped = {table.old: table for table in TABLES}
        for name, count in ROWS.items():
            rows = [self._row(mapped[name], tables[name].columns, number) for number in range(count)]
            # Two rows may have met by chance, where the key is all that there is.
            database.insert(name, list({tuple(row[key] for key in mapped[name].key): row for row in rows}.values()))

    def _row(self, table: Table, columns: Mapping[str, LegacyColumn], number: int) -> dict[str, Any]:
        # Six rows of ten are plain; of the others, one value in five is odd.
        oddity = 0.0 if self._chance.random() < 0.6 else 0.2
        row: dict[str, Any] = {}
        for column in table.columns:
            for place, old in enumerate(column.olds):
                if "." not in old and old not in row:
                    rule = (Flag(), Moment())[place] if isinstance(column.rule, MomentWhenTrue) else column.rule
                    row[old] = self._value(rule, columns[old], self._chance.random() < oddity)
                    if (table.old, old) in UNIQUE:
                        row[old] = f"u{number:04}x".encode() + (row[old] or b"")[:12].replace(b"\0", b"")
        if isinstance(table.columns[0].rule, Integer):
            row[table.key[0]] = self._first_id + number + number // 7
            self._keys.setdefault(table.old, []).append(row[table.key[0]])
        return row

    def _value(self, rule: Rule, column: LegacyColumn, odd: bool) -> Any:
        if isinstance(rule, Encrypted):
            rule = rule.inner
        if column.nullable and self._chance.random() < 0.15:
            return None
        pick = self._chance.choice
        makers: dict[type[Rule], Callable[[], Any]] = {
            Reference: lambda: self._reference(rule, odd),
            Integer: lambda: pick([-(2**31), 2**31 - 1, 0]) if odd else self._chance.randrange(-500, 400_000),
            Money: lambda: f"{self._chance.randrange(-(10**10) + 1, 10**10) / 100:.2f}",
            Choice: lambda: "" if odd else pick("MF"),
            Status: lambda: pick(["OPEN", "Hold", "cLosed"] if odd else ["open", "hold", "closed"]),
            Flag: lambda: pick([2, -1, 127, -128] if odd else [0, 1]),
            Date: lambda: self._date(odd),
            Moment: lambda: self._moment(odd),
            SortOrder: lambda: pick([-3.5, 1e6, 0.125] if odd else [0, 1, 1.5, 2, 7]),
            Text: lambda: self._text(column, odd),
            Email: lambda: self._text(column, odd),
            MasterAccount: lambda: (
                pick([b"m-1001", b"M-1003  ", b"M-1003", b"M-1002 "]) if odd else self._text(column, False)
            ),
        }
        return makers[type(rule)]()

    def _reference(self, rule: Rule, odd: bool) -> int | str:
        assert isinstance(rule, Reference)
        if rule.by_code:
            return self._chance.choice(["XXX", "", "GRP ", "sBm"] if odd else ["SBM", "GRP", "grp", "WWC", "DDF"])
        return self._chance.choice([0, 7_777_777] if odd else self._keys[rule.to])

    def _date(self, odd: bool) -> str:
        if odd:
            return self._chance.choice(ZEROS + DATES)
        return f"{dt.date(1940, 1, 1) + dt.timedelta(days=self._chance.randrange(36_000))}"

    def _moment(self, odd: bool) -> str:
        if odd and self._chance.random() < 0.3:
            return f"{self._date(odd)} {self._chance.randrange(24):02}:15:00"
        if odd and self._changes:
            minutes = dt.timedelta(minutes=self._chance.randrange(-26 * 60, 26 * 60))
            return f"{self._chance.choice(self._changes) + minutes:%Y-%m-%d %H:%M:%S}"
        moment = dt.datetime(1970, 1, 2, tzinfo=dt.UTC) + dt.timedelta(seconds=self._chance.randrange(2 * 10**9))
        return f"{moment:%Y-%m-%d %H:%M:%S}"

    def _text(self, column: LegacyColumn, odd: bool) -> bytes:
        """As bytes of the column's character set, since a connection's own would change them."""
        width = re.search(r"\((\d+)\)", column.column_type)
        length = self._chance.randrange(min(int(width[1]) if width else 60, 60) + 1)
        letters = PLAIN
        if odd:
            more = BEYOND if column.charset == "utf8mb4" else ""
            letters = self._chance.choice([PLAIN + CONTROLS * 3, PLAIN + LATIN1 + more, CONTROLS, LATIN1 + more])
        text = "".join(self._chance.choices(letters, k=length))
        if odd and self._chance.random() < 0.3:
            text = (text[: length // 2] + self._chance.choice(SNIPPETS))[: max(length, 8)]
        if column.charset == "utf8mb4":
            return text.encode()
        return bytes(LATIN1.index(character) for character in text)


def _changes(zone: ZoneInfo) -> list[dt.datetime]:
    """Midnights before the days on which the clock was changed."""
    first = dt.datetime.fromisoformat("1970-01-05")
    days = (first + dt.timedelta(days=number) for number in range(67 * 365))
    return [day for day, following in pairwise(days) if zone.utcoffset(day) != zone.utcoffset(following)]
