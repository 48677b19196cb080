"""What a record of each source topic says: change events of the two captured tables, and reevaluations. Pure.

Place on the data's way: between the agents and the partition buffers. No record raises here: one that cannot be used comes back with
its error and its bytes. Whatever is wrong with the new version of a row, the old one goes: a bad row counts for nothing until it is
corrected (program-terms.md).
"""

from __future__ import annotations

from collections.abc import Callable

import orjson

from streams.errors import RecordError
from streams.source.columns import Columns, date, number, text, value, warehouse_row
from streams.source.envelope import Envelope, open_envelope
from streams.source.records import ChangeEvent, DecodedRecord, SourceRecord
from streams.source.rows import COMPANY_BYTES_MAX, invoice_key, required, row_change
from streams.state.changes import MembershipChange, Reevaluation, RowChange
from streams.state.invoices import invoice_id

_MEASURED = (
    "transaction_type_rewards_invoice",
    "transaction_type_rewards_payment",
    "company_abbreviation",
    "system_name",
    "transaction_amount",
)
"""Columns of which a row that was ever written has at least one."""


def decode_invoice(record: SourceRecord) -> DecodedRecord:
    """Read a record of the invoices topic."""
    return _decode(record, read_invoice_event)


def decode_membership(record: SourceRecord) -> DecodedRecord:
    """Read a record of the memberships topic."""
    return _decode(record, read_membership_event)


def decode_reevaluation(record: SourceRecord) -> DecodedRecord:
    """Read a record of the topic of reevaluations, which the scheduler writes."""
    if record.value is None:
        return DecodedRecord(record.offset)
    try:
        fields = orjson.loads(record.value)
        found = Reevaluation(fields["customer_master_id"], fields["invoice_id"], fields["kind"], fields["of"])
    except (KeyError, ValueError, TypeError) as error:
        bad = RecordError("undecodable", f"not a reevaluation: {type(error).__name__} {error}")
        return DecodedRecord(record.offset, error=bad, key=record.key, value=record.value)
    return DecodedRecord(record.offset, reevaluation=found)


def dump_reevaluation(reevaluation: Reevaluation) -> bytes:
    """Return the value of a record that `decode_reevaluation` reads, with the key's column first, like every record of ours."""
    return orjson.dumps(reevaluation._asdict())


def read_invoice_event(value: bytes | None) -> ChangeEvent | None:
    """Read a change event of `invoice_transactions`; None for a tombstone, which says nothing that its delete did not.

    Raises:
        RecordError: it is no change event. One whose rows cannot be used bears its error.
    """
    return _read(value, _take_invoice_row)


def read_membership_event(value: bytes | None) -> ChangeEvent | None:
    """Read a change event of `customers_reward_groups`, likewise."""
    return _read(value, _take_membership)


def _read(value: bytes | None, take: Callable[[Envelope], None]) -> ChangeEvent | None:
    if value is None:
        return None
    envelope = open_envelope(value)
    event = envelope.event
    if not (event.is_watermark or event.truncated):
        take(envelope)
    return event


def _decode(record: SourceRecord, read: Callable[[bytes | None], ChangeEvent | None]) -> DecodedRecord:
    try:
        event = read(record.value)
    except RecordError as error:
        return DecodedRecord(record.offset, error=error, key=record.key, value=record.value)
    if event is not None and event.error is not None:
        return DecodedRecord(record.offset, event, error=event.error, key=record.key, value=record.value)
    return DecodedRecord(record.offset, event)


def _take_invoice_row(envelope: Envelope) -> None:
    event, op, before, after = envelope
    gone: RowChange | None = None
    now: RowChange | None = None
    try:
        if op in {"u", "d"}:
            gone = _old_row(before)
    except RecordError as error:
        event.error = error
    if op != "d":
        try:
            row = warehouse_row(_present(after))
            now = None if row is None else row_change(row)
            event.ignored = now is None
        except RecordError as error:
            event.error = error
    # The old version goes wherever the new one does not take its place: a delete, a row that became bad or of no type or of nobody,
    # that moved to another invoice or has another primary key.
    if now is not None and gone is not None and now.transaction_id == gone.transaction_id and now.key == gone.key:
        gone = None
    if gone is None:
        event.rows = () if now is None else (now,)
    else:
        event.rows = (gone,) if now is None else (gone, now)
    if event.error is not None or not event.rows:
        event.row_id = _row_id(after or before, "transaction_id")


def _take_membership(envelope: Envelope) -> None:
    event, op, before, after = envelope
    gone: MembershipChange | None = None
    now: MembershipChange | None = None
    try:
        if op in {"u", "d"}:
            gone = _old_membership(before)
    except RecordError as error:
        event.error = error
    if op != "d":
        try:
            now = _membership(_present(after))
        except RecordError as error:
            event.error = error
    if now is not None and gone is not None and now[:2] == gone[:2]:
        gone = None
    event.memberships = tuple(change for change in (gone, now) if change is not None)
    if event.error is not None or not event.memberships:
        event.row_id = _row_id(after or before, "id")


def _row_id(row: Columns | None, column: str) -> int | None:
    found = row.get(column) if row else None
    return found if isinstance(found, int) else None


def _present(row: Columns | None) -> Columns:
    if not row:
        raise RecordError("undecodable", "the change event has no row")
    return row


def _complete(before: Columns | None) -> Columns:
    """Return the old version of a row; one that the source did not send leaves unknown what there is to take away."""
    if not before:
        raise _incomplete()
    return before


def _incomplete() -> RecordError:
    return RecordError(
        "incomplete_row",
        "the change event does not say what the row was before: the table's REPLICA IDENTITY is not FULL."
        " `rewards connectors repair` mends that, and reads anew what was changed meanwhile",
    )


def _old_row(before: Columns | None) -> RowChange | None:
    """Return the old version of a row as gone; None where it never counted, so that there is nothing to take away.

    Raises:
        RecordError: it cannot be known whether it did.
    """
    row = _complete(before)
    if all(value(row, column) is None for column in _MEASURED):
        raise _incomplete()
    if not (value(row, "transaction_type_rewards_invoice") or value(row, "transaction_type_rewards_payment")):
        return None
    try:
        customer = text(row, "customer_master_id")
        company = text(row, "company_abbreviation", COMPANY_BYTES_MAX)
        system = text(row, "system_name")
        description = text(row, "transaction_description")
        transaction_id = number(row, "transaction_id")
    except RecordError as error:
        if error.reason in {"missing_column", "incomplete_row"}:
            raise
        return None  # such a version was refused when it came
    if not customer or not company or not system:
        return None
    key = invoice_key(customer, company, system, description, transaction_id)
    return RowChange(invoice_id(key), key, transaction_id, None)


def _membership(row: Columns) -> MembershipChange:
    return MembershipChange(
        required(text(row, "customer_master_id"), "customer_master_id"),
        number(row, "id"),
        number(row, "reward_group_id"),
        required(date(row, "enrolled_at"), "enrolled_at"),
    )


def _old_membership(before: Columns | None) -> MembershipChange | None:
    row = _complete(before)
    customer = value(row, "customer_master_id")
    if customer is None:
        raise _incomplete()
    if not isinstance(customer, str):
        return None
    return MembershipChange(customer, number(row, "id"), None, None)
