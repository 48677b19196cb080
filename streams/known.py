"""What is known of invoices and memberships while a batch is folded, and what a fold wants written.

Place on the data's way: postgres/sink.py reads these under the partition's lock and writes them back; fold.py makes the new from
the old and never changes what it was given, so that a batch that fails leaves a worker's copy as it was.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Self

from streams.calculator.facts import Membership
from streams.calculator.points import NOTHING, Worth
from streams.calculator.terms import Terms
from streams.decode import MembershipChange, RowChange
from streams.records import DueInvoice, InvoiceId, InvoiceKey, Position, StoredRow, lsn_text

NOWHERE: Final = Position(-1, -1)
"""Before every position: the floor while no truncate or new snapshot has come by."""

_ROWS_NAMED = 3
"""How many rows a cause names before it only counts them."""


class Cause(NamedTuple):
    """Why something is evaluated: for the log, and what makes an entry the only one of its kind."""

    transaction: str
    """The source's transaction, or what stands for one: `day 2026-05-02`."""
    committed_ms: int | None = None
    lsn: int = 0
    rows: tuple[int, ...] = ()
    row_count: int = 0
    text: str | None = None
    """The sentence, where it is not a change of rows."""

    def with_row(self, transaction_id: int, lsn: int) -> Self:
        """Return this cause with one row more; the position is that of the first."""
        rows = (*self.rows, transaction_id) if self.row_count < _ROWS_NAMED else self.rows
        return type(self)(self.transaction, self.committed_ms, self.lsn or lsn, rows, self.row_count + 1, self.text)

    @property
    def sentence(self) -> str:
        """`change of row 17 at 0/1A2B3C4`."""
        if self.text is not None:
            return self.text
        named = ", ".join(map(str, self.rows))
        more = f" and {self.row_count - len(self.rows)} more" if self.row_count > len(self.rows) else ""
        return f"change of row{'s' if self.row_count > 1 else ''} {named}{more} at {lsn_text(self.lsn)}"

    def dump(self) -> dict[str, Any]:
        """As `invoices.awaiting_cause` holds it."""
        return self._asdict()

    @classmethod
    def load(cls, stored: Mapping[str, Any]) -> Self:
        """The inverse of `dump`."""
        return cls(**{**stored, "rows": tuple(stored["rows"])})


@dataclass(slots=True)
class InvoiceState:
    """What is known of an invoice and what it is worth: a row of `invoices`."""

    key: InvoiceKey
    id: InvoiceId
    partition: int
    rows: dict[int, StoredRow]
    revision: int = 0
    awaiting: Cause | None = None
    """Why it must still be evaluated, while that has to wait."""
    as_of: dt.date = dt.date.min
    worth: Worth = NOTHING
    oldest: Position | None = None
    """The least position among the rows that count; whoever changes the rows says so by `look_for_oldest`."""

    def copy(self) -> Self:
        """Return the next revision, to be changed freely."""
        return type(self)(
            self.key,
            self.id,
            self.partition,
            self.rows.copy(),
            self.revision + 1,
            self.awaiting,
            self.as_of,
            self.worth,
            self.oldest,
        )

    def look_for_oldest(self) -> Position | None:
        """Set `oldest` anew, and return it."""
        self.oldest = min([row.position for row in self.rows.values() if row.facts is not None], default=None)
        return self.oldest


class StoredMembership(NamedTuple):
    """What is known of one row of `customers_reward_groups`; `membership` is None where it is gone."""

    position: Position
    membership: Membership | None


@dataclass(slots=True)
class MembershipState:
    """What is known of a customer's membership: a row of `memberships`."""

    customer_master_id: str
    rows: dict[int, StoredMembership]
    revision: int = 0

    def copy(self) -> Self:
        """Return the next revision, to be changed freely."""
        return type(self)(self.customer_master_id, self.rows.copy(), self.revision + 1)

    @property
    def current(self) -> Membership | None:
        """The membership that counts: one at most in the source; the latest, while a reload shows two."""
        latest: StoredMembership | None = None
        for row in self.rows.values():
            if row.membership is not None and (latest is None or row.position > latest.position):
                latest = row
        return None if latest is None else latest.membership

    @property
    def oldest(self) -> Position | None:
        """The least position among the rows that count."""
        return min((row.position for row in self.rows.values() if row.membership is not None), default=None)


@dataclass(slots=True)
class Group:
    """The records of one source transaction in one partition of one topic, in their order."""

    partition: int
    generation: int
    cause: Cause
    rows: list[tuple[int, RowChange]] = field(default_factory=list)
    """With the LSN of each."""
    memberships: list[tuple[int, MembershipChange]] = field(default_factory=list)
    due: list[DueInvoice] = field(default_factory=list)
    complete: bool = True
    """False while more of the transaction may come: its rows are kept, and what they are worth waits."""


@dataclass(frozen=True, slots=True)
class Horizon:
    """What a whole batch is evaluated under."""

    as_of: dt.date
    terms: Terms
    floor: Position = NOWHERE
    """Rows set before it are gone: the latest truncate or snapshot whose reload is over."""
    doubt: Position = NOWHERE
    """Rows set before it may be gone: the latest truncate or snapshot; whose invoices wait until they are shown again or gone."""
    membership_floor: Position = NOWHERE
    open_transactions: Mapping[int, str] = field(default_factory=dict)
    """Partition -> the source transaction of which more may come."""


@dataclass(slots=True)
class Known:
    """What Postgres holds of everything that a batch touches, read under the partitions' locks."""

    invoices: dict[InvoiceId, InvoiceState] = field(default_factory=dict)
    memberships: dict[str, MembershipState] = field(default_factory=dict)
    invoices_of: dict[str, list[InvoiceId]] = field(default_factory=dict)
    """All invoices of the customers whose membership changes."""


class Entry(NamedTuple):
    """A row of `point_entries` to be written."""

    invoice: InvoiceState
    reward_group_id: int
    kind: str
    stage: int
    points_before: int
    points_after: int
    effective_on: dt.date
    cause: Cause
    facts: str


@dataclass(slots=True)
class Writes:
    """What a fold wants written, all in one transaction."""

    invoices: dict[InvoiceId, InvoiceState] = field(default_factory=dict)
    memberships: dict[str, MembershipState] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    customer_deltas: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    """(customer, company) -> [points, pending, at risk] to add."""
    group_deltas: dict[tuple[int, str], list[int]] = field(default_factory=dict)
    """(reward group, company) -> [earned, pending] to add."""
    reloaded_ms: dict[int, int] = field(default_factory=dict)
    """Partition -> commit time of the latest change that showed again a row from before a truncate."""
