"""What a reload's end says in the log, and what is said of an invoice whose rows are in doubt meanwhile."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from streams.calculator.facts import InvoiceRow, Membership
from streams.calculator.terms import DEFAULT_TERMS
from streams.state.causes import DAY, ENROLMENT, RELOAD, ROWS, SNAPSHOT, Cause
from streams.state.changes import MembershipChange, Reevaluation, RowChange, SourceTransaction
from streams.state.changeset import Changeset, EvaluationContext, LoadedState
from streams.state.fold import fold
from streams.state.invoices import InvoiceKey, InvoiceState, invoice_id
from streams.state.memberships import MembershipState, StoredMembership
from streams.state.positions import NOWHERE, Position

KEY = InvoiceKey("M-1", "SBM", "BisTrack", "D-1", None)
ID = invoice_id(KEY)
ENROLLED = dt.date(2011, 2, 1)
BILLED, DUE, LATE = dt.date(2026, 3, 2), dt.date(2026, 4, 1), dt.date(2026, 5, 2)
TRUNCATED, RELOADED = Position(0, 500), Position(0, 600)


def facts(number: int, amount: str = "100.00", *, credit: bool = False) -> InvoiceRow:
    return InvoiceRow(number, Decimal(amount) < 0 and not credit, BILLED, Decimal(amount), Decimal(0), DUE, "Lumber")


def transaction(name: str, *rows: tuple[int, int, InvoiceRow | None], complete: bool = True) -> SourceTransaction:
    """Rows are (lsn, transaction_id, facts)."""
    changes = [(lsn, RowChange(ID, KEY, number, row)) for lsn, number, row in rows]
    return SourceTransaction(0, 0, Cause(name, 1_000), rows=changes, complete=complete)


def joined(group: int | None, *, lsn: int = 1) -> SourceTransaction:
    change = MembershipChange("M-1", 7, group, None if group is None else ENROLLED)
    return SourceTransaction(0, 0, Cause(f"rewards:{lsn}", 2_000), memberships=[(lsn, change)])


class State:
    """What is known of one customer, from batch to batch."""

    def __init__(self) -> None:
        self.invoices: dict[str, InvoiceState] = {}
        self.memberships = {
            "M-1": MembershipState("M-1", {7: StoredMembership(Position(0, 1), Membership(1, ENROLLED))})
        }
        self.as_of = BILLED

    def take(
        self,
        *transactions: SourceTransaction,
        suspect: Position = NOWHERE,
        retired: Position = NOWHERE,
        by: str = RELOAD,
        memberships_suspect: Position = NOWHERE,
        memberships_retired: Position = NOWHERE,
    ) -> Changeset:
        context = EvaluationContext(
            self.as_of, DEFAULT_TERMS, 0, retired, by, max(suspect, retired), memberships_retired, memberships_suspect
        )
        loaded = LoadedState(dict(self.invoices), dict(self.memberships), {"M-1": list(self.invoices)})
        changed = fold(transactions, loaded, context)
        self.invoices |= changed.invoices
        self.memberships |= changed.memberships
        return changed

    def again(self, kind: str, of: str, invoice: str | None = ID, **positions: Position | str) -> Changeset:
        made = Reevaluation("M-1", invoice, kind, of)
        return self.take(SourceTransaction(0, 0, Cause("again"), reevaluations=[made]), **positions)  # type: ignore[arg-type]

    @property
    def points(self) -> int:
        return self.invoices[ID].worth.points


def paid() -> State:
    state = State()
    state.take(transaction("t1", (10, 1, facts(1)), (10, 2, facts(2, "-100.00"))))
    assert state.points == 100
    return state


def unpaid_and_late() -> State:
    """An invoice whose penalty a new date brings."""
    state = State()
    state.take(transaction("t1", (10, 1, facts(1))), transaction("t2", (11, 3, facts(3))))
    state.as_of = LATE
    return state


def causes(changed: Changeset) -> list[tuple[str, int]]:
    return [(entry.cause.kind, entry.points_after - entry.points_before) for entry in changed.entries]


def test_day_that_waited_for_a_reload_which_lacks_the_rows_is_not_named_for_it() -> None:
    state = paid()
    changed = state.again(DAY, "2026-05-02", suspect=TRUNCATED)
    assert changed.entries == []
    assert state.invoices[ID].awaiting is not None
    assert state.points == 100

    changed = state.again("transaction", "day 2026-05-02", retired=TRUNCATED)

    assert causes(changed) == [(RELOAD, -100)]
    assert changed.entries[0].cause.sentence == "reload after the truncate at 0/1F4"


def test_invoice_that_a_snapshot_does_not_show_says_so_whatever_is_asked_for() -> None:
    state = paid()
    changed = state.again(DAY, "2026-05-02", retired=Position(800, 0), by=SNAPSHOT)
    assert [entry.cause.sentence for entry in changed.entries] == ["snapshot at 0/320"]


def test_rows_shown_again_as_they_stood_leave_the_day_its_cause() -> None:
    state = unpaid_and_late()
    assert state.again(DAY, "2026-05-02", suspect=TRUNCATED).entries == []

    first = state.take(transaction("t3", (600, 1, facts(1))), suspect=TRUNCATED)
    assert first.entries == []
    state.as_of = LATE + dt.timedelta(days=1)
    last = state.take(transaction("t4", (700, 3, facts(3))), suspect=TRUNCATED)

    # The day that it is evaluated on, not the one that it began to wait on.
    assert {entry.cause.sentence for entry in last.entries} == {"day 2026-05-03"}
    assert state.invoices[ID].awaiting is None


def test_row_that_comes_back_changed_is_the_cause() -> None:
    state = paid()
    state.take(transaction("t3", (600, 1, facts(1))), suspect=TRUNCATED)
    changed = state.take(transaction("t4", (700, 2, facts(2, "-40.00"))), suspect=TRUNCATED)
    assert causes(changed) == [(ROWS, -100)]
    assert changed.entries[0].cause.rows == (2,)


def test_change_between_a_reloads_end_and_its_reevaluation_is_an_entry_of_its_own() -> None:
    state = paid()
    changed = state.take(transaction("t3", (700, 5, facts(5, "-40.00", credit=True))), retired=TRUNCATED)
    assert causes(changed) == [(RELOAD, -100), (ROWS, -40)]


def test_reevaluation_says_nothing_twice_while_a_later_reload_holds_the_invoice_in_doubt() -> None:
    state = paid()
    state.take(transaction("t3", (600, 1, facts(1)), (600, 2, facts(2, "-100.00"))), suspect=TRUNCATED)
    state.take(transaction("t4", (610, 5, facts(5, "-40.00"))), suspect=TRUNCATED)
    # What the first one lacks of it is gone; the second may show the rest again.
    changed = state.again(RELOAD, "0/1F4", retired=TRUNCATED, suspect=Position(0, 650))
    assert changed.entries == []
    revision = state.invoices[ID].revision
    assert state.invoices[ID].oldest == RELOADED
    assert revision == 4


def test_membership_that_a_reload_does_not_show_says_the_reload() -> None:
    state = paid()
    changed = state.again(RELOAD, "0/1F4", invoice=None, memberships_retired=TRUNCATED)

    assert causes(changed) == [(RELOAD, -100)]
    cause = changed.entries[0].cause
    assert cause.sentence == "reload after the truncate at 0/1F4 without the enrolment on 2011-02-01"
    assert cause.data() == {
        "kind": RELOAD,
        "lsn": "0/1F4",
        "before": {"reward_group_id": 1, "enrolled_on": "2011-02-01"},
        "after": None,
    }
    assert Cause.load(cause.dump()) == cause


def test_membership_that_ends_by_a_change_says_the_enrolment() -> None:
    assert causes(paid().take(joined(None, lsn=900))) == [(ENROLMENT, -100)]


def test_membership_shown_again_tells_when_the_reload_was_last_heard_of() -> None:
    state = paid()
    assert state.take(joined(1, lsn=700), memberships_suspect=TRUNCATED).memberships_reloaded_ms == {0: 2_000}
    # It stands after the truncate now: what comes later is an ordinary change.
    assert state.take(joined(2, lsn=800), memberships_suspect=TRUNCATED).memberships_reloaded_ms == {}
