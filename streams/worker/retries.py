"""Dead letters that a person wants tried again: decoded anew from the bytes that Postgres keeps, and folded in at their true place.

Place on the data's way: beside pipeline.py, whose transaction they are part of. The scheduler sends one record a letter, so that the
partition's owner tries it, in order with the customer's other records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streams.errors import RecordError
from streams.postgres.letters import KeptLetter, Settled
from streams.source.records import DETAIL_CHARACTERS_MAX, ChangeEvent, DecodedRecord
from streams.state.causes import Cause
from streams.state.changes import SourceTransaction
from streams.state.positions import Position

if TYPE_CHECKING:
    from streams.postgres.sink import SinkTransaction
    from streams.state.changeset import Changeset
    from streams.state.progress import Progress

Decoder = Callable[[Any], DecodedRecord]
"""From a Kafka record to what it says; never raises for what the record holds."""


@dataclass(frozen=True, slots=True)
class Retry:
    """A letter that is tried again, and what it comes to."""

    letter: KeptLetter
    transaction: SourceTransaction | None
    """None where it cannot be used still."""
    error: RecordError | None


def read_retries(
    asked: Sequence[tuple[int, RecordError | None]], transaction: SinkTransaction, decoders: Mapping[str, Decoder]
) -> list[Retry]:
    """Return what the letters come to; one that was decided on meanwhile is left out."""
    refused = {number: error for number, error in asked if error is not None}
    found = []
    for letter in transaction.read_letters([number for number, _ in asked]):
        decoded = decoders[letter.topic](letter)
        error = refused.get(letter.id) or decoded.error
        event = None if error is not None else decoded.event
        progress = transaction.progress[letter.topic, letter.partition]
        found.append(Retry(letter, None if event is None else _source_transaction(event, letter, progress), error))
    return found


def settled(retries: Sequence[Retry], changeset: Changeset) -> list[Settled]:
    """Return how each letter comes out."""
    return [_settled(retry, changeset) for retry in retries]


def _settled(retry: Retry, changeset: Changeset) -> Settled:
    number, error, transaction = retry.letter.id, retry.error, retry.transaction
    if error is not None:
        return Settled(number, "open", error.reason, error.detail[:DETAIL_CHARACTERS_MAX])
    if transaction is None or not (transaction.rows or transaction.memberships):
        return Settled(number, "retried")
    return Settled(number, "retried" if _counts(transaction, changeset) else "superseded")


def _counts(transaction: SourceTransaction, changeset: Changeset) -> bool:
    """Whether anything of it stands now; where nothing does, a later record of its rows stands already."""
    for lsn, change in transaction.rows:
        invoice = changeset.invoices.get(change.invoice_id)
        row = None if invoice is None else invoice.rows.get(change.transaction_id)
        if row is not None and row.position == Position(transaction.snapshot_lsn, lsn):
            return True
    for lsn, membership in transaction.memberships:
        state = changeset.memberships.get(membership.customer_master_id)
        stored = None if state is None else state.rows.get(membership.row_id)
        if stored is not None and stored.position == Position(transaction.snapshot_lsn, lsn):
            return True
    return False


def _source_transaction(event: ChangeEvent, letter: KeptLetter, progress: Progress) -> SourceTransaction:
    lsn = 0 if event.snapshot else event.lsn
    return SourceTransaction(
        letter.partition,
        # Where the topic was made anew, the letter is older than all that the new one holds.
        progress.snapshot_lsn_at(letter.offset) if letter.of_this_topic else -1,
        Cause(event.transaction, event.committed_ms),
        rows=[(lsn, change) for change in event.rows],
        memberships=[(lsn, change) for change in event.memberships],
        complete=event.transaction != progress.last_transaction,
        retried=True,
    )
