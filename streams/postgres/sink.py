"""The sink: reads what a batch touches and writes what came of it, in one transaction under the partitions' locks.

Place on the data's way: between fold.py and Postgres, which is the truth. It knows nothing of Kafka and has no rules. Reading under
the lock that the write is made under is what keeps two workers apart: what a batch was computed from is what stands there.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from streams.calculator.terms import Terms
from streams.errors import InvariantError
from streams.generation import LIVE, Generation
from streams.postgres import letters, sql
from streams.postgres.letters import KeptLetter, Settled
from streams.postgres.rowtext import (
    entry_line,
    invoice_line,
    invoice_state,
    membership_rows,
    membership_state,
    plain_array,
    text_array,
    timestamp,
)
from streams.postgres.session import connect, faults
from streams.postgres.sql import Prepared
from streams.postgres.steps import Step, columns, notification, progress_columns, totals
from streams.postgres.terms import read_terms
from streams.source.records import DeadLetter
from streams.state.causes import RELOAD, SNAPSHOT
from streams.state.changeset import Changeset, Entry, EvaluationContext, LoadedState
from streams.state.invoices import InvoiceId, InvoiceState
from streams.state.memberships import MembershipState
from streams.state.positions import NOWHERE, Position
from streams.state.progress import Epoch, Progress
from streams.topics import INVOICES, MEMBERSHIPS, PARTITIONS, topics_of

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812
    from psycopg2.extensions import cursor as Cursor  # noqa: N812


@dataclass(slots=True)
class Written:
    """What the transaction left in Postgres, to be forwarded."""

    totals: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    """customer -> company -> [points, pending, at risk], of every customer of the batch."""
    entry_ids: list[tuple[int, int, Any]] = field(default_factory=list)
    """(id, part, recorded_at) of each entry, in the order of `Changeset.entries`."""


class Sink:
    """One connection's worth of transactions. Not for two threads at once."""

    def __init__(
        self,
        database_url: str,
        generation: Generation = LIVE,
        *,
        name: str = "rewards worker",
        idle_seconds_max: float = 20.0,
    ) -> None:
        self._idle_ms_max = int(idle_seconds_max * 1000)
        self._database_url = database_url
        self._generation = generation
        self._name = name
        self._connection: Connection | None = None
        self._terms: tuple[int, Terms] | None = None

    @contextmanager
    def transaction(self, partitions: Collection[int]) -> Iterator[SinkTransaction]:
        """Begin, lock the partitions, and commit at the end; on any error nothing is written and the connection is opened anew.

        Raises:
            TransientError: Postgres is away or refused for a reason that passes.
            InvariantError: what stands there is not what this was computed from.
        """
        try:
            with faults():
                connection = self._opened()
                with connection.cursor() as cursor:
                    yield SinkTransaction(cursor, sorted(partitions), self._terms_of)
                    cursor.execute("COMMIT")  # the connection begins and ends nothing of its own accord
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection; the next transaction opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _opened(self) -> Connection:
        if self._connection is None:
            connection = connect(self._database_url, name=self._name, generation=self._generation)
            connection.autocommit = (
                True  # a transaction begins with its first statement, without a round trip of its own
            )
            self._connection = connection
            with connection.cursor() as cursor:
                cursor.execute(sql.SESSION)
                cursor.execute(sql.LIMITS, {"idle_ms_max": self._idle_ms_max})
                for statement in sql.PREPARED:
                    cursor.execute(statement.prepare)
                topics = [INVOICES.name, MEMBERSHIPS.name, topics_of(self._generation).reevaluations.name]
                cursor.execute(sql.SEED_PROGRESS, (topics, PARTITIONS))
        return self._connection

    def _terms_of(self, cursor: Cursor, terms_id: int) -> Terms:
        if self._terms is None or self._terms[0] != terms_id:
            self._terms = (terms_id, read_terms(cursor))
        return self._terms[1]


