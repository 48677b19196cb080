"""Finds customers that take part, a page at a time: all of them, or those that words are about.

The database folds words and keeps the terms of each customer (migration/versions/0006_pages_at_scale.py): its id and the name of its group.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import BigInteger, ColumnElement, TextClause, cast, exists, func, select, true
from sqlalchemy import text as sql_text
from sqlalchemy.orm import Session

from api.core.models import SearchTerm
from api.core.permissions import Viewer
from streams.postgres.models import CustomerPoints, CustomerRewardGroup, RewardGroup

PLANNED_WORDS: Final = 6
"""So many words, the longest ones, the database weighs against each other; the others only leave out of what those find."""
_EACH_OF_MANY: Final = """
NOT EXISTS (SELECT FROM unnest(:words) AS w (word) WHERE NOT EXISTS (SELECT FROM search_terms AS t
  WHERE t.customer_master_id = customers_reward_groups.customer_master_id AND starts_with(t.term, w.word)))
"""


@dataclass(frozen=True, slots=True)
class CustomerRow:
    """A customer that takes part, as a list shows it; points over all companies."""

    customer_master_id: str
    reward_group_id: int
    group_name: str
    group_status: str
    enrolled_on: dt.date
    points: int
    pending: int


def find_customers(
    session: Session, viewer: Viewer, *, text: str = "", after: str = "", limit: int = 50
) -> list[CustomerRow]:
    """Return customers by customer_master_id: the office sees all, a customer those of its reward group.

    Args:
        session: reads only.
        viewer: the user that asks.
        text: beginnings of words of a customer_master_id or of its group's name, in any order, whatever their case and accents; an id's
            words begin at each of its signs as well. Empty finds all.
        after: the last customer_master_id of the page before (keyset paging).
        limit: the most rows.

    """
    if not viewer.is_office and viewer.reward_group_id is None:
        return []
    of_page = (
        select(
            CustomerRewardGroup.customer_master_id, CustomerRewardGroup.reward_group_id, CustomerRewardGroup.enrolled_at
        )
        .where(CustomerRewardGroup.customer_master_id > after, *_matching(session, text))
        .order_by(CustomerRewardGroup.customer_master_id)
        .limit(limit)
    )
    if not viewer.is_office:
        of_page = of_page.where(CustomerRewardGroup.reward_group_id == viewer.reward_group_id)
    found = of_page.cte("found").prefix_with("MATERIALIZED", dialect="postgresql")
    total = (
        select(
            cast(func.coalesce(func.sum(CustomerPoints.points), 0), BigInteger).label("points"),
            cast(func.coalesce(func.sum(CustomerPoints.pending), 0), BigInteger).label("pending"),
        )
        .where(CustomerPoints.customer_master_id == found.c.customer_master_id)
        .lateral("total")
    )
    query = (
        select(
            found.c.customer_master_id,
            found.c.reward_group_id,
            RewardGroup.name.label("group_name"),
            RewardGroup.status.label("group_status"),
            found.c.enrolled_at.label("enrolled_on"),
            total.c.points,
            total.c.pending,
        )
        .join(RewardGroup, RewardGroup.id == found.c.reward_group_id)
        .join(total, true())
        .order_by(found.c.customer_master_id)
    )
    return [CustomerRow(**row) for row in session.execute(query).mappings()]


def _matching(session: Session, text: str) -> Iterator[ColumnElement[bool] | TextClause]:
    """Yield what a customer must meet: for each word of the text it has a term that begins with it."""
    if not text:
        return
    words: list[str] = session.scalar(select(func.rewards_search_words(text))) or []
    words.sort(key=len, reverse=True)
    of_customer = SearchTerm.customer_master_id == CustomerRewardGroup.customer_master_id
    # The word stands in the statement itself, so that its rows are a range of the index and can be guessed.
    for word in words[:PLANNED_WORDS]:
        yield exists().where(of_customer, func.starts_with(SearchTerm.term, word))
    if rest := words[PLANNED_WORDS:]:
        yield sql_text(_EACH_OF_MANY).bindparams(words=rest)
