"""The same as the pages as JSON under /api, with the same session and the same permissions.

Requests that change something take JSON or DELETE only, which no form of another site can send (CSRF).
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from api import renewal, sessions
from api.dashboard.lag import report_lag
from api.data.customers import find_customers
from api.data.entries import Entry, LogScope, log_entries
from api.data.groups import group_of_customer
from api.data.lag import partition_lags
from api.data.redemptions import find_traveller
from api.database import Looking, Writing
from api.encryption import FieldCipher
from api.errors import NotFound
from api.permissions import Viewer
from api.schemas import (
    AtRiskOut,
    CompanyOut,
    CustomerListed,
    CustomerOut,
    CustomersOut,
    EntriesOut,
    EntryOut,
    GroupOut,
    GroupTotals,
    InvoiceOut,
    LagOut,
    MemberOut,
    NewPassword,
    PendingOut,
    Problem,
    SessionOut,
    SignIn,
    TravellerOut,
)
from api.sessions import Fulfilment, Office, SignedIn
from api.ui.pages import require_customer
from api.ui.parameters import After, Before, CustomerId, GroupId, RedemptionId, Search
from api.ui.statements import customer_scope, read_customer, read_group
from api.ui.words import explain

_PROBLEMS: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "Not signed in"},
    403: {"model": Problem, "description": "Not allowed"},
}
_NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "Not known"}}
_PASSWORD_PROBLEMS: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "Wrong e-mail or password, or a role without access"},
    403: {"model": Problem, "description": "The account is closed, or (`password_expired`) a new password is due"},
    429: {"model": Problem, "description": "Too many failed sign ins"},
}
_NEW_PASSWORD_PROBLEMS: dict[int | str, dict[str, Any]] = _PASSWORD_PROBLEMS | {
    403: {"model": Problem, "description": "The account is closed"},
    422: {
        "model": Problem,
        "description": "The new password is not taken (`new_password_refused`), or no valid request",
    },
}

router = APIRouter(prefix="/api", responses=_PROBLEMS)

Limit = Annotated[int, Query(ge=1, le=500, description="The most rows of a page")]


@router.post("/session", tags=["session"], responses=_PASSWORD_PROBLEMS)
def sign_in(request: Request, session: Writing, body: SignIn) -> SessionOut:
    """Sign in; the answer sets the session cookie."""
    return _session(sessions.sign_in(request, session, body.email, body.password.get_secret_value()))


@router.get("/session", tags=["session"])
def who_is_signed_in(viewer: SignedIn) -> SessionOut:
    """Who is signed in."""
    return _session(viewer)


@router.delete("/session", tags=["session"], status_code=204, response_class=Response)
def sign_out(request: Request) -> None:
    """Sign out."""
    sessions.sign_out(request)


@router.post("/password", tags=["session"], responses=_NEW_PASSWORD_PROBLEMS)
def new_password(request: Request, session: Writing, body: NewPassword) -> SessionOut:
    """Choose a new password, also in place of one that has expired, and sign in; other sessions of the user end."""
    viewer = renewal.replace_password(
        request,
        session,
        email=body.email,
        password=body.password.get_secret_value(),
        new_password=body.new_password.get_secret_value(),
    )
    return _session(viewer)


@router.get("/customers", tags=["customers"])
def customers(viewer: SignedIn, session: Looking, q: Search = "", after: After = "", limit: Limit = 50) -> CustomersOut:
    """Show customers that take part, by customer_master_id: the office sees all, a customer those of its group."""
    found = (
        find_customers(
            session,
            text=q.strip(),
            reward_group_id=None if viewer.is_office else viewer.reward_group_id,
            after=after,
            limit=limit + 1,
        )
        if viewer.is_office or viewer.reward_group_id is not None
        else []
    )
    return CustomersOut(
        customers=[CustomerListed.model_validate(row) for row in found[:limit]],
        next_after=found[limit - 1].customer_master_id if len(found) > limit else None,
    )


# The log's address is registered first: `path` takes in whatever a customer_master_id may hold, slashes included.
@router.get("/customers/{customer_master_id:path}/entries", tags=["customers"], responses=_NOT_FOUND)
def customer_entries(
    viewer: SignedIn, session: Looking, customer_master_id: CustomerId, before: Before = None, limit: Limit = 50
) -> EntriesOut:
    """Show a customer's log, newest first: its own entries and those of its group that belong to no customer."""
    require_customer(session, viewer, customer_master_id)
    found = group_of_customer(session, customer_master_id)
    scope = customer_scope(customer_master_id, None if found is None else found[0])
    return _entries(log_entries(session, scope, before=before, limit=limit + 1), limit)


