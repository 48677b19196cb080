"""A business date that came: what the entry says of itself."""

from __future__ import annotations

import datetime as dt

from streams.calculator.facts import Membership
from streams.calculator.terms import DEFAULT_TERMS
from streams.source.decode import decode_invoice
from streams.source.partition_buffer import sort_records
from streams.state.causes import DAY, Cause
from streams.state.changes import Reevaluation, SourceTransaction
from streams.state.changeset import EvaluationContext, LoadedState
from streams.state.fold import fold
from streams.state.memberships import MembershipState, StoredMembership
from streams.state.positions import Position
from streams.state.progress import Progress
from streams.topics import INVOICES
from tests.change_events import Source, invoice_row, record

MEMBERS = {
    "M-1001": MembershipState("M-1001", {1: StoredMembership(Position(0, 1), Membership(1, dt.date(2011, 2, 1)))})
}


def test_record_of_a_day_that_is_evaluated_on_a_later_one_names_the_later_one() -> None:
    source = Source()
    source.begin()
    source.insert(invoice_row(1, transaction_date=dt.date(2026, 3, 2), transaction_due_date=dt.date(2026, 4, 1)))
    progress = Progress(INVOICES.name, 0, 0, 0, snapshot_done=True, next_offset=0, last_transaction=None)
    rows = sort_records([decode_invoice(record(0, source.events[0][1]))], progress, complete=True).transactions
    before = fold(rows, LoadedState({}, dict(MEMBERS)), EvaluationContext(dt.date(2026, 3, 3), DEFAULT_TERMS))
    assert before.entries == []
    (invoice,) = before.invoices
    again = Reevaluation("M-1001", invoice, DAY, "2026-07-01")
    sent = SourceTransaction(0, 0, Cause.of_reevaluation(DAY, "2026-07-01"), reevaluations=[again])

    after = fold(
        [sent],
        LoadedState(dict(before.invoices), dict(MEMBERS)),
        EvaluationContext(dt.date(2026, 8, 1), DEFAULT_TERMS),
    )

    assert {entry.cause.transaction for entry in after.entries} == {"day 2026-08-01"}
