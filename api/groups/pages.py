"""The page of a reward group, and its live updates."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment
from sqlalchemy.orm import Session

from api.core.database import ReadSession
from api.core.events import live_events
from api.core.formatting import points
from api.core.live import Picture
from api.core.parameters import Before, GroupId
from api.core.permissions import SITE
from api.core.sessions import SignedIn
from api.core.templating import page, render_part
from api.entries.pages import chart_part, entry_parts
from api.entries.queries import LOG_PAGE, log_entries
from api.groups.queries import GroupOverview, read_group

router = APIRouter(prefix="/groups", include_in_schema=False)


@router.get("/{reward_group_id}/events")
def group_events(request: Request, viewer: SignedIn, reward_group_id: GroupId) -> Response:
    """Stream live updates of a reward group's page."""
    viewer.require_group(reward_group_id)

    def read(session: Session) -> Picture:
        return _picture(request.app.state.templates, read_group(session, SITE, reward_group_id))

    return live_events(request, f"group {reward_group_id}", read)


@router.get("/{reward_group_id}")
def group(
    request: Request, viewer: SignedIn, session: ReadSession, reward_group_id: GroupId, before: Before = None
) -> HTMLResponse:
    """Show a reward group's page; `before` shows older entries of its log."""
    overview = read_group(session, viewer, reward_group_id)
    entries = overview.entries
    if before is not None:
        entries = log_entries(session, viewer, overview.scope, before=before, limit=LOG_PAGE + 1)
    return page(
        request,
        "groups/group.html",
        viewer,
        overview=overview,
        picture=_picture(request.app.state.templates, overview),
        entries=entries,
        before=before,
        page_size=LOG_PAGE,
    )


def _picture(environment: Environment, overview: GroupOverview) -> Picture:
    """Return the parts of the page that change while it is open."""
    return Picture(
        watches=frozenset(member.customer_master_id for member in overview.members),
        numbers={
            "balance": points(overview.group.balance),
            "redeemable": points(overview.group.redeemable),
            "pending": points(overview.group.pending),
            "at-risk": points(sum(member.at_risk for member in overview.members)),
        },
        sections={
            "members": render_part(environment, "groups/_members.html", "members", members=overview.members),
            "chart": chart_part(environment, overview.points_by_day, overview.as_of),
            "as-of": render_part(environment, "core/_components.html", "as_of", date=overview.as_of),
        },
        entries=entry_parts(environment, overview.entries, names=True),
    )