@router.get("/customers/{customer_master_id:path}", tags=["customers"], responses=_NOT_FOUND)
def customer(viewer: SignedIn, session: Looking, customer_master_id: CustomerId) -> CustomerOut:
    """Show a customer's totals by company, what is pending, what is at risk, and its open invoices."""
    require_customer(session, viewer, customer_master_id)
    statement = read_customer(session, customer_master_id)
    return CustomerOut(
        customer_master_id=customer_master_id,
        as_of=statement.as_of,
        enrolled_on=statement.enrolled_on,
        group=None if statement.group is None else GroupTotals.model_validate(statement.group),
        balance=statement.balance,
        points=statement.earned,
        pending=statement.pending,
        at_risk=statement.at_risk,
        companies=[CompanyOut.model_validate(row) for row in statement.companies],
        pending_invoices=[
            PendingOut(
                company=row.company, document=row.document, points=row.pending, pay_by=row.deadline_on, open=row.open
            )
            for row in statement.invoices
            if row.pending
        ],
        at_risk_invoices=[
            AtRiskOut(company=row.company, document=row.document, points=row.at_risk, on=row.at_risk_on, open=row.open)
            for row in statement.invoices
            if row.at_risk
        ],
        open_invoices=[InvoiceOut.model_validate(row) for row in statement.invoices if row.open > 0],
    )


@router.get("/groups/{reward_group_id}", tags=["groups"], responses=_NOT_FOUND)
def group(viewer: SignedIn, session: Looking, reward_group_id: GroupId) -> GroupOut:
    """Show a reward group's balance and its members."""
    viewer.require_group(reward_group_id)
    statement = read_group(session, reward_group_id)
    return GroupOut(
        group=GroupTotals.model_validate(statement.group),
        as_of=statement.as_of,
        members=[MemberOut.model_validate(member) for member in statement.members],
    )


@router.get("/groups/{reward_group_id}/entries", tags=["groups"], responses=_NOT_FOUND)
def group_entries(
    viewer: SignedIn, session: Looking, reward_group_id: GroupId, before: Before = None, limit: Limit = 50
) -> EntriesOut:
    """Show the log of a reward group, the newest entry first."""
    viewer.require_group(reward_group_id)
    scope = LogScope(reward_group_id=reward_group_id)
    return _entries(log_entries(session, scope, before=before, limit=limit + 1), limit)


@router.get("/redemptions/{redemption_id}/traveller", tags=["redemptions"], responses=_NOT_FOUND)
def traveller(
    request: Request, response: Response, _viewer: Fulfilment, session: Looking, redemption_id: RedemptionId
) -> TravellerOut:
    """Show what a trip is booked with, personal details included: to administrators and managers only."""
    cipher: FieldCipher = request.app.state.cipher
    found = find_traveller(session, cipher, redemption_id)
    if found is None:
        raise NotFound(f"There is no redemption {redemption_id}.")
    response.headers["Cache-Control"] = "no-store"
    return TravellerOut.model_validate(found)


@router.get("/lag", tags=["operations"])
def lag(_viewer: Office, session: Looking) -> LagOut:
    """Show the consumer lag of every agent, per partition, in records and seconds."""
    return LagOut.model_validate(report_lag(partition_lags(session)))


def _session(viewer: Viewer) -> SessionOut:
    return SessionOut(
        user_id=viewer.user_id,
        email=viewer.email,
        name=viewer.name,
        role=viewer.role.title,
        reward_group_id=viewer.reward_group_id,
    )


def _entries(found: list[Entry], limit: int) -> EntriesOut:
    shown = found[:limit]
    names = [name for name in EntryOut.model_fields if name != "explanation"]
    return EntriesOut(
        entries=[
            EntryOut(**{name: getattr(entry, name) for name in names}, explanation=explain(entry).headline)
            for entry in shown
        ],
        next_before=shown[-1].id if len(found) > limit else None,
    )
