"""The page of a reward group, and its live updates."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment
from sqlalchemy.orm import Session

from api.core.database import ReadSession
from api.core.events import live_events
from api.core.formatting import points
from api.core.parameters import After, Before, GroupId, Once
from api.core.permissions import SITE, Viewer
from api.core.pictures import Picture
from api.core.sessions import SignedIn
from api.core.templating import page, render_part
from api.entries.pages import chart_part, entry_parts
from api.entries.queries import LOG_PAGE
from api.groups.queries import MEMBERS_PAGE, GroupOverview, member_ids, read_group

router = APIRouter(prefix="/groups", include_in_schema=False)


@router.get("/{reward_group_id}/events")
async def group_events(request: Request, reward_group_id: GroupId, *, once: Once = False) -> Response:
    """Stream live updates of a reward group's page."""

    def may_see(_session: Session, viewer: Viewer) -> None:
        viewer.require_group(reward_group_id)

    def read(session: Session) -> Picture:
        overview = read_group(session, SITE, reward_group_id)
        return _picture(request.app.state.templates, overview, member_ids(session, SITE, reward_group_id))

    return await live_events(request, f"group {reward_group_id}", may_see, read, once=once)


@router.get("/{reward_group_id}")
def group(
    request: Request,
    viewer: SignedIn,
    session: ReadSession,
    reward_group_id: GroupId,
    before: Before = None,
    members_after: After = "",
) -> HTMLResponse:
    """Show a reward group's page; `before` shows older entries of its log, `members_after` further customers."""
    overview = read_group(session, viewer, reward_group_id, before=before, members_after=members_after)
    return page(
        request,
        "groups/group.html",
        viewer,
        overview=overview,
        picture=_picture(request.app.state.templates, overview),
        entries=overview.entries,
        before=before,
        members_after=members_after,
        page_size=LOG_PAGE,
    )


def _picture(environment: Environment, overview: GroupOverview, watches: frozenset[str] | None = None) -> Picture:
    """Return the parts of the page that change while it is open; without `watches` for the page itself, which renders its own entries."""
    return Picture(
        watches=watches or frozenset(),
        numbers={
            "balance": points(overview.group.balance),
            "redeemable": points(overview.group.redeemable),
            "pending": points(overview.group.pending),
            "at-risk": points(sum(member.at_risk for member in overview.members)),
        },
        sections={
            "members": render_part(
                environment, "groups/_members.html", "members", overview=overview, page_size=MEMBERS_PAGE
            ),
            "chart": chart_part(environment, overview.points_by_day, overview.as_of),
            "as-of": render_part(environment, "core/_components.html", "as_of", date=overview.as_of),
        },
        entries=[] if watches is None else entry_parts(environment, overview.entries, names=True),
    )
