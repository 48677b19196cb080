"""`points.evaluate` against the oracle, and what must hold for any history whatsoever."""

from __future__ import annotations

import decimal
import random
from datetime import date, timedelta
from decimal import Decimal
from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.calculator.facts import InvoiceRow, Membership
from streams.calculator.points import Worth, evaluate
from streams.calculator.terms import DEFAULT_TERMS, Rate, Terms
from tests.properties import oracle

DAY = timedelta(days=1)
COMPANIES = ("SBM", "DDF")
PRODUCT_LINES = (None, "Concrete", "Construction")

Case = tuple[str, list[InvoiceRow], Membership | None, Terms, date]
"""The arguments of `evaluate`."""

# Close to the program's start, to the enrolment limit and to a leap day, so that every border is met often.
BEGINNINGS = (date(2010, 12, 30), date(2011, 9, 25), date(2011, 10, 1), date(2012, 1, 31))
ENROLMENTS = (
    date(2011, 3, 1),
    date(2011, 3, 1),
    date(2011, 9, 30),
    date(2010, 7, 1),
    date(2011, 10, 1),
    date(2011, 11, 5),
)
# Few amounts, so that payments settle charges, halves are exact and cents are left over.
AMOUNTS = tuple(map(Decimal, ("100.00", "100.00", "50.00", "49.99", "50.01", "1250.99", "250", "0.40", "-100.00")))
RETAINAGES = tuple(map(Decimal, ("0", "0", "0", "10.00", "0.01")))
RATES = tuple(map(Decimal, ("1", "0.25", "2.5", "0", "0.333333")))
RATE_DATES = (date(2010, 1, 1), date(2011, 10, 1), date(2012, 2, 1))
NAMED_TERMS = (DEFAULT_TERMS, Terms(penalty_scheme="public"))


def any_terms(chance: random.Random) -> Terms:
    if chance.random() < 0.4:
        return chance.choice(NAMED_TERMS)
    patterns = list(product((None, *COMPANIES), PRODUCT_LINES, RATE_DATES))
    return Terms(
        enrolled_before=chance.choice([date(2011, 10, 1), date(2010, 6, 1)]),
        days_until_due=chance.choice([30, 15, 0]),
        deadline_months=chance.choice([0, 0, 1, 2]),
        stage_days=chance.choice([(31, 61, 91, 121), (1,), (5, 6, 45), ()]),
        paid_share=Decimal(chance.choice(["0.5", "0.333", "1", "0"])),
        penalty_factor=Decimal(chance.choice(["1", "0.5", "1.37", "0"])),
        penalty_scheme=chance.choice(["standard", "standard", "public"]),
        public_stage_days=chance.choice([30, 13]),
        rates=tuple(
            Rate(company, line, chance.choice(RATES), on)
            for company, line, on in chance.sample(patterns, chance.randint(0, 12))
        ),
    )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """An invoice of a few rows on fewer dates, looked at from before its first row to a year after.

    Chance, not hypothesis, picks the parts: drawn one by one, half of all cases would be worth nothing.
    """
    chance = draw(st.randoms(use_true_random=True))
    beginning = chance.choice(BEGINNINGS)
    dates = [beginning + chance.randint(0, 130) * DAY for _ in range(chance.randint(1, 4))]
    due_dates = [None, *(beginning + chance.randint(0, 130) * DAY for _ in range(chance.randint(0, 2)))]
    rows = []
    for transaction_id in range(chance.choice([1, 2, 2, 3, 3, 4, 5, 6, 7, 0])):
        is_payment = transaction_id > 0 and chance.random() < 0.5
        amount = chance.choice(AMOUNTS)
        rows.append(
            InvoiceRow(
                transaction_id,
                is_payment,
                chance.choice(dates),
                -amount if is_payment else amount,
                chance.choice(RETAINAGES),
                chance.choice(due_dates),
                chance.choice(PRODUCT_LINES),
            )
        )
    if chance.random() < 0.5:
        # What settles all of it exactly, or to the cent half of it: by chance alone few are ever settled late.
        rest = sum((row.amount - (0 if row.is_payment else row.retainage) for row in rows), Decimal(0))
        paid_on = beginning + chance.randint(0, 250) * DAY
        rows.append(InvoiceRow(99, True, paid_on, -rest / chance.choice([1, 1, 2]), Decimal(0), None, None))
    membership = Membership(chance.randint(1, 3), chance.choice(ENROLMENTS)) if chance.random() < 0.95 else None
    as_of = beginning + max(chance.randint(-5, 350), chance.randint(-5, 350)) * DAY
    return chance.choice(COMPANIES), rows, membership, any_terms(chance), as_of


