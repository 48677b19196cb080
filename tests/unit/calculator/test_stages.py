"""Penalties, what is at risk, and when to look again."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from streams.calculator.facts import Membership
from streams.calculator.terms import Terms
from tests.unit.calculator.invoices import MEMBER, charge, on, payment, penalties_of, worth

PUBLIC = Terms(penalty_scheme="public")
ALL_FOUR = ["2026-05-02", "2026-06-01", "2026-07-01", "2026-07-31"]


def test_stage_is_applied_on_its_date_and_not_a_day_before():
    invoice = charge("03-02", "100", due="04-01")

    for stage, day in enumerate(ALL_FOUR, start=1):
        eve = date.fromordinal(on(day).toordinal() - 1).isoformat()
        assert penalties_of(worth(invoice, as_of=eve)) == [(k, -100, d) for k, d in enumerate(ALL_FOUR[: stage - 1], 1)]
        assert penalties_of(worth(invoice, as_of=day)) == [(k, -100, d) for k, d in enumerate(ALL_FOUR[:stage], 1)]


def test_standard_scheme_ends_with_its_fourth_stage():
    value = worth(charge("03-02", "100", due="04-01"), as_of="2036-01-01")

    assert len(value.penalties) == 4
    assert (value.at_risk, value.at_risk_on, value.next_evaluation_on) == (0, None, None)


@pytest.mark.parametrize(("paid", "points"), [("-49.99", -50), ("-50.00", 0), ("-50.01", 0), ("20.00", -120)])
def test_half_paid_on_the_stage_takes_nothing(paid, points):
    value = worth(charge("03-02", "100", due="04-01"), payment("04-15", paid), as_of="05-02")

    assert sum(penalty.points for penalty in value.penalties) == points


def test_penalty_is_truncated_toward_zero():
    assert worth(charge("03-02", "100.99", due="04-01"), as_of="05-02").points == -100


def test_less_than_a_point_is_no_penalty():
    value = worth(charge("03-02", "0.99", due="04-01"), as_of="06-15")

    assert (value.penalties, value.at_risk, value.next_evaluation_on) == ((), 0, None)


def test_later_payment_does_not_take_a_penalty_back():
    value = worth(charge("03-02", "100", due="04-01"), payment("05-03", "-100"), as_of="12-31")

    assert penalties_of(value) == [(1, -100, "2026-05-02")]


def test_payment_dated_on_the_stage_takes_the_penalty_back():
    value = worth(charge("03-02", "100", due="04-01"), payment("05-02", "-50"), as_of="12-31")

    assert value.penalties == ()


def test_paying_half_between_two_stages_stops_the_next():
    rows = [charge("03-02", "100", due="04-01"), payment("05-15", "-40"), payment("06-15", "-20")]

    assert penalties_of(worth(*rows, as_of="12-31")) == [(1, -100, "2026-05-02"), (2, -60, "2026-06-01")]


def test_bounced_payment_brings_the_next_stage_back():
    rows = [charge("03-02", "100", due="04-01"), payment("04-15", "-100"), payment("05-15", "100")]

    assert penalties_of(worth(*rows, as_of="06-01")) == [(2, -100, "2026-06-01")]


def test_stage_before_anything_was_billed_takes_nothing():
    rows = [charge("06-15", "100", due="04-01")]

    assert penalties_of(worth(*rows, as_of="12-31")) == [(3, -100, "2026-07-01"), (4, -100, "2026-07-31")]


def test_credit_alone_is_never_penalised():
    rows = [charge("03-02", "-100", due="04-01"), payment("03-05", "150")]
    value = worth(*rows, as_of="12-31")

    assert (value.open, value.penalties, value.at_risk) == (50, (), 0)


def test_later_charge_with_a_later_due_date_moves_every_stage():
    rows = [charge("03-02", "100", due="04-01"), charge("05-10", "10", due="06-01")]

    assert penalties_of(worth(*rows, as_of="05-09")) == [(1, -100, "2026-05-02")]
    assert worth(*rows, as_of="05-10").penalties == ()


def test_factor_and_share_and_days_are_terms():
    terms = Terms(stage_days=(10,), paid_share=Decimal("0.9"), penalty_factor=Decimal("1.5"))
    rows = [charge("03-02", "100", due="04-01"), payment("04-02", "-89.99")]

    assert penalties_of(worth(*rows, as_of="12-31", terms=terms)) == [(1, -15, "2026-04-11")]


def test_no_stage_days_take_nothing():
    value = worth(charge("03-02", "100", due="04-01"), as_of="12-31", terms=Terms(stage_days=()))

    assert (value.penalties, value.next_evaluation_on) == ((), None)


def test_public_scheme_takes_what_is_open_every_thirty_days_without_an_end():
    rows = [charge("03-02", "100", due="04-01"), payment("04-20", "-60"), payment("06-15", "-39.50")]
    value = worth(*rows, as_of="2027-04-01", terms=PUBLIC)

    assert penalties_of(value) == [(1, -40, "2026-05-01"), (2, -40, "2026-05-31")]
    unpaid = worth(rows[0], as_of="2027-04-01", terms=PUBLIC)
    assert [penalty.stage for penalty in unpaid.penalties] == list(range(1, 13))
    assert (unpaid.points, unpaid.at_risk, unpaid.at_risk_on) == (-1200, -100, on("2027-04-26"))


def test_public_scheme_knows_no_threshold_of_billed():
    rows = [charge("03-02", "-100", due="04-01"), payment("03-05", "150")]

    assert penalties_of(worth(*rows, as_of="05-01", terms=PUBLIC)) == [(1, -50, "2026-05-01")]


def test_overpaid_invoice_is_never_penalised():
    rows = [charge("03-02", "100", due="04-01"), payment("04-20", "-101")]

    assert worth(*rows, as_of="12-31", terms=PUBLIC).penalties == ()
    assert worth(*rows, as_of="12-31").penalties == ()


def test_public_scheme_disregards_the_factor_of_the_standard_one():
    terms = Terms(penalty_scheme="public", penalty_factor=Decimal(3))

    assert worth(charge("03-02", "100", due="04-01"), as_of="05-01", terms=terms).points == -100


def test_at_risk_is_what_the_next_stage_takes_if_nothing_more_is_paid():
    rows = [charge("03-02", "100", due="04-01"), payment("04-10", "-30.50")]

    value = worth(*rows, as_of="05-01")
    assert (value.at_risk, value.at_risk_on) == (-69, on("05-02"))
    value = worth(*rows, as_of="05-02")
    assert (value.at_risk, value.at_risk_on) == (-69, on("06-01"))
    value = worth(*rows, payment("05-03", "-20"), as_of="05-03")
    assert (value.at_risk, value.at_risk_on) == (0, None)


def test_announced_payment_does_not_lower_what_is_at_risk():
    value = worth(charge("03-02", "100", due="04-01"), payment("04-20", "-100"), as_of="04-10")

    assert (value.at_risk, value.pending, value.next_evaluation_on) == (-100, 100, on("04-20"))


def test_next_evaluation_is_the_first_of_later_row_deadline_and_stage():
    invoice = charge("03-02", "100", due="04-01")

    assert worth(invoice, as_of="03-02").next_evaluation_on == on("05-01")
    for later in ([charge("03-20", "1"), charge("03-21", "1")], [charge("03-21", "1"), charge("03-20", "1")]):
        assert worth(invoice, *later, as_of="03-02").next_evaluation_on == on("03-20")
    assert worth(invoice, as_of="05-01").next_evaluation_on == on("05-02")
    assert worth(invoice, as_of="05-02").next_evaluation_on == on("06-01")
    assert worth(charge("01-02", "100", due="02-28"), as_of="02-28").next_evaluation_on == on("03-01")


def test_settled_invoice_needs_no_other_day():
    rows = [charge("03-02", "100", due="04-01"), payment("06-15", "-100")]

    assert worth(*rows, as_of="06-15").next_evaluation_on is None
    assert worth(*rows, as_of="06-15", terms=PUBLIC).next_evaluation_on is None


def test_later_row_that_never_counts_asks_for_no_day():
    member = Membership(7, on("09-01"))

    assert worth(charge("05-01", "100"), as_of="03-01", member=member).next_evaluation_on is None
    assert worth(charge("09-01", "100"), as_of="03-01", member=member).next_evaluation_on == on("09-01")
    assert worth(charge("2010-12-31", "100"), as_of="2010-06-01", member=MEMBER).next_evaluation_on is None


@pytest.mark.parametrize("terms", [Terms(), PUBLIC, Terms(deadline_months=1_200)])
def test_due_date_at_the_calendars_end_has_no_stage_and_never_lapses(terms):
    value = worth(charge("03-02", "100", due="9999-12-31"), as_of="9999-12-31", terms=terms)

    assert (value.pending, value.penalties, value.at_risk, value.next_evaluation_on) == (100, (), 0, None)


def test_charge_at_the_calendars_end_is_due_on_its_last_day():
    assert worth(charge("9999-12-20", "100"), as_of="9999-12-31").due_on == date.max
