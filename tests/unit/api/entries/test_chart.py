from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from api.entries.chart import HEIGHT, MOST_STEPS, TICKS_WANTED, WIDTH, balance_chart

DAY = dt.date(2026, 1, 1)


def test_no_points_draw_nothing() -> None:
    assert balance_chart([], DAY) is None


def test_balance_is_the_running_sum_up_to_today() -> None:
    chart = balance_chart([(DAY, 100), (DAY + dt.timedelta(days=10), -150)], DAY + dt.timedelta(days=20))
    assert chart is not None
    assert (chart.first, chart.last, chart.lowest, chart.highest) == (100, -50, -50, 100)
    assert [step[1:3] for step in chart.steps] == [(100, 0.0), (-50, 500.0)]
    assert [tick.value for tick in chart.ticks] == [100, 50, 0, -50]


def test_single_day_fills_the_width() -> None:
    chart = balance_chart([(DAY, 7)], DAY)
    assert chart is not None
    assert chart.line.endswith(f"H{WIDTH}")


@given(st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=MOST_STEPS * 3))
def test_any_balances_stay_within_the_drawing(deltas: list[int]) -> None:
    days = [(DAY + dt.timedelta(days=i), delta) for i, delta in enumerate(deltas)]
    chart = balance_chart(days, None)
    assert chart is not None
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for _, _, x, y in chart.steps)
    assert 2 <= len(chart.ticks) <= TICKS_WANTED + 3
    assert 0 in [tick.value for tick in chart.ticks]
    assert len(chart.steps) <= MOST_STEPS + 1
    assert chart.steps[-1][1] == chart.last == sum(deltas)
