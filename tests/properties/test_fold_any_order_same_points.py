"""Any order, repetition and cut into batches of the same changes ends in the same state; the log does not depend on the cut."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.calculator.facts import Membership
from streams.calculator.points import evaluate
from streams.calculator.terms import DEFAULT_TERMS
from streams.source.decode import decode_invoice, read_invoice_event
from streams.source.partition_buffer import PartitionBuffer, sort_records
from streams.source.transaction_metadata import TransactionMetadata
from streams.state.causes import Cause
from streams.state.changes import Reevaluation, SourceTransaction
from streams.state.changeset import EvaluationContext, LoadedState
from streams.state.fold import fold
from streams.state.memberships import MembershipState, StoredMembership
from streams.state.positions import Position
from streams.state.progress import Progress
from streams.topics import INVOICES
from tests.change_events import Source, invoice_row, record

AS_OF = dt.date(2026, 8, 1)
MEMBERS = {
    customer: MembershipState(customer, {1: StoredMembership(Position(0, 1), Membership(group, dt.date(2011, 2, 1)))})
    for customer, group in (("M-1", 1), ("M-2", 2))
}

dates = st.dates(dt.date(2026, 2, 1), dt.date(2026, 9, 1))
amounts = st.sampled_from(["100.00", "1250.99", "-100.00", "-1250.99", "0.50", "-50.00", "NaN"])
columns = st.fixed_dictionaries(
    {},
    optional={
        "transaction_amount": amounts,
        "transaction_date": dates,
        "transaction_due_date": st.none() | dates,
        "transaction_description": st.sampled_from(["D-1", "D-2", None]),
        "customer_master_id": st.sampled_from(["M-1", "M-2", "M-3", None]),
        "product_line_name": st.sampled_from(["Lumber", "Construction", None]),
        "transaction_type_rewards_payment": st.booleans(),
        "transaction_type_rewards_invoice": st.booleans(),
    },
)
operations = st.lists(
    st.tuples(st.sampled_from(["insert", "update", "delete", "renumber", "commit"]), st.integers(1, 6), columns),
    min_size=1,
    max_size=25,
)


def history(script: list[tuple[str, int, dict[str, Any]]]) -> Source:
    source = Source()
    source.begin()
    source.insert(invoice_row(1, customer_master_id="M-1"))
    for what, number, values in script:
        if what == "commit":
            source.begin()
        elif number not in source.rows:
            source.insert(invoice_row(number, **({"customer_master_id": "M-1"} | values)))
        elif what == "delete":
            source.delete(number)
        elif what == "renumber" and number + 10 not in source.rows:
            source.update(number, transaction_id=number + 10)
        else:
            source.update(number, **values)
    return source


class Database:
    """What the sink keeps, in a dictionary; the log with what makes an entry the only one of its kind."""

    def __init__(self) -> None:
        self.invoices: dict[Any, Any] = {}
        self.log: list[tuple[Any, ...]] = []

    def write(self, groups: list[SourceTransaction]) -> None:
        written = fold(groups, LoadedState(dict(self.invoices), dict(MEMBERS)), EvaluationContext(AS_OF, DEFAULT_TERMS))
        self.invoices.update(written.invoices)
        self.log += [
            (
                e.invoice.id,
                e.kind,
                e.stage,
                e.reward_group_id,
                e.cause.transaction,
                e.points_before,
                e.points_after,
                e.effective_on,
            )
            for e in written.entries
        ]

    def worth(self) -> dict[Any, Any]:
        """Invoices that are worth something or still have rows."""
        return {
            state.key: (state.worth, sorted(n for n, row in state.rows.items() if row.facts is not None))
            for state in self.invoices.values()
            if state.worth.points or state.worth.pending or any(row.facts is not None for row in state.rows.values())
        }


def groups_of(source: Source) -> list[SourceTransaction]:
    progress = Progress(INVOICES.name, 0, 0, 0, snapshot_done=True, next_offset=0, last_transaction=None)
    items = [decode_invoice(record(offset, value)) for offset, (_, value) in enumerate(source.events)]
    return sort_records(items, progress, complete=True).transactions


def from_scratch(source: Source) -> dict[Any, Any]:
    """Every invoice evaluated once from the rows as they stand."""
    invoices: dict[Any, list[Any]] = {}
    for row in source.rows.values():
        last = Source()
        last.insert(row)
        try:
            decoded = read_invoice_event(last.events[0][1])
        except Exception:  # noqa: BLE001 -- a bad row counts for nothing, whatever is wrong with it
            continue
        for change in decoded.rows if decoded else []:
            invoices.setdefault(change.key, []).append(change.facts)
    found = {}
    for key, facts in invoices.items():
        member = MEMBERS.get(key.customer_master_id)
        worth = evaluate(key.company, facts, member and member.current, DEFAULT_TERMS, AS_OF)
        found[key] = (worth, sorted(row.transaction_id for row in facts))
    return found


@given(operations)
@settings(max_examples=300)
def test_incremental_equals_from_scratch(script: list[Any]) -> None:
    source = history(script)
    database = Database()
    database.write(groups_of(source))
    assert database.worth() == from_scratch(source)


@given(operations, st.randoms(use_true_random=False))
@settings(max_examples=300)
def test_any_order_and_repetition_ends_in_the_same_points(script: list[Any], random: Any) -> None:
    source = history(script)
    single = []
    for group in groups_of(source):
        single += [SourceTransaction(0, 0, group.cause, rows=[row]) for row in group.rows]
    repeated = single + random.sample(single, len(single) // 2)
    random.shuffle(repeated)
    database = Database()
    while repeated:
        count = random.randint(1, len(repeated))
        database.write(repeated[:count])
        del repeated[:count]
    assert database.worth() == from_scratch(source)


@given(operations, st.randoms(use_true_random=False))
@settings(max_examples=300)
def test_any_cut_into_batches_and_redelivery_writes_the_same_log(script: list[Any], random: Any) -> None:
    source = history(script)
    whole, cut = Database(), Database()
    whole.write(groups_of(source))
    waiting = groups_of(source)
    done: list[SourceTransaction] = []
    while waiting:
        again = done[-random.randint(0, len(done)) :] if done else []
        count = random.randint(1, len(waiting))
        cut.write(again + waiting[:count])
        done += waiting[:count]
        del waiting[:count]
    assert sorted(cut.log, key=repr) == sorted(whole.log, key=repr)


@given(operations)
@settings(max_examples=200)
def test_balance_equals_the_sum_of_entries(script: list[Any]) -> None:
    database = Database()
    database.write(groups_of(history(script)))
    by_invoice: dict[Any, int] = {}
    for invoice, *_, before, after, _ in database.log:
        by_invoice[invoice] = by_invoice.get(invoice, 0) + after - before
    assert all(state.worth.points == by_invoice.get(state.id, 0) for state in database.invoices.values())


@given(operations, st.integers(0, 24))
@settings(max_examples=200)
def test_transaction_too_large_for_a_batch_writes_the_log_of_one_batch(script: list[Any], at: int) -> None:
    source = history(script)
    whole, parts = Database(), Database()
    whole.write(groups_of(source))
    for group in groups_of(source):
        first = SourceTransaction(0, 0, group.cause, rows=group.rows[:at], complete=False)
        rest = SourceTransaction(0, 0, group.cause, rows=group.rows[at:])
        parts.write([first])
        parts.write([rest])
        waiting = [state for state in parts.invoices.values() if state.awaiting]
        for state in waiting:
            due = Reevaluation(state.key.customer_master_id, state.id, "transaction", state.awaiting.transaction)
            parts.write([SourceTransaction(0, 0, Cause("due"), reevaluations=[due])])
    assert sorted(parts.log, key=repr) == sorted(whole.log, key=repr)


lively = st.lists(
    st.tuples(
        st.sampled_from(["insert", "update", "delete", "commit"]),
        st.integers(1, 4),
        st.fixed_dictionaries(
            {
                "transaction_amount": st.sampled_from(["100.00", "1250.99", "-1250.99"]),
                "transaction_type_rewards_payment": st.booleans(),
            }
        ),
    ),
    min_size=8,
    max_size=25,
)
"""Each change is worth something, so that half a transaction shows."""
faults = st.lists(st.tuples(st.integers(1, 8), st.integers(2, 8)), min_size=1, max_size=3)
"""How many events on the connector is stopped, and how many before that it goes on from."""


def with_faults(source: Source, stops: list[tuple[int, int]]) -> list[bytes | None]:
    """The values that a connector sends which is stopped a few times."""
    values = [value for _, value in source.events]
    sent: list[bytes | None] = []
    at = 0
    for events, back in stops:
        sent += values[at : at + events]
        at = max(0, min(at + events, len(values)) - back)
    return sent + values[at:]


@given(lively, faults, st.lists(st.integers(1, 4), min_size=4))
@settings(max_examples=300)
def test_what_a_connector_sends_again_leaves_every_transaction_whole(
    script: list[Any], stops: list[tuple[int, int]], fetches: list[int]
) -> None:
    source = history(script)
    whole, cut = Database(), Database()
    whole.write(groups_of(source))
    source.begin()
    source.watermark("M-1", 1)
    waiting = [decode_invoice(record(offset, value)) for offset, value in enumerate(with_faults(source, stops))]
    buffer = PartitionBuffer(INVOICES.name, 0, 1)
    progress = Progress(INVOICES.name, 0, 0, 0, snapshot_done=True, next_offset=0, last_transaction=None)
    for fetched in (*fetches, len(waiting)):
        buffer.add(waiting[:fetched], len(waiting))
        del waiting[:fetched]
        count, complete = buffer.cut(TransactionMetadata(), 1_000)
        if count:
            cut.write(sort_records(buffer.records[:count], progress, complete=complete).transactions)
            del buffer.records[:count]
    assert buffer.records == []
    assert sorted(cut.log, key=repr) == sorted(whole.log, key=repr)
