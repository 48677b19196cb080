"""From changes to what is to be written: merges rows by position, evaluates, and finds what the log gains. Pure.

Place on the data's way: between decode.py and postgres/sink.py; the agents and the jobs call it alike. Invariants 1 to 4 of the
design live here: what is known decides, never what was added; an older or equal position changes nothing; the rows of one source
transaction are taken together, however the stream was cut into batches.
"""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from streams.calculator.differences import differences
from streams.calculator.facts import Membership
from streams.calculator.points import Worth, evaluate
from streams.calculator.terms import Rate
from streams.decode import MembershipChange, RowChange
from streams.known import (
    Cause,
    Entry,
    Group,
    Horizon,
    InvoiceState,
    Known,
    MembershipState,
    StoredMembership,
    Writes,
)
from streams.records import DueInvoice, InvoiceId, Position, StoredRow


def fold(groups: Iterable[Group], known: Known, horizon: Horizon) -> Writes:
    """Return what is to be written after `groups`, in their order; `known` stays as it is."""
    folding = _Fold(known, horizon)
    for group in groups:
        folding.take(group)
    return folding.writes


class _Fold:
    def __init__(self, known: Known, horizon: Horizon) -> None:
        self.writes = Writes()
        self._known = known
        self._horizon = horizon

    def take(self, group: Group) -> None:
        if group.memberships:
            self._take_memberships(group)
        if group.rows:
            self._take_rows(group)
        for due in group.due:
            self._take_due(due)

    # -- rows of invoices

    def _take_rows(self, group: Group) -> None:
        causes: dict[InvoiceId, Cause] = {}
        for lsn, change in group.rows:
            position = Position(group.generation, lsn)
            state, number = self._invoice(change.invoice_id), change.transaction_id
            if self._is_old(state, number, position, group):
                continue
            state = self._writable(state, change, group)
            cause = causes.get(state.id) or self._first_cause(state, group)
            state.rows[number] = StoredRow(position, change.facts)
            causes[state.id] = cause.with_row(number, lsn)
        for invoice, cause in causes.items():
            state = self.writes.invoices[invoice]
            if group.complete:
                self._settle(state, cause)
            else:
                state.look_for_oldest()
                state.awaiting = cause

    def _is_old(self, state: InvoiceState | None, number: int, position: Position, group: Group) -> bool:
        """Whether as much or more is known of the row already."""
        stood = None if state is None else state.rows.get(number)
        if stood is None:
            return position < self._horizon.floor
        if stood.position >= position:
            return True
        if stood.facts is not None and stood.position < self._horizon.doubt:
            self.writes.reloaded_ms[group.partition] = group.cause.committed_ms or 0
        return False

    def _first_cause(self, state: InvoiceState, group: Group) -> Cause:
        """Return the cause that the group's rows of an invoice add to, after what another transaction left to do."""
        waiting = state.awaiting
        if waiting is None:
            return group.cause
        if waiting.transaction == group.cause.transaction:
            return waiting
        # An earlier transaction that was too large for one batch is complete, for this is another one.
        self._settle(state, waiting)
        return group.cause

    def _invoice(self, number: InvoiceId) -> InvoiceState | None:
        return self.writes.invoices.get(number) or self._known.invoices.get(number)

    def _writable(self, state: InvoiceState | None, change: RowChange, group: Group) -> InvoiceState:
        if state is None:
            state = InvoiceState(change.key, change.invoice_id, group.partition, {}, revision=1)
            self.writes.invoices[state.id] = state
            return state
        return self._copied(state)

    def _copied(self, state: InvoiceState) -> InvoiceState:
        if state.id in self.writes.invoices:
            return state
        state = self.writes.invoices[state.id] = state.copy()
        return state

    def _settle(self, state: InvoiceState, cause: Cause) -> None:
        """Evaluate an invoice of `writes`, unless a reload leaves its rows in doubt."""
        horizon = self._horizon
        oldest = state.look_for_oldest()
        if oldest is not None:
            if oldest < horizon.floor:
                # What a truncate or a snapshot did not show again is gone; nothing from before can come again, so that the rows
                # need not even be remembered as gone.
                state.rows = {n: row for n, row in state.rows.items() if row.position >= horizon.floor}
                oldest = state.look_for_oldest()
            if oldest is not None and oldest < horizon.doubt:
                state.awaiting = cause
                return
        facts = [row.facts for row in state.rows.values() if row.facts is not None]
        worth = evaluate(
            state.key.company, facts, self._membership(state.key.customer_master_id), horizon.terms, horizon.as_of
        )
        self._note(state, worth, cause)
        state.worth = worth
        state.as_of = horizon.as_of
        state.awaiting = None

    def _note(self, state: InvoiceState, worth: Worth, cause: Cause) -> None:
        """Put down what changes: entries and totals."""
        before = state.worth
        found = differences(before, worth)
        if found:
            facts = _facts(worth if worth.reward_group_id is not None else before, worth)
            for change in found:
                self.writes.entries.append(
                    Entry(
                        state,
                        change.reward_group_id,
                        change.kind,
                        change.stage,
                        change.points_before,
                        change.points_after,
                        change.effective_on,
                        cause,
                        facts,
                    )
                )
        company = state.key.company
        points_before, points_after = before.points, worth.points
        if points_before != points_after or before.pending != worth.pending or before.at_risk != worth.at_risk:
            totals = self.writes.customer_deltas.setdefault((state.key.customer_master_id, company), [0, 0, 0])
            totals[0] += points_after - points_before
            totals[1] += worth.pending - before.pending
            totals[2] += worth.at_risk - before.at_risk
        for group, sign, points, pending in (
            (before.reward_group_id, -1, points_before, before.pending),
            (worth.reward_group_id, 1, points_after, worth.pending),
        ):
            if group is not None and (points or pending):
                totals = self.writes.group_deltas.setdefault((group, company), [0, 0])
                totals[0] += sign * points
                totals[1] += sign * pending

    # -- memberships

    def _membership(self, customer: str) -> Membership | None:
        state = self.writes.memberships.get(customer) or self._known.memberships.get(customer)
        return None if state is None else state.current

    def _take_memberships(self, group: Group) -> None:
        before: dict[str, Membership | None] = {}
        for lsn, change in group.memberships:
            customer = change.customer_master_id
            state = self.writes.memberships.get(customer) or self._known.memberships.get(customer)
            if state is None:
                state = MembershipState(customer, {})
            stood = state.rows.get(change.row_id)
            position = Position(group.generation, lsn)
            if stood is None:
                if position < self._horizon.membership_floor:
                    continue
            elif stood.position >= position:
                continue
            before.setdefault(customer, state.current)
            if customer not in self.writes.memberships:
                state = self.writes.memberships[customer] = state.copy()
            state.rows[change.row_id] = StoredMembership(position, _membership_of(change))
        for customer, stood_before in before.items():
            self._evaluate_all(customer, stood_before, group.cause)

    def _evaluate_all(self, customer: str, stood_before: Membership | None, cause: Cause) -> None:
        """Evaluate all invoices of a customer whose membership is another one now."""
        stands = self._membership(customer)
        if stands == stood_before:
            return
        cause = cause._replace(text=_enrolment_sentence(stood_before, stands))
        written = [s.id for s in self.writes.invoices.values() if s.key.customer_master_id == customer]
        for number in dict.fromkeys((*self._known.invoices_of.get(customer, ()), *written)):
            state = self.writes.invoices.get(number) or self._known.invoices[number]
            if not self._must_wait(state):
                self._settle(self._copied(state), cause)

    # -- what is due by time

    def _take_due(self, due: DueInvoice) -> None:
        cause = Cause(due.cause, text=due.cause)
        if due.invoice_id is None:
            self._retire_memberships(due.customer_master_id, cause)
            return
        state = self._invoice(due.invoice_id)
        if state is None or self._must_wait(state):
            return
        self._settle(self._copied(state), state.awaiting or cause)

    def _must_wait(self, state: InvoiceState) -> bool:
        """More of the transaction that it awaits may come."""
        return state.awaiting is not None and (
            self._horizon.open_transactions.get(state.partition) == state.awaiting.transaction
        )

    def _retire_memberships(self, customer: str, cause: Cause) -> None:
        state = self.writes.memberships.get(customer) or self._known.memberships.get(customer)
        if state is None:
            return
        stood_before = state.current
        if customer not in self.writes.memberships:
            state = self.writes.memberships[customer] = state.copy()
        floor = self._horizon.membership_floor
        state.rows = {number: row for number, row in state.rows.items() if row.position >= floor}
        self._evaluate_all(customer, stood_before, cause)


