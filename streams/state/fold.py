"""From changes to a changeset: merges rows by position, evaluates, and finds what the log gains. Pure.

Place on the data's way: between source/ and postgres/sink.py; the worker and the jobs call it alike. Invariants 1 to 4 of the
design live here: what is known decides, never what was added; an older or equal position changes nothing; the rows of one source
transaction are taken together, however the stream was cut into batches.
"""

from __future__ import annotations

from collections.abc import Iterable

from streams.calculator.facts import Membership
from streams.calculator.points import evaluate
from streams.state.causes import DAY, Cause
from streams.state.changes import MembershipChange, Reevaluation, RowChange, SourceTransaction
from streams.state.changeset import Changeset, EvaluationContext, LoadedState
from streams.state.entries import note_worth
from streams.state.invoices import InvoiceId, InvoiceState, StoredRow
from streams.state.memberships import MembershipState, StoredMembership
from streams.state.positions import Position, lsn_text


def fold(transactions: Iterable[SourceTransaction], loaded: LoadedState, context: EvaluationContext) -> Changeset:
    """Return what `transactions` change, taken in their order; `loaded` stays as it is."""
    folding = _Fold(loaded, context)
    for transaction in transactions:
        folding.take(transaction)
    return folding.changeset


class _Fold:
    def __init__(self, loaded: LoadedState, context: EvaluationContext) -> None:
        self.changeset = Changeset()
        self._loaded = loaded
        self._context = context

    def take(self, transaction: SourceTransaction) -> None:
        if transaction.memberships:
            self._take_memberships(transaction)
        if transaction.rows:
            self._take_rows(transaction)
        for reevaluation in transaction.reevaluations:
            self._reevaluate(reevaluation)

    # -- rows of invoices

    def _take_rows(self, transaction: SourceTransaction) -> None:
        causes: dict[InvoiceId, Cause] = {}
        changed: set[InvoiceId] = set()
        for lsn, change in transaction.rows:
            position = Position(transaction.snapshot_lsn, lsn)
            state, number = self._invoice(change.invoice_id), change.transaction_id
            if self._is_old(state, number, position, transaction):
                continue
            state = self._writable(state, change, transaction)
            cause = causes.get(state.id) or self._first_cause(state, transaction)
            stood = state.rows.get(number)
            if stood is None or stood.facts != change.facts:
                changed.add(state.id)
            state.rows[number] = StoredRow(position, change.facts)
            causes[state.id] = cause.with_row(number, lsn)
        for invoice, cause in causes.items():
            state = self.changeset.invoices[invoice]
            if transaction.retried and self._must_wait(state):
                # What comes after its time says nothing of the transaction that is under way.
                state.look_for_oldest()
            elif not transaction.complete:
                state.look_for_oldest()
                state.awaiting = cause
            elif (
                invoice not in changed
                and state.awaiting is not None
                and state.awaiting.transaction != cause.transaction
            ):
                # A reload showed rows as they stood: what the invoice waited to be evaluated for is the cause still.
                self._settle(state, state.awaiting)
            else:
                self._settle(state, cause)

    def _is_old(
        self, state: InvoiceState | None, number: int, position: Position, transaction: SourceTransaction
    ) -> bool:
        """Whether as much or more is known of the row already."""
        stood = None if state is None else state.rows.get(number)
        if stood is None:
            return position < self._context.retired_before
        if stood.position >= position:
            return not (transaction.retried and stood.position == position and stood.facts is None)
        if stood.facts is not None and stood.position < self._context.suspect_before:
            self.changeset.reloaded_ms[transaction.partition] = transaction.cause.committed_ms or 0
        return False

    def _first_cause(self, state: InvoiceState, transaction: SourceTransaction) -> Cause:
        """Return the cause that a transaction's rows of an invoice add to, after what another transaction left to do."""
        waiting = state.awaiting
        if waiting is not None and waiting.transaction == transaction.cause.transaction:
            return waiting
        if transaction.retried and self._must_wait(state):
            return transaction.cause
        if waiting is not None or self._is_retired(state):
            # An earlier transaction that was too large for one batch is complete, for this is another one; or rows are gone.
            self._settle(state, waiting or transaction.cause)
        return transaction.cause

    def _is_retired(self, state: InvoiceState) -> bool:
        """Whether rows of it that count are gone since a reload's end, and nothing says so yet."""
        return state.oldest is not None and state.oldest < self._context.retired_before

    def _invoice(self, number: InvoiceId) -> InvoiceState | None:
        return self.changeset.invoices.get(number) or self._loaded.invoices.get(number)

    def _writable(self, state: InvoiceState | None, change: RowChange, transaction: SourceTransaction) -> InvoiceState:
        if state is None:
            state = InvoiceState(change.key, change.invoice_id, transaction.partition, {}, revision=1)
            self.changeset.invoices[state.id] = state
            return state
        return self._copied(state)

    def _copied(self, state: InvoiceState) -> InvoiceState:
        if state.id in self.changeset.invoices:
            return state
        state = self.changeset.invoices[state.id] = state.copy()
        return state

    def _settle(self, state: InvoiceState, cause: Cause) -> None:
        """Evaluate an invoice of the changeset, unless a reload leaves its rows in doubt."""
        context = self._context
        if cause.kind == DAY:
            # What comes late, again, or after a reload is evaluated on a later date than was sent: that is why points differ then.
            cause = Cause.of_reevaluation(DAY, context.as_of.isoformat())
        oldest = state.look_for_oldest()
        if oldest is not None:
            if oldest < context.retired_before:
                # What a truncate or a snapshot did not show again is gone; nothing from before can come again, so that the rows
                # need not even be remembered as gone.
                state.rows = {n: row for n, row in state.rows.items() if row.position >= context.retired_before}
                oldest = state.look_for_oldest()
                # Whatever it was to be evaluated for, this is why it is worth less now.
                cause = Cause.of_reevaluation(
                    context.retired_by, lsn_text(context.retired_before.lsn or context.retired_before.snapshot_lsn)
                )
            if oldest is not None and oldest < context.suspect_before:
                state.awaiting = cause
                return
        facts = [row.facts for row in state.rows.values() if row.facts is not None]
        worth = evaluate(
            state.key.company, facts, self._membership(state.key.customer_master_id), context.terms, context.as_of
        )
        note_worth(self.changeset, state, worth, cause)
        state.worth = worth
        state.as_of = context.as_of
        state.terms_id = context.terms_id
        state.awaiting = None

    # -- memberships

    def _membership(self, customer: str) -> Membership | None:
        state = self.changeset.memberships.get(customer) or self._loaded.memberships.get(customer)
        return None if state is None else state.current

    def _take_memberships(self, transaction: SourceTransaction) -> None:
        before: dict[str, Membership | None] = {}
        for lsn, change in transaction.memberships:
            customer = change.customer_master_id
            state = self.changeset.memberships.get(customer) or self._loaded.memberships.get(customer)
            if state is None:
                state = MembershipState(customer, {})
            stood = state.rows.get(change.row_id)
            position = Position(transaction.snapshot_lsn, lsn)
            if stood is None:
                if position < self._context.memberships_retired_before:
                    continue
            elif stood.position >= position and not (
                transaction.retried and stood.position == position and stood.membership is None
            ):
                continue
            elif stood.membership is not None and stood.position < self._context.memberships_suspect_before:
                self.changeset.memberships_reloaded_ms[transaction.partition] = transaction.cause.committed_ms or 0
            before.setdefault(customer, state.current)
            if customer not in self.changeset.memberships:
                state = self.changeset.memberships[customer] = state.copy()
            state.rows[change.row_id] = StoredMembership(position, _membership_of(change))
        for customer, stood_before in before.items():
            self._evaluate_all(customer, stood_before, transaction.cause, is_retired=False)

    def _evaluate_all(self, customer: str, stood_before: Membership | None, cause: Cause, *, is_retired: bool) -> None:
        """Evaluate all invoices of a customer whose membership is another one now."""
        stands = self._membership(customer)
        if stands == stood_before:
            return
        before, after = _as_data(stood_before), _as_data(stands)
        cause = cause.of_retired_membership(before, after) if is_retired else cause.of_enrolment(before, after)
        written = [s.id for s in self.changeset.invoices.values() if s.key.customer_master_id == customer]
        for number in dict.fromkeys((*self._loaded.invoices_of.get(customer, ()), *written)):
            state = self.changeset.invoices.get(number) or self._loaded.invoices[number]
            if not self._must_wait(state):
                self._settle(self._copied(state), cause)

    # -- reevaluations

    def _reevaluate(self, reevaluation: Reevaluation) -> None:
        cause = Cause.of_reevaluation(reevaluation.kind, reevaluation.of)
        if reevaluation.invoice_id is None:
            self._retire_memberships(reevaluation.customer_master_id, cause)
            return
        state = self._invoice(reevaluation.invoice_id)
        if state is None or self._must_wait(state):
            return
        self._settle(self._copied(state), state.awaiting or cause)

    def _must_wait(self, state: InvoiceState) -> bool:
        """More of the transaction that it awaits may come."""
        return state.awaiting is not None and (
            self._context.open_transactions.get(state.partition) == state.awaiting.transaction
        )

    def _retire_memberships(self, customer: str, cause: Cause) -> None:
        state = self.changeset.memberships.get(customer) or self._loaded.memberships.get(customer)
        if state is None:
            return
        stood_before = state.current
        if customer not in self.changeset.memberships:
            state = self.changeset.memberships[customer] = state.copy()
        retired_before = self._context.memberships_retired_before
        state.rows = {number: row for number, row in state.rows.items() if row.position >= retired_before}
        self._evaluate_all(customer, stood_before, cause, is_retired=True)


def _membership_of(change: MembershipChange) -> Membership | None:
    if change.reward_group_id is None or change.enrolled_on is None:
        return None
    return Membership(change.reward_group_id, change.enrolled_on)


def _as_data(membership: Membership | None) -> dict[str, str | int] | None:
    if membership is None:
        return None
    return {"reward_group_id": membership.reward_group_id, "enrolled_on": membership.enrolled_on.isoformat()}
