"""From Debezium's change events to what they say of rows: between the topics and fold.py.

Pure. A record that cannot be used raises RecordError or, where it still says that an earlier version of a row is gone, comes back
as a `Decoded` that bears its error. Sources: Debezium's envelope (`before`, `after`, `op`, `source`), program-terms.md (columns).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final, NamedTuple

import orjson

from streams.calculator.facts import InvoiceRow
from streams.errors import RecordError
from streams.records import NO_RETAINAGE, InvoiceId, InvoiceKey, invoice_id

EPOCH_ORDINAL: Final = dt.date(1970, 1, 1).toordinal()
EARLIEST_DUE: Final = dt.date(2000, 1, 1)
AMOUNT_LIMIT: Final = Decimal(10) ** 13
"""As numeric(15,2) has it; what is larger would overflow the points."""
WATERMARKS: Final = "rewards_watermarks"


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


class Watermark(NamedTuple):
    """The heartbeat's row: everything that the source committed before it has come by in this partition."""

    mark: int


@dataclass(slots=True)
class Decoded:
    """One record: where it stands in the source, and what it says."""

    transaction: str
    """The source's transaction; all records of a snapshot are one."""
    lsn: int
    snapshot: bool
    committed_ms: int
    """Milliseconds since 1970, time of the source."""
    order: int = 0
    """The event's place in its transaction, from 1; 0 where the connector does not say."""
    rows: list[RowChange] = field(default_factory=list)
    memberships: list[MembershipChange] = field(default_factory=list)
    watermark: Watermark | None = None
    truncated: bool = False
    ignored: bool = False
    error: RecordError | None = None


def decode_invoice_record(value: bytes | None) -> Decoded | None:
    """Read a record of the invoices topic; None for a tombstone, which says nothing that its delete did not.

    Raises:
        RecordError: nothing of the record can be used.
    """
    opened = _open(value)
    if opened is None:
        return None
    decoded, op, before, after, is_watermark = opened
    if is_watermark:
        decoded.watermark = _watermark(after)
        return decoded
    if op == "t":
        decoded.truncated = True
        return decoded
    _require_known(op)
    gone = _identity(before) if op in {"u", "d"} else None
    now: RowChange | None = None
    if op != "d":
        try:
            now = _row_change(after)
        except RecordError as error:
            decoded.error = error
        decoded.ignored = now is None and decoded.error is None
    # The old version goes wherever the new one does not take its place: a delete, a row that became bad or of no type or of nobody,
    # that moved to another invoice or has another primary key.
    if gone is not None and (
        now is None or now.invoice_id != gone.invoice_id or now.transaction_id != gone.transaction_id
    ):
        decoded.rows.append(gone)
    if now is not None:
        decoded.rows.append(now)
    return decoded


def decode_membership_record(value: bytes | None) -> Decoded | None:
    """Read a record of the memberships topic; None for a tombstone.

    Raises:
        RecordError: nothing of the record can be used.
    """
    opened = _open(value)
    if opened is None:
        return None
    decoded, op, before, after, is_watermark = opened
    if is_watermark:
        decoded.watermark = _watermark(after)
        return decoded
    if op == "t":
        decoded.truncated = True
        return decoded
    _require_known(op)
    if op in {"u", "d"} and before:
        gone = MembershipChange(before["customer_master_id"], before["id"], None, None)
        if (
            op == "d"
            or not after
            or (after["customer_master_id"], after["id"]) != (gone.customer_master_id, gone.row_id)
        ):
            decoded.memberships.append(gone)
    if op != "d":
        row = _present(after)
        decoded.memberships.append(
            MembershipChange(
                _required_text(row, "customer_master_id"),
                int(_required(row, "id")),
                int(_required(row, "reward_group_id")),
                _date(_required(row, "enrolled_at"), "enrolled_at"),
            )
        )
    return decoded


def _open(value: bytes | None) -> tuple[Decoded, str, dict[str, Any] | None, dict[str, Any] | None, bool] | None:
    """Return the place in the source and the parts of an envelope; None for a tombstone."""
    if value is None:
        return None
    if b"\\u0000" in value:
        raise RecordError("undecodable", "a text holds a NUL, which no text in Postgres can")
    try:
        envelope = orjson.loads(value)
        source = envelope["source"]
        snapshot = source.get("snapshot") not in {None, "false", False}
        lsn = source["lsn"]
        is_watermark = source["table"] == WATERMARKS
        if snapshot:
            # The watermarks are the last table of a snapshot: theirs is another transaction, so that it closes the rows'.
            transaction = f"{source['name']}:snapshot{'-end' if is_watermark else ''}@{lsn}"
        else:
            transaction = f"{source['name']}:{source['txId']}"
        counted = envelope.get("transaction")
        order = counted["total_order"] if counted else 0
        decoded = Decoded(transaction, lsn, snapshot, source["ts_ms"], order)
        return decoded, envelope["op"], envelope.get("before"), envelope.get("after"), is_watermark
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise RecordError("undecodable", f"not a change event: {type(error).__name__} {error}") from error


