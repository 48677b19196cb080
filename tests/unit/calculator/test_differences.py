"""Which entries lead from one worth to the next."""

from __future__ import annotations

from datetime import date

import pytest

from streams.calculator.differences import Difference, Standing, differences, stored_penalties
from streams.calculator.facts import Membership
from streams.calculator.points import NOTHING
from streams.calculator.stages import Penalty
from tests.unit.calculator.invoices import MEMBER, charge, on, payment, worth

INVOICE = charge("03-02", "100", due="04-01")
UNPAID = worth(INVOICE, as_of="06-01")
PENDING = worth(INVOICE, as_of="03-02")
PAID = worth(INVOICE, payment("03-20", "-100"), as_of="03-20")


def test_settling_in_time_gives_a_reward():
    assert differences(PENDING, PAID) == [Difference("reward", 0, 7, 0, 100, on("03-20"))]


def test_first_worth_differs_from_nothing():
    assert differences(NOTHING, PAID) == differences(Standing(), PAID) == differences(PENDING, PAID)


def test_bounced_payment_takes_effect_on_the_date_of_the_reward_it_takes():
    bounced = worth(INVOICE, payment("03-20", "-100"), payment("03-25", "100"), as_of="03-25")

    assert differences(PAID, bounced) == [Difference("reward", 0, 7, 100, 0, on("03-20"))]


def test_payment_moved_past_the_deadline_takes_effect_on_its_new_date():
    late = worth(INVOICE, payment("05-01", "-100"), as_of="05-01")

    assert differences(PAID, late) == [Difference("reward", 0, 7, 100, 0, on("05-01"))]


def test_stages_are_told_one_by_one():
    found = differences(PENDING, UNPAID)

    assert found == [
        Difference("penalty", 1, 7, 0, -100, on("05-02")),
        Difference("penalty", 2, 7, 0, -100, on("06-01")),
    ]
    assert [difference.delta for difference in found] == [-100, -100]


def test_backdated_payment_takes_a_penalty_back_on_the_stages_date():
    backdated = worth(INVOICE, payment("05-02", "-60"), as_of="06-01")

    assert differences(UNPAID, backdated) == [
        Difference("penalty", 1, 7, -100, 0, on("05-02")),
        Difference("penalty", 2, 7, -100, 0, on("06-01")),
    ]


def test_corrected_amount_changes_each_stage_that_stood():
    corrected = worth(INVOICE._replace(amount=INVOICE.amount * 2), as_of="06-01")

    assert [(d.stage, d.points_before, d.points_after) for d in differences(UNPAID, corrected)] == [
        (1, -100, -200),
        (2, -100, -200),
    ]


def test_date_alone_that_moves_is_no_difference():
    moved = PAID._replace(settled_on=on("03-21"))
    later = UNPAID._replace(penalties=tuple(p._replace(on=date(2026, 12, p.stage)) for p in UNPAID.penalties))

    assert differences(PAID, moved) == []
    assert differences(UNPAID, later) == []


def test_penalty_of_another_date_and_points_takes_effect_on_the_new_date():
    after = UNPAID._replace(penalties=(Penalty(1, on("05-09"), -50),))

    assert differences(UNPAID, after) == [
        Difference("penalty", 1, 7, -100, -50, on("05-09")),
        Difference("penalty", 2, 7, -100, 0, on("06-01")),
    ]


def test_other_group_gets_what_is_taken_from_the_old_one():
    paid_in_9 = worth(INVOICE, payment("03-20", "-100"), as_of="03-20", member=Membership(9, MEMBER.enrolled_on))

    assert differences(PAID, paid_in_9) == [
        Difference("reward", 0, 7, 100, 0, on("03-20")),
        Difference("reward", 0, 9, 0, 100, on("03-20")),
    ]


def test_other_group_with_other_points_gets_its_own():
    unpaid_in_9 = UNPAID._replace(reward_group_id=9)

    assert differences(PAID, unpaid_in_9) == [
        Difference("reward", 0, 7, 100, 0, on("03-20")),
        Difference("penalty", 1, 9, 0, -100, on("05-02")),
        Difference("penalty", 2, 9, 0, -100, on("06-01")),
    ]


def test_other_group_without_points_is_no_difference():
    assert differences(PENDING, PENDING._replace(reward_group_id=9)) == []


def test_end_of_the_membership_takes_what_stood():
    assert differences(PAID, NOTHING) == [Difference("reward", 0, 7, 100, 0, on("03-20"))]
    assert differences(PENDING, NOTHING) == []


def test_standing_is_rebuilt_from_stored_columns():
    stored = stored_penalties(UNPAID.penalties)

    assert stored == {"1": [-100, "2026-05-02"], "2": [-100, "2026-06-01"]}
    standing = Standing.from_stored(UNPAID.reward_group_id, UNPAID.reward, UNPAID.settled_on, stored)
    assert standing.penalties == UNPAID.penalties
    assert differences(standing, UNPAID) == []


def test_stored_stages_in_any_order_are_the_same_standing():
    # jsonb orders keys by length and bytes: "10" after "9", but a person's own JSON may have any order.
    stored = {"10": [-1, "2026-05-02"], "2": [-1, "2026-06-01"], "1": [-1, "2026-05-02"]}

    assert [penalty.stage for penalty in Standing.from_stored(7, 0, None, stored).penalties] == [1, 2, 10]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Standing(None, 5, date(2026, 1, 1)), PAID),
        (PAID, Standing(None, 5, date(2026, 1, 1))),
        (Standing(None, 5, date(2026, 1, 1)), NOTHING),
        (Standing(7, 5, None), PENDING),
    ],
)
def test_points_without_a_group_or_a_date_are_refused(before, after):
    with pytest.raises(ValueError, match=r"reward"):
        differences(before, after)
