"""Truncates, partial loads and their ends, at any moment and in any cut: after the end the points are those of the rows, none before."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.calculator.terms import DEFAULT_TERMS
from streams.source.decode import decode_invoice
from streams.source.partition_buffer import sort_records
from streams.state.causes import RELOAD, TRANSACTION, Cause
from streams.state.changes import Reevaluation, SourceTransaction
from streams.state.changeset import EvaluationContext, LoadedState
from streams.state.fold import fold
from streams.state.positions import NOWHERE, Position, lsn_text
from streams.state.progress import Progress
from streams.topics import INVOICES
from tests.change_events import Source, invoice_row, record
from tests.properties.test_fold_any_order_same_points import AS_OF, MEMBERS, columns, from_scratch

operations = st.lists(
    st.tuples(
        st.sampled_from(["insert", "update", "delete", "commit", "truncate", "load", "load"]),
        st.integers(1, 6),
        columns,
    ),
    min_size=4,
    max_size=25,
)
Places = dict[Any, Position]


def history(script: list[tuple[str, int, dict[str, Any]]]) -> Source:
    """Changes of rows 1 to 6; a truncate sets all aside, and each load brings one of them back."""
    source, aside = Source(), dict[int, dict[str, Any]]()
    source.begin()
    for number in (1, 2, 3):
        source.insert(invoice_row(number, customer_master_id="M-1", transaction_description=f"D-{number % 2}"))
    for what, number, values in script:
        if what == "commit":
            source.begin()
        elif what == "truncate":
            aside = dict(source.rows)
            source.begin()
            source.truncate()
        elif what == "load":
            if number in aside and number not in source.rows:
                source.insert(aside.pop(number))
        elif number not in source.rows:
            source.insert(invoice_row(number, **({"customer_master_id": "M-1"} | values)))
        elif what == "delete":
            source.delete(number)
        else:
            source.update(number, **values)
    return source


class World:
    """What Postgres keeps, and the scheduler."""

    def __init__(self) -> None:
        self.invoices: dict[Any, Any] = {}
        self.entries: list[Any] = []
        self.suspect = self.retired = NOWHERE
        self.progress = Progress(INVOICES.name, 0, 0, 0, snapshot_done=True, next_offset=0, last_transaction=None)

    def write(self, transactions: list[SourceTransaction]) -> None:
        context = EvaluationContext(
            AS_OF, DEFAULT_TERMS, retired_before=self.retired, suspect_before=self.suspect,
            open_transactions={0: self.progress.last_transaction} if self.progress.last_transaction else {},
        )  # fmt: skip
        changed = fold(transactions, LoadedState(dict(self.invoices), dict(MEMBERS)), context)
        self.invoices.update(changed.invoices)
        self.entries += changed.entries

    def take(self, records: list[Any], *, complete: bool) -> None:
        found = sort_records(records, self.progress, complete=complete)
        self.suspect = max([self.suspect, *(epoch.position for epoch in found.epochs)])
        self.write(found.transactions)

    def end_reload(self) -> None:
        """What is missing is gone: by a person's word, or because it is little."""
        self.retired = self.suspect
        gone = [state for state in self.invoices.values() if state.oldest is not None and state.oldest < self.retired]
        self.again(gone, RELOAD, lsn_text(max(0, self.retired.lsn)))

    def end(self) -> None:
        """All has come, and all reloads are over."""
        self.progress.last_transaction = None
        self.end_reload()
        for state in [state for state in self.invoices.values() if state.awaiting is not None]:
            self.again([state], TRANSACTION, state.awaiting.transaction)

    def again(self, states: list[Any], kind: str, of: str) -> None:
        for state in states:
            sent = Reevaluation(state.key.customer_master_id, state.id, kind, of)
            self.write([SourceTransaction(0, 0, Cause("again"), reevaluations=[sent])])

    def worth(self) -> dict[Any, Any]:
        return {
            state.key: (state.worth, sorted(n for n, row in state.rows.items() if row.facts is not None))
            for state in self.invoices.values()
            if state.worth.points or state.worth.pending or any(row.facts is not None for row in state.rows.values())
        }


def cuts(source: Source, random: Any) -> list[tuple[list[Any], bool]]:
    """The stream's records in batches, and whether each ends with a whole transaction."""
    items = [decode_invoice(record(offset, value)) for offset, (_, value) in enumerate(source.events)]
    found, at = [], 0
    while at < len(items):
        count = random.randint(1, len(items) - at)
        batch, rest = items[at : at + count], items[at + count :]
        last = next((item.event.transaction for item in reversed(batch) if item.event), None)
        following = next((item.event.transaction for item in rest if item.event), None)
        found.append((batch, last != following))
        at += count
    return found


@given(operations, st.randoms(use_true_random=False))
@settings(max_examples=300)
def test_after_the_last_reloads_end_the_points_are_those_of_the_rows_and_of_the_log(
    script: list[Any], random: Any
) -> None:
    source, world = history(script), World()
    for batch, complete in cuts(source, random):
        world.take(batch, complete=complete)
        if complete and random.random() < 0.3:
            world.end_reload()
    world.end()

    assert world.worth() == from_scratch(source)
    by_invoice: dict[Any, int] = {}
    for entry in world.entries:
        by_invoice[entry.invoice.id] = by_invoice.get(entry.invoice.id, 0) + entry.points_after - entry.points_before
    assert all(state.worth.points == by_invoice.get(state.id, 0) for state in world.invoices.values())
    assert all(state.awaiting is None for state in world.invoices.values())

    # Read again from the beginning, also what an earlier reload retired: nothing comes back.
    log = len(world.entries)
    for batch, complete in cuts(source, random):
        world.take(batch, complete=complete)
    world.end()
    assert (world.worth(), len(world.entries)) == (from_scratch(source), log)


@given(operations, st.randoms(use_true_random=False))
@settings(max_examples=200)
def test_rows_that_all_come_back_write_no_entry_however_often_they_go(script: list[Any], random: Any) -> None:
    quiet = [step for step in script if step[0] not in {"truncate", "load"}]
    source, world = history(quiet), World()
    for batch, complete in cuts(source, random):
        world.take(batch, complete=complete)
    world.progress.last_transaction = None
    world.end()
    before, log = world.worth(), len(world.entries)

    for _ in range(2):
        done = len(source.events)
        rows = list(source.rows.values())
        source.begin()
        source.truncate()
        random.shuffle(rows)
        for row in rows:
            if random.random() < 0.5:
                source.begin()
            source.insert(row)
        items = [decode_invoice(record(done + i, value)) for i, (_, value) in enumerate(source.events[done:])]
        for at in range(0, len(items), 2):
            world.take(items[at : at + 2], complete=True)
            assert {key: worth for key, (worth, _) in world.worth().items()} == {k: w for k, (w, _) in before.items()}
    assert len(world.entries) == log
    world.end()

    assert (world.worth(), len(world.entries)) == (before, log)