def _require_known(op: str) -> None:
    if op not in {"c", "r", "u", "d"}:
        raise RecordError("undecodable", f"unknown op {op!r}")


def _watermark(after: dict[str, Any] | None) -> Watermark | None:
    return Watermark(int(after["mark"])) if after else None


def _present(row: dict[str, Any] | None) -> dict[str, Any]:
    if not row:
        raise RecordError("undecodable", "the change event has no row")
    return row


def _identity(before: dict[str, Any] | None) -> RowChange | None:
    """Return the old version of a row as gone; None where it never counted, so that there is nothing to take away."""
    if not before:
        return None
    customer, company, system = (
        before.get("customer_master_id"),
        before.get("company_abbreviation"),
        before.get("system_name"),
    )
    number = before.get("transaction_id")
    if not customer or not company or not system or number is None:
        return None
    if not (before.get("transaction_type_rewards_invoice") or before.get("transaction_type_rewards_payment")):
        return None
    key = _key(customer, company, system, before.get("transaction_description"), number)
    return RowChange(invoice_id(key), key, number, None)


def _key(customer: str, company: str, system: str, description: str | None, number: int) -> InvoiceKey:
    # An empty description is none: all rows without one would be a single invoice otherwise.
    return (
        InvoiceKey(customer, company, system, description, None)
        if description
        else InvoiceKey(customer, company, system, None, number)
    )


def _row_change(after: dict[str, Any] | None) -> RowChange | None:
    """Return what the new version says; None where it counts for nothing (of neither type, of no customer).

    Raises:
        RecordError: the row is bad (program-terms.md, Where the facts come from).
    """
    row = _present(after)
    is_invoice, is_payment = row.get("transaction_type_rewards_invoice"), row.get("transaction_type_rewards_payment")
    if is_invoice:
        if is_payment:
            raise RecordError("both_types", "the row is an invoice and a payment at once")
    elif not is_payment:
        return None
    number = _required(row, "transaction_id")
    company, system = _required_text(row, "company_abbreviation"), _required_text(row, "system_name")
    on = _date(_required(row, "transaction_date"), "transaction_date")
    amount = _amount(_required(row, "transaction_amount"), "transaction_amount")
    withheld = row.get("transaction_retainage")
    retainage = NO_RETAINAGE if withheld is None or withheld == "0.00" else _amount(withheld, "transaction_retainage")
    due = row.get("transaction_due_date")
    due_on = None if due is None else _date(due, "transaction_due_date")
    if due_on is not None and due_on < EARLIEST_DUE:
        raise RecordError(
            "bad_date", f"transaction_due_date {due_on} lies before {EARLIEST_DUE}", column="transaction_due_date"
        )
    customer = row.get("customer_master_id")
    if not customer:
        return None
    facts = InvoiceRow(number, bool(is_payment), on, amount, retainage, due_on, row.get("product_line_name"))
    key = _key(customer, company, system, row.get("transaction_description"), number)
    return RowChange(invoice_id(key), key, number, facts)


def _required(row: dict[str, Any], column: str) -> Any:  # noqa: ANN401 -- as JSON has it
    value = row.get(column)
    if value is None:
        raise RecordError("missing_column", f"{column} is null or missing", column=column)
    return value


def _required_text(row: dict[str, Any], column: str) -> str:
    value = _required(row, column)
    if not isinstance(value, str) or not value:
        raise RecordError("missing_column", f"{column} is empty or no text", column=column)
    return value


def _amount(value: Any, column: str) -> Decimal:  # noqa: ANN401 -- as JSON has it
    # The connector sends decimals as strings; a JSON number may have been a float on its way.
    if isinstance(value, str):
        try:
            amount = Decimal(value)
        except InvalidOperation:
            pass
        else:
            if amount.is_finite() and abs(amount) < AMOUNT_LIMIT:
                return amount
    raise RecordError("bad_amount", f"{column} {value!r} is no amount", column=column)


@lru_cache(maxsize=65_536)
def _date_of(days: int) -> dt.date:
    return dt.date.fromordinal(EPOCH_ORDINAL + days)


def _date(value: Any, column: str) -> dt.date:  # noqa: ANN401 -- as JSON has it
    try:
        return _date_of(value)
    except (ValueError, OverflowError, TypeError) as error:
        raise RecordError("bad_date", f"{column} {value!r} is no date (days since 1970)", column=column) from error