def _membership_of(change: MembershipChange) -> Membership | None:
    if change.reward_group_id is None or change.enrolled_on is None:
        return None
    return Membership(change.reward_group_id, change.enrolled_on)


def _enrolment_sentence(before: Membership | None, after: Membership | None) -> str:
    if after is None:
        return "enrolment ended"
    if before is None:
        return f"enrolment on {after.enrolled_on}"
    if before.reward_group_id != after.reward_group_id:
        return f"enrolment moved from reward group {before.reward_group_id} to {after.reward_group_id}"
    return f"enrolment moved from {before.enrolled_on} to {after.enrolled_on}"


def _facts(figures: Worth, worth: Worth) -> str:
    """The figures behind an entry, as JSON. Money as text, dates ISO."""
    return orjson.dumps(
        {
            "billed": str(figures.billed),
            "paid": str(figures.paid),
            "open": str(figures.open),
            "due_on": figures.due_on,
            "deadline_on": figures.deadline_on,
            "settled_on": worth.settled_on,
            "rates": [_rate(rate) for rate in figures.rates],
        }
    ).decode()


def _rate(rate: Rate) -> dict[str, str | None]:
    return {
        "company": rate.company,
        "product_line": rate.product_line,
        "points_per_dollar": str(rate.points_per_dollar),
        "effective_on": rate.effective_on.isoformat(),
    }
