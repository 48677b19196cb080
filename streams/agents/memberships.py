"""The agent of the memberships topic: who takes part, from `customers_reward_groups` in `sunroc_rewards`.

An enrolment after the fact, its end or another day of enrolment has all of that customer's invoices evaluated again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.agents.intake import item_of
from streams.decode import decode_membership_record

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord

    from streams.lanes import Item

NAME = "memberships"


def decode(record: ConsumerRecord) -> Item:
    """Read a record of the topic."""
    return item_of(record, decode_membership_record)
