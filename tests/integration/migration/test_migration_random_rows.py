"""The server's own lines for plain rows, held against the rules in Python on rows of random and nasty values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
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
    original = Transformer.row

    def counted(self: Transformer, raws: Sequence[Raw]) -> Row | None:
        counts[self._table.old] += 1
        return original(self, raws)

    monkeypatch.setattr(Transformer, "row", counted)
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
