"""The sample's reward groups and who belongs to them, written to `sunroc_rewards` by plain SQL as the office would.

Which group a customer belongs to depends on the customer alone, so that a later call with more customers only adds.
"""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass
from typing import Final

import psycopg2
from psycopg2.extras import execute_values

from connectors.feed.catalog import SAMPLE_CUSTOMERS, customers
from connectors.feed.settings import FeedError
from connectors.feed.warehouse import first_line

ENROLLED_SHARE: Final = 0.8
FIRST_FURTHER_GROUP: Final = 100
LARGEST_GROUP: Final = 3


@dataclass(frozen=True, slots=True)
class Group:
    """A reward group with its members."""

    id: int
    name: str
    status: str
    enrolled_on: dt.date
    members: tuple[str, ...]
    """Customer master ids; each enrolled with its group."""


NAMED_GROUPS: Final = (
    Group(1, "Wasatch Framing", "open", dt.date(2011, 1, 15), ("M-1001",)),
    Group(2, "Peña & Sons", "open", dt.date(2012, 6, 30), ("M-1002",)),
    Group(3, "Timp Builders", "hold", dt.date(2014, 3, 9), ("M-1003",)),
    Group(7, "Old Mill LLC", "closed", dt.date(2013, 3, 10), ("M-1007",)),
    Group(12, "Ünïcode Homes", "open", dt.date(2019, 11, 3), ("M-1012",)),
)


def groups(count: int, today: dt.date) -> list[Group]:
    """Groups of the first `count` customers: the named, then groups of one to three; a fifth takes no part.

    Enrolled in the program's first months, in the years since, in the last half year (so that older rows do not
    count), and a few in the coming weeks.
    """
    chance = random.Random("enrolment")  # noqa: S311 - sample data
    further = customers(count)[len(SAMPLE_CUSTOMERS) :]
    found = list(NAMED_GROUPS[:count])
    place = 0
    group_id = FIRST_FURTHER_GROUP
    while place < len(further):
        size = chance.randint(1, LARGEST_GROUP)
        members = further[place : place + size]
        place += size
        # Drawn also for those who stay out, so that every customer's draw is the same whatever the count.
        takes_part = chance.random() < ENROLLED_SHARE
        enrolled_on = _enrolled_on(chance, today)
        if takes_part:
            master_ids = tuple(member.master_id for member in members)
            found.append(Group(group_id, members[0].name, "open", enrolled_on, master_ids))
            group_id += 1
    return found


def _enrolled_on(chance: random.Random, today: dt.date) -> dt.date:
    early, late = dt.date(2011, 1, 1), dt.date(2011, 9, 30)
    spans = (
        (early, late),
        (late, today - dt.timedelta(days=240)),
        (today - dt.timedelta(days=180), today),
        (today, today + dt.timedelta(days=30)),
    )
    ((first, last),) = chance.choices(spans, (40, 40, 17, 3))
    return first + (last - first) * chance.random()


def enrol(url: str, count: int, today: dt.date) -> int:
    """Write the groups that are not there yet, with their members; returns memberships added.

    A group that stands is left alone, so that a membership which somebody ended stays ended.
    """
    try:
        connection = psycopg2.connect(url, connect_timeout=10, application_name="rewards feed")
    except psycopg2.OperationalError as error:
        raise FeedError(f"sunroc_rewards does not answer ({first_line(error)}): start it with `rewards up`") from error
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass('public.reward_groups') IS NULL")
            if cursor.fetchone() == (True,):
                raise FeedError("sunroc_rewards has no table reward_groups: run `rewards database upgrade`")
            return _write(cursor, groups(count, today))
    finally:
        connection.close()


def _write(cursor: psycopg2.extensions.cursor, found: list[Group]) -> int:
    added = execute_values(
        cursor,
        "INSERT INTO reward_groups (id, name, status, enrolled_at) VALUES %s ON CONFLICT DO NOTHING RETURNING id",
        # Noon UTC is the same day in the business zone.
        [(g.id, g.name, g.status, dt.datetime.combine(g.enrolled_on, dt.time(12), dt.UTC)) for g in found],
        fetch=True,
    )
    if not added:
        return 0
    new = {group_id for (group_id,) in added}
    members = execute_values(
        cursor,
        "INSERT INTO customers_reward_groups (customer_master_id, reward_group_id, enrolled_at) VALUES %s "
        "ON CONFLICT DO NOTHING RETURNING id",
        [(member, group.id, group.enrolled_on) for group in found if group.id in new for member in group.members],
        fetch=True,
    )
    # Groups have ids of their own here; the next group that somebody adds shall not meet them.
    cursor.execute("SELECT setval(pg_get_serial_sequence('reward_groups', 'id'), (SELECT max(id) FROM reward_groups))")
    return len(members)
