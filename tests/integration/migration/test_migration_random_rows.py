"""The server's own lines for plain rows, held against the rules in Python on rows of random and nasty values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest

from migration import plain
from migration.map import TABLES
from migration.rules.numbers import SortOrder
from migration.rules.rule import Raw
from migration.transform import Row, Transformer
from tests.integration.migration.databases import Legacy, New, differences, migrate, planned
from tests.integration.migration.random_rows import RandomRows

WITH_PLAIN_ROWS = {
    table.old for table in TABLES if not any(isinstance(column.rule, SortOrder) for column in table.columns)
}
"""Sort orders are known to the rules alone."""


@pytest.fixture
def decided(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many rows of a table the rules decided about."""
    counts: Counter[str] = Counter()
    row, plain_row = Transformer.row, Transformer.plain_row

    def counted(self: Transformer, raws: Sequence[Raw]) -> Row | None:
        counts[self._table.old] += 1
        return row(self, raws)

    def counted_texts(self: Transformer, cells: Sequence[bytes], texts: Collection[int]) -> Row:
        counts[self._table.old] += 1
        return plain_row(self, cells, texts)

    monkeypatch.setattr(Transformer, "row", counted)
    monkeypatch.setattr(Transformer, "plain_row", counted_texts)
    return counts


class Case(NamedTuple):
    seed: int
    zone: str
    charset: str
    first_id: int = 100


@pytest.mark.every_server
@pytest.mark.parametrize(
    "case",
    [
        Case(1, "America/Denver", "latin1"),
        Case(3, "Europe/Berlin", "latin1"),
        Case(4, "Australia/Lord_Howe", "utf8mb4"),
        Case(5, "America/St_Johns", "latin1"),
        # So far from the sample's ids that no condition names those between.
        Case(6, "UTC", "latin1", 3_000_000_000),
    ],
    ids=lambda case: f"{case.zone}-{case.charset}",
)
def test_plain_rows_become_what_the_rules_make_of_them(
    legacy: Legacy,
    new: New,
    another_new: New,
    decided: Counter[str],
    monkeypatch: pytest.MonkeyPatch,
    case: Case,
) -> None:
    if case.charset != "latin1":
        for table in TABLES:
            legacy.run(f"ALTER TABLE {table.old} CONVERT TO CHARACTER SET {case.charset}")
    RandomRows(case.seed, ZoneInfo(case.zone), first_id=case.first_id).fill(legacy)

    quick = migrate(legacy, new, zone=case.zone)
    by_rules = Counter(decided)
    monkeypatch.setattr(plain, "form", lambda _rule, *_sources: None)
    decided.clear()
    slow = migrate(legacy, another_new, zone=case.zone)

    read = {table.old: table.read for table in quick.tables}
    assert decided == Counter({table: rows for table, rows in read.items() if rows})
    possible = sum(read[table] for table in WITH_PLAIN_ROWS)
    among = sum(by_rules[table] for table in WITH_PLAIN_ROWS)
    assert possible > 1_000
    if case.first_id == 100:
        assert 0.2 < among / possible < 0.8
    else:
        assert 0.5 < among / possible < 0.95
    assert sum(table.rejected for table in quick.tables) > 20
    assert quick.notes.counts == slow.notes.counts
    assert len({rule for counts in quick.notes.counts.values() for _, rule in counts}) >= 8
    assert new.dump() == another_new.dump()
    assert differences(legacy, new, zone=case.zone) == []


def test_plan_finds_what_a_run_finds(legacy: Legacy, new: New, decided: Counter[str]) -> None:
    RandomRows(7, ZoneInfo("America/Denver")).fill(legacy)

    figures = planned(legacy)

    of_plan = Counter(decided)
    decided.clear()
    done = migrate(legacy, new)
    assert decided == of_plan
    assert figures.notes.counts == done.notes.counts
    assert figures.notes.refused == done.notes.refused
    assert [(t.old, t.read, t.written) for t in figures.tables] == [(t.old, t.read, t.written) for t in done.tables]


@pytest.mark.parametrize("charset", ["latin1", "utf8mb4", "latin2"])
def test_row_with_accents_line_ends_and_backslashes_needs_no_rule(
    legacy: Legacy, new: New, decided: Counter[str], charset: str
) -> None:
    text = "Peña, Ü:\t\r\nC:\\new \\N" if charset != "latin2" else "Łódź, Ü:\t\r\nC:\\new \\N"
    legacy.run(
        "SET NAMES utf8mb4",
        "DELETE FROM prizes_redemptions WHERE pr_id <> 1",
        f"ALTER TABLE prizes_redemptions CONVERT TO CHARACTER SET {charset}",
    )
    columns = "description", "name_first", "name_last", "address", "passport_number"
    named = ", ".join(f"{column} = CONVERT(0x{text.encode().hex()} USING utf8mb4)" for column in columns)
    legacy.run(f"UPDATE prizes_redemptions SET {named}")

    migrate(legacy, new)

    assert decided["prizes_redemptions"] == 0
    assert new.rows("SELECT description, name_last FROM prize_redemptions") == [(text, text)]
    assert differences(legacy, new) == []


def test_only_texts_of_another_encoding_than_the_tables_others_need_a_rule(
    legacy: Legacy, new: New, decided: Counter[str]
) -> None:
    legacy.run(
        "DELETE FROM prizes_redemptions WHERE pr_id NOT IN (1, 3)",
        "ALTER TABLE prizes_redemptions MODIFY city VARCHAR(60) CHARACTER SET utf8mb4",
        "UPDATE prizes_redemptions SET city = CONVERT(0x50656EC3B16120F09F9880 USING utf8mb4) WHERE pr_id = 1",
        "UPDATE prizes_redemptions SET created_on = '2019-03-11 02:30:00', passport_issue_date = NULL,"
        " passport_expiration_date = NULL, city = 'Provo' WHERE pr_id = 3",
    )

    migrate(legacy, new)

    assert decided["prizes_redemptions"] == 1
    assert new.rows("SELECT city, name_last FROM prize_redemptions ORDER BY id") == [
        ("Pen\u00f1a \U0001f600", "O'Neill"), ("Provo", "Peña"),
    ]  # fmt: skip
    assert differences(legacy, new) == []


def test_bytes_by_which_a_line_is_told_apart_may_stand_in_any_text(
    legacy: Legacy, new: New, decided: Counter[str]
) -> None:
    legacy.run(
        "DELETE FROM prizes_redemptions WHERE pr_id NOT IN (1, 3)",
        "UPDATE prizes_redemptions SET description = 0x01, name_first = 0x02, name_last = 0x610162, city = 0x02, zip = NULL",
        "UPDATE customers SET customer_id = CONCAT(0x02, customer_id), customer_name = 0x020A, status_cd = 0x01",
        "UPDATE points_adjustments SET description = CONCAT('a', 0x020A, 'b')",
    )

    migrate(legacy, new)

    moved = "SELECT description, name_first, name_last, city, zip FROM prize_redemptions"
    assert new.rows(moved) == [("\x01", "\x02", "a\x01b", "\x02", None)] * 2
    assert new.rows("SELECT DISTINCT left(id, 1), name, status FROM customers") == [("\x02", "\x02\n", "\x01")]
    assert new.rows("SELECT DISTINCT description FROM point_adjustments") == [("a\x02\nb",)]
    assert decided["customers"] == 7
    assert differences(legacy, new) == []
