from __future__ import annotations

import datetime as dt
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from api.core import formatting


def test_negative_points_carry_a_minus_sign() -> None:
    assert formatting.points(-1250) == "\u22121,250"
    assert formatting.signed_points(1250) == "+1,250"
    assert formatting.signed_points(0) == "0"


@pytest.mark.parametrize(("value", "text"), [("1250.9", "$1,250.90"), (Decimal(-3), "\u2212$3.00"), (None, "\u2013")])
def test_money_is_dollars_and_cents(value: Decimal | str | None, text: str) -> None:
    assert formatting.money(value) == text


def test_moment_is_told_in_the_business_zone() -> None:
    at = dt.datetime(2026, 4, 11, 2, 4, 5, tzinfo=dt.UTC)
    assert formatting.moment(at, ZoneInfo("America/Denver")) == "Apr 10, 2026, 8:04:05 PM MDT"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.44, "0.4 s"), (12.4, "12 s"), (180, "3 min"), (7200, "2 h"), (400_000, "5 days")]
)
def test_duration_uses_the_unit_that_fits(seconds: float, text: str) -> None:
    assert formatting.duration(seconds) == text
