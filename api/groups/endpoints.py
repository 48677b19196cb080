"""Reward groups as JSON: the same queries as the pages, with the same permissions."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api.core.business_date import business_date
from api.core.database import ReadSession
from api.core.parameters import After, Before, GroupId, Limit
from api.core.schemas import NOT_FOUND, PROBLEMS
from api.core.sessions import SignedIn
from api.entries.queries import LogScope, log_entries
from api.entries.schemas import EntriesOut, page_of_entries
from api.groups.queries import count_members, group_members, read_totals
from api.groups.schemas import GroupOut, GroupTotals, MemberOut

router = APIRouter(prefix="/api/groups", tags=["groups"], responses=PROBLEMS | NOT_FOUND)


@router.get("/{reward_group_id}")
def group(
    viewer: SignedIn, session: ReadSession, reward_group_id: GroupId, after: After = "", limit: Limit = 50
) -> GroupOut:
    """Show a reward group's balance and its members, by customer_master_id."""
    totals = read_totals(session, viewer, reward_group_id)
    members = group_members(session, viewer, reward_group_id, after=after, limit=limit + 1)
    return GroupOut(
        group=GroupTotals.model_validate(totals),
        as_of=business_date(session),
        member_count=count_members(session, viewer, reward_group_id),
        members=[MemberOut.model_validate(member) for member in members[:limit]],
        next_after=members[limit - 1].customer_master_id if len(members) > limit else None,
    )


@router.get("/{reward_group_id}/entries", response_model=EntriesOut)
def group_entries(
    viewer: SignedIn, session: ReadSession, reward_group_id: GroupId, before: Before = None, limit: Limit = 50
) -> Response:
    """Show the log of a reward group, the newest entry first."""
    scope = LogScope(reward_group_id=reward_group_id)
    return page_of_entries(log_entries(session, viewer, scope, before=before, limit=limit + 1), limit)
