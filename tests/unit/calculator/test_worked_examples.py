"""The table of program-terms.md, with its numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

import pytest

from streams.calculator.facts import InvoiceRow
from tests.unit.calculator.invoices import charge, payment, penalties_of, worth


def concrete() -> InvoiceRow:
    return charge("03-02", "1250.99", due="04-01")


@dataclass
class Example:
    rows: list[InvoiceRow]
    as_of: str
    reward: int = 0
    penalties: list[tuple[int, int, str]] = field(default_factory=list)
    pending: int = 0


EXAMPLES = {
    "1 paid by the deadline": Example([concrete(), payment("04-10", "-1250.99")], "04-30", reward=1250),
    "2 paid a day late, in full on the stage's date": Example([concrete(), payment("05-01", "-1250.99")], "05-02"),
    "3 never paid": Example([concrete()], "06-01", penalties=[(1, -1250, "2026-05-02"), (2, -1250, "2026-06-01")]),
    "4 56 % paid": Example([concrete(), payment("04-20", "-700")], "12-31"),
    "5 Construction with retainage": Example(
        [charge("03-02", "400.00", due="04-01", line="Construction", retainage="40.00"), payment("03-20", "-360.00")],
        "03-20",
        reward=90,
    ),
    "6 charge and credit": Example(
        [
            charge("03-02", "100.00", due="04-01", line="Lumber"),
            charge("03-05", "-100.00", due="04-01", line="Lumber"),
        ],
        "03-05",
    ),
    "7 bounced, paid again late": Example(
        [
            charge("03-02", "100.00", due="04-01"),
            payment("03-10", "-100.00"),
            payment("03-15", "100.00"),
            payment("05-20", "-100.00"),
        ],
        "05-31",
        penalties=[(1, -100, "2026-05-02")],
    ),
    "8 nothing paid, still in time": Example([concrete()], "04-30", pending=1250),
}


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES.keys())
def test_worked_example_gives_its_points(example):
    value = worth(*example.rows, as_of=example.as_of)

    assert value.reward == example.reward
    assert penalties_of(value) == example.penalties
    assert value.pending == example.pending
    assert value.points == example.reward + sum(points for _, points, _ in example.penalties)
    assert value.due_on == date(2026, 4, 1)
    assert value.deadline_on == date(2026, 4, 30)
