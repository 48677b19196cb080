from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.entries.chart import MOST_DATES, MOST_STEPS, TICKS_WANTED, WIDTH, balance_chart

DAY = dt.date(2026, 1, 1)
NUMBER = DAY.toordinal()


def test_no_points_draw_nothing() -> None:
    assert balance_chart([], DAY) is None


def test_balance_is_the_running_sum_up_to_today() -> None:
    chart = balance_chart([(NUMBER, 100), (NUMBER + 10, -150)], DAY + dt.timedelta(days=20))
    assert chart is not None
    assert (chart.first, chart.last, chart.lowest, chart.highest) == (100, -50, -50, 100)
    assert [(step.balance, step.x) for step in chart.steps] == [(100, 0.0), (-50, 50.0)]
    assert [tick.value for tick in chart.ticks] == [100, 50, 0, -50]


def test_single_day_fills_the_width() -> None:
    chart = balance_chart([(NUMBER, 7)], DAY)
    assert chart is not None
    assert chart.line.endswith(f"H{WIDTH}")
    assert [(date.text, date.x, date.anchor) for date in chart.dates] == [("Jan 1", 0.0, "start")]


@pytest.mark.parametrize(
    ("days", "texts"),
    [
        (1, ["Jan 1", "Jan 2"]),
        (21, ["Jan 5", "Jan 12", "Jan 19"]),
        (89, ["Jan 2026", "Feb 2026", "Mar 2026"]),
        (400, ["Jan 2026", "Apr 2026", "Jul 2026", "Oct 2026", "Jan 2027"]),
        (15 * 365, ["2028", "2032", "2036", "2040"]),
    ],
)
def test_dates_are_round(days: int, texts: list[str]) -> None:
    chart = balance_chart([(NUMBER, 7)], DAY + dt.timedelta(days=days))
    assert chart is not None
    assert [date.text for date in chart.dates] == texts


def test_no_peak_is_lost_in_thousands_of_days() -> None:
    deltas = [1] * 3_000
    deltas[1_234], deltas[1_235] = 90_000, -90_000
    days = [(NUMBER + i, delta) for i, delta in enumerate(deltas)]
    chart = balance_chart(days, None)
    assert chart is not None
    assert max(step.balance for step in chart.steps) == chart.highest == 91_234
    assert chart.days == 3_000
    assert [chart.steps[0].day, chart.steps[-1].day] == [DAY, DAY + dt.timedelta(days=2_999)]


@given(st.dates(), st.dates())
def test_any_span_has_some_dates_in_order(one: dt.date, other: dt.date) -> None:
    first, last = sorted((one, other))
    chart = balance_chart([(first.toordinal(), 1)], last)
    assert chart is not None
    assert 1 <= len(chart.dates) <= MOST_DATES
    places = [date.x for date in chart.dates]
    assert places == sorted(set(places))
    assert 0 <= places[0] <= places[-1] <= 100


@given(st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=MOST_STEPS * 3))
def test_any_balances_stay_within_the_drawing(deltas: list[int]) -> None:
    days = [(NUMBER + i, delta) for i, delta in enumerate(deltas)]
    chart = balance_chart(days, None)
    assert chart is not None
    assert all(0 <= step.x <= 100 and 0 <= step.y <= 100 for step in chart.steps)
    assert 2 <= len(chart.ticks) <= TICKS_WANTED + 3
    assert 0 in [tick.value for tick in chart.ticks]
    assert len(chart.steps) <= MOST_STEPS
    assert chart.steps[-1].balance == chart.last == sum(deltas)