def figures(worth: Worth) -> dict[str, Any]:
    """The worth as the oracle tells it."""
    told = {name: getattr(worth, name) for name in Worth._fields if name != "next_evaluation_on"}
    return told | {
        "penalties": [(penalty.stage, penalty.on, penalty.points) for penalty in worth.penalties],
        "rates": set(worth.rates),
    }


def known(worth: Worth) -> Worth:
    return worth._replace(next_evaluation_on=None)


@settings(max_examples=1500)
@given(cases())
def test_any_history_agrees_with_the_oracle(case):
    worth = evaluate(*case)

    assert figures(worth) == oracle.worth(*case)
    assert len(set(worth.rates)) == len(worth.rates)
    assert worth.points == worth.reward + sum(penalty.points for penalty in worth.penalties)


@given(cases(), st.randoms(use_true_random=True))
def test_any_order_of_rows_gives_the_same_worth(case, chance):
    company, rows, membership, terms, as_of = case
    shuffled = list(rows)
    chance.shuffle(shuffled)

    # repr as well: the log's figures (2 or 2.00) may not depend on the order either.
    one, other = (evaluate(company, each, membership, terms, as_of) for each in (rows, shuffled))
    assert (one, repr(one)) == (other, repr(other))


@given(cases())
def test_rows_of_later_dates_change_nothing_but_the_next_evaluation(case):
    company, rows, membership, terms, as_of = case
    without = [row for row in rows if row.on <= as_of]

    assert known(evaluate(company, rows, membership, terms, as_of)) == known(
        evaluate(company, without, membership, terms, as_of)
    )


@given(cases())
def test_no_day_before_the_next_evaluation_gives_another_worth(case):
    company, rows, membership, terms, as_of = case
    worth = evaluate(company, rows, membership, terms, as_of)
    # Where there is no next evaluation, 450 days are more than any deadline or stage of these terms is away.
    until = worth.next_evaluation_on or as_of + 450 * DAY

    assert until > as_of
    day = as_of + DAY
    while day < until:
        assert known(evaluate(company, rows, membership, terms, day)) == known(worth)
        day += DAY


@given(cases())
def test_no_later_row_makes_the_next_evaluation_bring_another_worth(case):
    company, rows, membership, terms, as_of = case
    rows = [row for row in rows if row.on <= as_of]
    worth = evaluate(company, rows, membership, terms, as_of)

    if worth.next_evaluation_on is not None:
        assert known(evaluate(company, rows, membership, terms, worth.next_evaluation_on)) != known(worth)


@given(cases(), st.integers(0, 200))
def test_days_that_pass_without_rows_only_add_penalties(case, days):
    company, rows, membership, terms, as_of = case
    rows = [row for row in rows if row.on <= as_of]
    before = evaluate(company, rows, membership, terms, as_of)
    after = evaluate(company, rows, membership, terms, as_of + days * DAY)

    assert after.penalties[: len(before.penalties)] == before.penalties
    assert all(penalty.on > as_of for penalty in after.penalties[len(before.penalties) :])
    for name in ("reward", "billed", "paid", "open", "due_on", "deadline_on", "settled_on", "rates"):
        assert getattr(after, name) == getattr(before, name)


@given(cases())
def test_following_the_next_evaluations_gives_what_every_day_gives(case):
    company, rows, membership, terms, as_of = case
    end = as_of + 200 * DAY
    worth = evaluate(company, rows, membership, terms, as_of)
    while worth.next_evaluation_on is not None and worth.next_evaluation_on <= end:
        worth = evaluate(company, rows, membership, terms, worth.next_evaluation_on)

    assert worth == evaluate(company, rows, membership, terms, end)


@given(cases())
def test_invoice_and_its_mirror_are_worth_nothing(case):
    company, rows, membership, terms, as_of = case
    mirrored = [
        row._replace(transaction_id=100 + row.transaction_id, amount=-row.amount, retainage=-row.retainage)
        for row in rows
    ]

    worth = evaluate(company, rows + mirrored, membership, terms, as_of)
    assert (worth.points, worth.pending, worth.at_risk, worth.open) == (0, 0, 0, 0)


@given(cases())
def test_decimal_context_of_the_thread_changes_nothing(case):
    company, rows, membership, terms, as_of = case
    expected = evaluate(company, rows, membership, terms, as_of)
    with decimal.localcontext(decimal.Context(prec=3, rounding=decimal.ROUND_UP)):
        worth = evaluate(company, rows, membership, terms, as_of)

    assert worth == expected
