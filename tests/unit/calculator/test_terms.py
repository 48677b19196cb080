"""Terms: rates by specificity and date, and what stored settings may hold."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

import pytest

from streams.calculator import terms as terms_module
from streams.calculator.terms import DEFAULT_TERMS, Rate, Terms
from streams.errors import SettingsError

START = date(2011, 1, 1)
ANY = Rate(None, None, Decimal(1), START)
COMPANY = Rate("SBM", None, Decimal(2), START)
LINE = Rate(None, "Lumber", Decimal(3), START)
BOTH = Rate("SBM", "Lumber", Decimal(4), START)


@pytest.mark.parametrize(
    ("company", "line", "rate"),
    [
        ("SBM", "Lumber", BOTH),
        ("DDF", "Lumber", LINE),
        ("SBM", "Asphalt", COMPANY),
        ("SBM", None, COMPANY),
        ("DDF", "Asphalt", ANY),
        ("DDF", None, ANY),
        ("DDF", "", ANY),
    ],
)
def test_most_specific_rate_wins(company, line, rate):
    assert Terms(rates=(ANY, BOTH, LINE, COMPANY)).rate_for(company, line, date(2026, 1, 1)) == rate


def test_later_rate_of_the_pattern_holds_from_its_date():
    later = replace(LINE, points_per_dollar=Decimal(5), effective_on=date(2026, 3, 2))
    terms = Terms(rates=(later, ANY, LINE))

    assert terms.rate_for("SBM", "Lumber", date(2026, 3, 1)) == LINE
    assert terms.rate_for("SBM", "Lumber", date(2026, 3, 2)) == later


def test_specific_rate_not_yet_in_force_gives_way_to_the_general_one():
    terms = Terms(rates=(ANY, replace(BOTH, effective_on=date(2026, 3, 2))))

    assert terms.rate_for("SBM", "Lumber", date(2026, 3, 1)) == ANY


def test_later_general_rate_does_not_outdo_an_earlier_specific_one():
    terms = Terms(rates=(LINE, replace(ANY, effective_on=date(2026, 3, 2))))

    assert terms.rate_for("SBM", "Lumber", date(2026, 3, 2)) == LINE


def test_no_rate_in_force_is_none():
    assert Terms(rates=(ANY,)).rate_for("SBM", "Lumber", date(2010, 12, 31)) is None
    assert Terms(rates=()).rate_for("SBM", "Lumber", date(2026, 1, 1)) is None


def test_default_rates_are_one_point_a_dollar_and_a_quarter_for_construction():
    rate, construction = (DEFAULT_TERMS.rate_for("SBM", line, date(2026, 1, 1)) for line in ("Lumber", "Construction"))

    assert rate is not None
    assert construction is not None
    assert (rate.points_per_dollar, construction.points_per_dollar) == (Decimal(1), Decimal("0.25"))


def test_memory_of_rates_is_no_part_of_the_terms():
    asked, fresh = Terms(rates=(ANY, LINE)), Terms(rates=(LINE, ANY))
    asked.rate_for("SBM", "Lumber", date(2026, 1, 1))

    assert asked == fresh
    assert hash(asked) == hash(fresh)
    assert repr(asked) == repr(fresh)
    assert pickle.loads(pickle.dumps(asked)) == asked
    changed = replace(asked, rates=(ANY,))
    assert changed.rate_for("SBM", "Lumber", date(2026, 1, 1)) == ANY


def test_endless_product_lines_do_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(terms_module, "_TIMELINES_MAX", 3)
    terms = Terms(rates=(ANY, LINE))

    for n in range(20):
        assert terms.rate_for("SBM", f"line {n}", date(2026, 1, 1)) == ANY
        assert terms.rate_for("SBM", "Lumber", date(2026, 1, 1)) == LINE
    assert len(terms._timelines) <= 3


def test_defaults_are_those_of_the_document():
    assert DEFAULT_TERMS.to_settings() == {
        "program_start": "2011-01-01",
        "enrolled_before": "2011-10-01",
        "days_until_due": 30,
        "deadline_months": 0,
        "stage_days": [31, 61, 91, 121],
        "paid_share": "0.5",
        "penalty_factor": "1",
        "penalty_scheme": "standard",
        "public_stage_days": 30,
        "timezone": "America/Denver",
        "redeem_factor": 2,
        "redeem_company": "SBM",
        "inactive_years": 2,
    }


def test_settings_survive_json():
    terms = Terms(
        date(2012, 2, 29), date(2013, 1, 1), 10, 1, (5, 6), Decimal("0.25"), Decimal("1.5"), "public", 7,
        "Europe/Zurich", 3, "DDF", 4, (LINE, ANY),
    )  # fmt: skip

    assert Terms.from_settings(json.loads(json.dumps(terms.to_settings())), [ANY, LINE]) == terms


def test_missing_settings_have_their_defaults():
    assert Terms.from_settings({}, DEFAULT_TERMS.rates) == DEFAULT_TERMS
    assert Terms.from_settings({"penalty_scheme": "public"}, []) == Terms(penalty_scheme="public", rates=())


def test_whole_number_is_read_as_a_decimal():
    assert Terms.from_settings({"penalty_factor": 2}, []).penalty_factor == Decimal(2)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("program_start", "2011-02-30"),
        ("program_start", 20110101),
        ("program_start", None),
        ("enrolled_before", "soon"),
        ("days_until_due", -1),
        ("days_until_due", True),
        ("days_until_due", "30"),
        ("days_until_due", 30.0),
        ("deadline_months", -1),
        ("stage_days", [31, 31]),
        ("stage_days", [0, 31]),
        ("stage_days", [61, 31]),
        ("stage_days", [31.0]),
        ("stage_days", [True, 2]),
        ("stage_days", "31"),
        ("stage_days", 31),
        ("paid_share", "1.01"),
        ("paid_share", "-0.1"),
        ("paid_share", 0.5),
        ("paid_share", True),
        ("paid_share", "half"),
        ("paid_share", "NaN"),
        ("penalty_factor", "-1"),
        ("penalty_factor", "Infinity"),
        ("penalty_factor", None),
        ("penalty_scheme", "strict"),
        ("penalty_scheme", None),
        ("public_stage_days", 0),
        ("timezone", "America/Nowhere"),
        ("timezone", "../etc/passwd"),
        ("timezone", ""),
        ("timezone", 7),
        ("redeem_factor", -1),
        ("redeem_company", ""),
        ("redeem_company", None),
        ("inactive_years", 0),
        ("rates", []),
        ("_timelines", {}),
        ("penalty_facter", "1"),
    ],
)
def test_wrong_setting_is_refused_by_name(name, value):
    with pytest.raises(SettingsError, match=f"^{name}: "):
        Terms.from_settings({name: value}, [ANY])


@pytest.mark.parametrize("value", [datetime(2011, 1, 1), "2011-01-01"])  # noqa: DTZ001
def test_date_of_another_type_is_refused(value):
    with pytest.raises(SettingsError, match=r"^program_start: "):
        Terms(program_start=value)


@pytest.mark.parametrize("points", [Decimal(-1), Decimal("NaN"), Decimal(1_000_000), 1, 0.25])
def test_wrong_rate_is_refused_by_name(points):
    with pytest.raises(SettingsError, match=r"^rates, SBM, any product line, 2011-01-01, points_per_dollar: "):
        Terms(rates=(replace(COMPANY, points_per_dollar=points),))


def test_two_rates_for_the_same_pattern_and_date_are_refused():
    with pytest.raises(SettingsError, match=r"^rates: two rows"):
        Terms(rates=(LINE, ANY, replace(LINE, points_per_dollar=Decimal(9))))
