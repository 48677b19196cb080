"""Who takes part in the sample."""

from __future__ import annotations

import datetime as dt

from connectors.feed.catalog import customers
from connectors.feed.enrolment import NAMED_GROUPS, groups

TODAY = dt.date(2026, 11, 22)


def test_named_groups_come_first() -> None:
    assert [(group.id, group.status) for group in groups(5, TODAY)] == [
        (1, "open"),
        (2, "open"),
        (3, "hold"),
        (7, "closed"),
        (12, "open"),
    ]
    assert groups(2, TODAY) == list(NAMED_GROUPS[:2])


def test_a_customer_is_in_one_group_at_most() -> None:
    members = [member for group in groups(1_000, TODAY) for member in group.members]
    assert len(members) == len(set(members))
    assert set(members) <= {customer.master_id for customer in customers(1_000)}


def test_about_four_in_five_take_part_in_groups_of_one_to_three() -> None:
    found = groups(1_000, TODAY)
    assert 0.75 < sum(len(group.members) for group in found) / 1_000 < 0.85
    assert {len(group.members) for group in found} == {1, 2, 3}


def test_more_customers_only_add_groups() -> None:
    few = {group.id: group for group in groups(50, TODAY)}
    many = {group.id: group for group in groups(80, TODAY)}
    assert all(many[number].enrolled_on == group.enrolled_on for number, group in few.items())
    assert all(set(group.members) <= set(many[number].members) for number, group in few.items())


def test_enrolment_dates_are_of_every_kind() -> None:
    dates = [group.enrolled_on for group in groups(1_000, TODAY)]
    assert any(date < dt.date(2011, 10, 1) for date in dates)
    assert any(TODAY - dt.timedelta(days=180) < date <= TODAY for date in dates)
    assert any(date > TODAY for date in dates)


def test_customers_keep_their_names_whatever_the_count() -> None:
    assert customers(500)[:50] == customers(50)
