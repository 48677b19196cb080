"""`differences`: whatever an invoice was worth and is worth, the entries lead from the one to the other."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from streams.calculator.differences import Difference, Standing, differences, stored_penalties
from streams.calculator.points import NOTHING, Worth, evaluate
from tests.properties.test_calculator_points import cases

worths = cases().map(lambda case: evaluate(*case))


def balance(worth: Worth) -> Counter[tuple[int | None, str, int]]:
    """What a worth gives, by group, kind and stage."""
    given_ = {(worth.reward_group_id, "reward", 0): worth.reward}
    given_ |= {(worth.reward_group_id, "penalty", penalty.stage): penalty.points for penalty in worth.penalties}
    return Counter({key: points for key, points in given_.items() if points})


def standing(worth: Worth) -> Standing:
    """What can be read back of a worth once its columns went through JSON."""
    column = json.loads(json.dumps(stored_penalties(worth.penalties)))
    return Standing.from_stored(worth.reward_group_id, worth.reward, worth.settled_on, column)


@given(st.lists(worths, min_size=1, max_size=5))
def test_entries_of_any_chain_of_worths_sum_to_the_last(chain):
    entries: list[Difference] = []
    for before, after in zip([NOTHING, *chain], chain, strict=False):
        entries += differences(standing(before), after)

    sums: Counter[tuple[int | None, str, int]] = Counter()
    for entry in entries:
        key = (entry.reward_group_id, entry.kind, entry.stage)
        assert entry.points_before == sums[key]
        assert entry.points_after - entry.points_before == entry.delta != 0
        sums[key] = entry.points_after
    assert +sums == +balance(chain[-1])
    assert -sums == -balance(chain[-1])
    assert sum(entry.delta for entry in entries) == chain[-1].points


@given(worths, worths)
def test_stored_worth_differs_like_the_worth_itself(before, after):
    assert differences(standing(before), after) == differences(before, after)


@given(worths)
def test_same_worth_makes_no_difference(worth):
    assert differences(worth, worth) == []
    assert differences(standing(worth), worth) == []


@given(worths, worths)
def test_change_and_its_reversal_cancel_out(before, after):
    there, back = differences(before, after), differences(after, before)

    assert sum(entry.delta for entry in there + back) == 0
    assert {(e.reward_group_id, e.kind, e.stage) for e in there} == {(e.reward_group_id, e.kind, e.stage) for e in back}


@given(worths, worths)
def test_every_difference_takes_effect_on_a_date_of_one_of_the_worths(before, after):
    for entry in differences(before, after):
        if entry.kind == "reward":
            dates: set[date | None] = {before.settled_on, after.settled_on}
        else:
            dates = {p.on for worth in (before, after) for p in worth.penalties if p.stage == entry.stage}
        assert entry.effective_on in dates
