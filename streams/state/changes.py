"""What is to be taken in: changes of rows and memberships by source transaction, and reevaluations. Pure.

Place on the data's way: source/ says what the records of a topic come to in these terms; fold.py takes them in.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import NamedTuple

from streams.calculator.facts import InvoiceRow
from streams.state.causes import Cause
from streams.state.invoices import InvoiceId, InvoiceKey


class RowChange(NamedTuple):
    """What one change event says of one row of one invoice. `facts` is None where the row is gone from it."""

    invoice_id: InvoiceId
    key: InvoiceKey
    transaction_id: int
    facts: InvoiceRow | None


class MembershipChange(NamedTuple):
    """What one change event says of one row of `customers_reward_groups`. `reward_group_id` is None where the row is gone."""

    customer_master_id: str
    row_id: int
    reward_group_id: int | None
    enrolled_on: dt.date | None


class Reevaluation(NamedTuple):
    """Evaluate this invoice (or, without one, this customer's membership) again: for a new date, or a reload's end."""

    customer_master_id: str
    invoice_id: InvoiceId | None
    kind: str
    """Why: causes.DAY, RELOAD, SNAPSHOT or TRANSACTION; RETRY names a dead letter instead of an invoice."""
    of: str
    """Which one: the date, the LSN of the truncate or the snapshot, the source transaction, the dead letter."""


@dataclass(slots=True)
class SourceTransaction:
    """The records of one source transaction in one partition of one topic, in their order."""

    partition: int
    snapshot_lsn: int
    cause: Cause
    rows: list[tuple[int, RowChange]] = field(default_factory=list)
    """With the LSN of each."""
    memberships: list[tuple[int, MembershipChange]] = field(default_factory=list)
    reevaluations: list[Reevaluation] = field(default_factory=list)
    complete: bool = True
    """False while more of the transaction may come: its rows are kept, and what they are worth waits."""
    retried: bool = False
    """A dead letter that is tried again, after its time: it may take the place of what its record left when it could not be used."""
