"""Rewards, pending and who takes part, one rule at a time."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from streams.calculator.facts import Membership
from streams.calculator.points import NOTHING
from streams.calculator.terms import DEFAULT_TERMS, Rate, Terms
from tests.unit.calculator.invoices import MEMBER, charge, on, payment, worth


def test_no_membership_is_worth_nothing():
    assert worth(charge("03-02", "100"), as_of="12-31", member=None) == NOTHING
    assert NOTHING.points == 0


def test_no_rows_leave_only_the_group():
    value = worth(as_of="12-31")

    assert (value.reward_group_id, value.points, value.pending, value.next_evaluation_on) == (7, 0, 0, None)


@pytest.mark.parametrize(
    ("enrolled", "row", "reward"),
    [
        ("2011-09-30", "2011-01-01", 100),
        ("2011-09-30", "2011-09-29", 100),
        ("2011-09-30", "2010-12-31", 0),
        ("2011-10-01", "2011-09-30", 0),
        ("2011-10-01", "2011-10-01", 100),
        ("2026-03-02", "2026-03-01", 0),
        ("2026-03-02", "2026-03-02", 100),
        ("2009-01-01", "2010-12-31", 0),
    ],
)
def test_row_counts_from_the_start_or_from_enrolment(enrolled, row, reward):
    member = Membership(7, on(enrolled))

    assert worth(charge(row, "100"), payment(row, "-100"), as_of="12-31", member=member).reward == reward


def test_enrolment_before_the_program_start_counts_from_the_start():
    terms = Terms(enrolled_before=date(2000, 1, 1))
    member = Membership(7, date(2005, 1, 1))
    rows = [charge("2010-12-31", "50"), charge("2011-01-01", "100"), payment("2011-01-01", "-100")]

    assert worth(*rows, as_of="12-31", member=member, terms=terms).reward == 100


def test_charge_before_enrolment_leaves_its_payment_without_points():
    member = Membership(7, on("03-10"))
    value = worth(charge("03-02", "100"), payment("03-10", "-100"), as_of="03-10", member=member)

    assert value.points == 0
    assert (value.billed, value.paid, value.open) == (0, 100, -100)
    assert (value.due_on, value.deadline_on, value.settled_on) == (None, None, None)


def test_row_of_a_later_date_does_not_count_yet():
    rows = [charge("03-02", "100", due="04-01"), payment("03-10", "-100"), charge("03-20", "50", due="06-01")]

    assert worth(*rows, as_of="03-19").reward == 100
    assert worth(*rows, as_of="03-19").due_on == on("04-01")
    assert worth(*rows, as_of="03-20").reward == 0
    assert worth(*rows, as_of="03-20").due_on == on("06-01")


@pytest.mark.parametrize(
    ("due", "deadline"),
    [
        ("2026-04-01", "2026-04-30"),
        ("2026-04-30", "2026-04-30"),
        ("2026-01-31", "2026-01-31"),
        ("2026-02-01", "2026-02-28"),
        ("2028-02-29", "2028-02-29"),
        ("2100-02-05", "2100-02-28"),
        ("2026-12-31", "2026-12-31"),
        ("9999-12-15", "9999-12-31"),
    ],
)
def test_deadline_is_the_last_day_of_the_due_dates_month(due, deadline):
    assert worth(charge("03-02", "100", due=due), as_of="03-02").deadline_on == on(deadline)


def test_settled_on_the_deadline_earns_and_a_day_later_does_not():
    invoice = charge("2028-01-10", "100", due="2028-02-10")

    assert worth(invoice, payment("2028-02-29", "-100"), as_of="2028-12-31").reward == 100
    assert worth(invoice, payment("2028-03-01", "-100"), as_of="2028-12-31").reward == 0


def test_deadline_months_move_the_deadline():
    terms = Terms(deadline_months=2)

    assert worth(charge("2025-11-20", "1", due="2025-12-31"), as_of="01-01", terms=terms).deadline_on == on("02-28")


def test_due_date_is_the_latest_of_the_invoice_rows():
    rows = [charge("03-02", "100", due="04-10"), charge("03-02", "1", due="04-01"), charge("03-05", "1")]

    assert worth(*rows, as_of="03-31").due_on == on("04-10")


def test_no_due_date_is_thirty_days_after_the_earliest_invoice_row():
    rows = [payment("02-01", "-1"), charge("03-10", "100"), charge("03-02", "100")]

    assert worth(*rows, as_of="03-31").due_on == on("04-01")
    assert worth(*rows, as_of="03-31", terms=Terms(days_until_due=10)).due_on == on("03-12")


def test_prepayment_settles_on_its_own_date():
    value = worth(payment("02-20", "-100"), charge("03-02", "100", due="04-01"), as_of="03-02")

    assert (value.reward, value.settled_on) == (100, on("02-20"))


def test_prepayment_without_an_invoice_row_is_worth_nothing():
    value = worth(payment("02-20", "-100"), as_of="12-31")

    assert (value.points, value.pending, value.at_risk) == (0, 0, 0)
    assert (value.paid, value.open, value.settled_on, value.next_evaluation_on) == (100, -100, None, None)


def test_charge_and_payment_of_one_day_settle_on_that_day():
    value = worth(charge("03-02", "100"), payment("03-02", "-100"), as_of="03-02")

    assert (value.reward, value.settled_on) == (100, on("03-02"))


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 1, 3, 2), (3, 2, 1, 0), (2, 0, 3, 1)])
def test_charge_paid_on_its_own_day_does_not_break_the_settled_run(order):
    rows = [charge("03-02", "100"), payment("03-10", "-100"), charge("03-20", "50"), payment("03-20", "-50")]

    assert worth(*(rows[i] for i in order), as_of="03-31").settled_on == on("03-10")


def test_payment_bounced_within_its_day_never_settled():
    rows = [charge("03-02", "100"), payment("03-10", "-100"), payment("03-10", "100")]

    assert worth(*rows, as_of="03-10").settled_on is None


def test_bounced_payment_takes_the_reward_until_it_is_paid_again():
    rows = [charge("03-02", "100", due="04-01"), payment("03-10", "-100"), payment("03-15", "100")]

    assert worth(*rows, as_of="03-14").reward == 100
    bounced = worth(*rows, as_of="03-15")
    assert (bounced.reward, bounced.pending, bounced.settled_on) == (0, 100, None)
    paid_again = worth(*rows, payment("04-30", "-100"), as_of="04-30")
    assert (paid_again.reward, paid_again.pending, paid_again.settled_on) == (100, 0, on("04-30"))


def test_last_unbroken_run_of_settled_dates_counts_from_its_first():
    rows = [
        charge("03-02", "100", due="04-01"),
        payment("03-10", "-100"),
        charge("03-12", "50"),
        payment("03-20", "-60"),
        charge("03-25", "5"),
        payment("03-28", "-5"),
    ]

    assert worth(*rows, as_of="12-31").settled_on == on("03-20")


def test_late_charge_that_is_paid_late_takes_the_whole_reward():
    rows = [
        charge("03-02", "100", due="04-01"),
        payment("03-10", "-100"),
        charge("05-05", "10"),
        payment("05-06", "-10"),
    ]

    assert worth(*rows, as_of="05-04").reward == 100
    assert worth(*rows, as_of="05-06").reward == 0


def test_overpaid_invoice_earns_what_was_billed():
    value = worth(charge("03-02", "100"), payment("03-03", "-150"), as_of="03-03")

    assert (value.reward, value.open) == (100, -50)


def test_credit_alone_takes_back_points_truncated_toward_zero():
    value = worth(charge("03-02", "-100.99"), as_of="03-02")

    assert (value.reward, value.settled_on, value.pending) == (-100, on("03-02"), 0)


def test_credit_and_charge_of_the_same_fraction_mirror_each_other():
    rows = {sign: charge("03-02", f"{sign}33.33", line="Construction") for sign in ("", "-")}

    assert worth(rows[""], payment("03-02", "-33.33"), as_of="03-02").reward == 8
    assert worth(rows["-"], as_of="03-02").reward == -8


def test_points_are_truncated_once_after_the_sum():
    rows = [charge("03-02", "0.60"), charge("03-02", "0.60", line="Lumber"), payment("03-02", "-1.20")]

    assert worth(*rows, as_of="03-02").reward == 1


def test_retainage_is_neither_due_nor_earns():
    value = worth(charge("03-02", "400", retainage="40"), payment("03-20", "-360"), as_of="03-20")

    assert (value.billed, value.open, value.reward) == (360, 0, 360)


def test_retainage_of_a_payment_row_is_of_no_account():
    paid = payment("03-20", "-360")
    odd = type(paid)(paid.transaction_id, True, paid.on, paid.amount, Decimal(99), paid.due_on, None)

    assert worth(charge("03-02", "360"), odd, as_of="03-20").paid == 360


def test_partly_paid_invoice_has_all_its_points_pending():
    value = worth(charge("03-02", "100", due="04-01"), payment("03-10", "-99.99"), as_of="04-30")

    assert (value.reward, value.pending, value.open) == (0, 100, Decimal("0.01"))


def test_pending_lapses_after_the_deadline():
    invoice = charge("03-02", "100", due="04-01")

    assert worth(invoice, as_of="04-30").pending == 100
    assert worth(invoice, as_of="05-01").pending == 0


def test_rates_used_are_told_once_and_in_the_terms_order():
    rows = [
        charge("03-02", "100", line="Construction"),
        charge("03-02", "100", line="Lumber"),
        charge("03-03", "100", line=None),
    ]

    terms = Terms(rates=(*DEFAULT_TERMS.rates, Rate(None, "Asphalt", Decimal(3), on("01-01"))))
    assert worth(*rows, as_of="03-31", terms=terms).rates == DEFAULT_TERMS.rates
    assert worth(*rows[1:], as_of="03-31").rates == DEFAULT_TERMS.rates[:1]


def test_no_rate_in_force_earns_nothing():
    terms = Terms(rates=(Rate(None, None, Decimal(1), on("03-03")),))
    rows = [charge("03-02", "100"), charge("03-03", "7"), payment("03-04", "-107")]
    value = worth(*rows, as_of="03-04", terms=terms)

    assert (value.reward, value.settled_on, value.rates) == (7, on("03-04"), terms.rates)


def test_amount_beyond_all_sense_stays_exact():
    amount = "9999999999999.99"
    terms = Terms(rates=(Rate(None, None, Decimal("999999.999999"), date(2011, 1, 1)),))
    rows = [*(charge("03-02", amount) for _ in range(50)), *(payment("03-02", f"-{amount}") for _ in range(50))]

    expected = 50 * 999_999_999_999_999 * 999_999_999_999 // 10**8
    assert worth(*rows, as_of="03-02", terms=terms, member=MEMBER).reward == expected