class SinkTransaction:
    """An open transaction that holds the locks of its partitions."""

    def __init__(self, cursor: Cursor, partitions: list[int], terms_of: Any) -> None:  # noqa: ANN401 -- Sink's own
        self._cursor = cursor
        numbers = plain_array(partitions)
        self._run(
            (sql.LOCK_PARTITIONS, (numbers,)),
            (sql.READ_CONTEXT, (numbers, INVOICES.name, MEMBERSHIPS.name)),
            begin=True,
        )
        rows = cursor.fetchall()
        if not rows:
            raise InvariantError("business_day has no row; `rewards database upgrade` writes it")
        self.progress: dict[tuple[str, int], Progress] = {(row[0], row[1]): Progress(*row[:11]) for row in rows}
        day, terms_id, retired_by, *epochs = rows[0][11:]
        self.context = EvaluationContext(
            day,
            terms_of(cursor, terms_id),
            terms_id,
            retired_before=_position(epochs[0:2]),
            retired_by=SNAPSHOT if retired_by == "snapshot" else RELOAD,
            suspect_before=_position(epochs[2:4]),
            memberships_retired_before=_position(epochs[4:6]),
            memberships_suspect_before=_position(epochs[6:8]),
        )

    def read(
        self,
        invoices: Mapping[InvoiceId, int],
        memberships: Mapping[str, int],
        all_of: Collection[str] = (),
    ) -> LoadedState:
        """Return what stands there and differs from the revisions that the caller knows (0: nothing known).

        Args:
            invoices: id -> known revision.
            memberships: customer -> known revision.
            all_of: customers of whom all invoices are wanted, whatever is known.
        """
        cursor, loaded = self._cursor, LoadedState()
        if invoices:
            cursor.execute(sql.READ_INVOICES.execute, (plain_array(invoices), plain_array(invoices.values())))
            loaded.invoices = {state.id: state for state in map(invoice_state, cursor.fetchall())}
        if memberships:
            cursor.execute(sql.READ_MEMBERSHIPS.execute, (text_array(memberships), plain_array(memberships.values())))
            loaded.memberships = {row[0]: membership_state(*row) for row in cursor.fetchall()}
        if all_of:
            cursor.execute(sql.READ_INVOICES_OF.execute, (list(all_of),))
            for state in map(invoice_state, cursor.fetchall()):
                loaded.invoices[state.id] = state
                loaded.invoices_of.setdefault(state.key.customer_master_id, []).append(state.id)
        return loaded

    def write(
        self,
        changeset: Changeset,
        progress: Iterable[Progress],
        *,
        customers: Sequence[str],
        epochs: Iterable[Epoch] = (),
        dead_letters: Sequence[DeadLetter] = (),
    ) -> Written:
        """Write all of a batch; `customers` are those whose totals are wanted back, changed or not."""
        self._write_memberships(changeset.memberships.values())
        self._write_invoices(changeset.invoices.values())
        entry_ids = self._write_entries(changeset.entries)
        for epoch in epochs:
            self._cursor.execute(
                sql.WRITE_EPOCH, (epoch.topic, *epoch.position, epoch.kind, timestamp(epoch.happened_ms))
            )
        if dead_letters:
            letters.write(self._cursor, dead_letters)
        self._run(
            *totals(changeset),
            *notification(changeset),
            (sql.WRITE_PROGRESS, progress_columns(progress, changeset)),
            (sql.READ_TOTALS, (text_array(customers),)),
        )
        found: dict[str, dict[str, list[int]]] = {customer: {} for customer in customers}
        for customer, company, *figures in self._cursor.fetchall():
            found[customer][company] = figures
        return Written(found, entry_ids)

    def read_letters(self, numbers: Sequence[int]) -> list[KeptLetter]:
        """Return those of the dead letters that are still to be tried again."""
        return letters.read(self._cursor, numbers) if numbers else []

    def settle_letters(self, settled: Sequence[Settled], superseded: Sequence[tuple[str, int, int, int]]) -> None:
        """Write down, after the batch, how letters that were tried again came out, and of which rows a later record has come.

        Args:
            settled: the letters that were tried again.
            superseded: topic, partition, row, and the later record's offset.
        """
        if superseded:
            letters.supersede(self._cursor, superseded)
        if settled:
            letters.settle(self._cursor, settled, list({partition for _, partition in self.progress}))

    def _run(self, *steps: Step, begin: bool = False) -> None:
        """Run statements in one round trip; the cursor has the last one's rows."""
        self._cursor.execute(
            ("BEGIN; " if begin else "") + "; ".join([statement.execute for statement, _ in steps]),
            [parameter for _, parameters in steps for parameter in parameters],
        )

    def _write_invoices(self, states: Collection[InvoiceState]) -> None:
        if not states:
            return
        self._copy(sql.COPY_INVOICES, list(map(invoice_line, states)), sql.WRITE_INVOICES)
        self._require(len(states), "invoices")

    def _copy(self, copy: str, lines: Sequence[str], then: Prepared) -> None:
        """Bring lines into their temporary table, then run the statement that takes them from there."""
        if lines:
            self._cursor.copy_expert(copy, io.StringIO("".join(lines)))
            self._cursor.execute(then.execute)

    def _require(self, expected: int, what: str) -> None:
        found = self._cursor.fetchone()
        stood = found[0] if found else None
        if stood != expected:
            raise InvariantError(
                f"{what}: {stood} of {expected} rows stood at the revision that the batch was computed from. "
                "Another writer went past the partition's lock, or the database was restored to an earlier state."
            )

    def _write_entries(self, entries: Sequence[Entry]) -> list[tuple[int, int, Any]]:
        if not entries:
            return []
        lines = [entry_line(i, entry) for i, entry in enumerate(entries)]
        self._copy(sql.COPY_ENTRIES, lines, sql.WRITE_ENTRIES)
        return self._cursor.fetchall()

    def _write_memberships(self, states: Collection[MembershipState]) -> None:
        if not states:
            return
        rows = []
        for state in states:
            oldest, current = state.oldest, state.current
            rows.append(
                (
                    state.customer_master_id,
                    membership_rows(state),
                    state.revision,
                    oldest and oldest.snapshot_lsn,
                    oldest and oldest.lsn,
                    current and current.reward_group_id,
                    current and current.enrolled_on,
                )
            )
        self._cursor.execute(sql.WRITE_MEMBERSHIPS.execute, columns(rows))
        if self._cursor.rowcount != len(rows):
            raise InvariantError("memberships: a row stood at another revision than the batch was computed from")


def _position(values: Sequence[int | None]) -> Position:
    snapshot_lsn, lsn = values
    return NOWHERE if snapshot_lsn is None or lsn is None else Position(snapshot_lsn, lsn)
