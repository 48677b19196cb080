"""Rows as Postgres' COPY reads them in text format, and the way back from a query's row to what is known.

A leaf of sink.py: no connection, only shapes.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import orjson

from streams.calculator.differences import Standing, stored_penalties
from streams.calculator.facts import Membership
from streams.calculator.points import Worth
from streams.state.causes import Cause
from streams.state.changeset import Entry
from streams.state.invoices import InvoiceKey, InvoiceState, dump_rows, load_rows
from streams.state.memberships import MembershipState, StoredMembership
from streams.state.positions import Position

NULL: Final = "\\N"
_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_needs_escape: Final = re.compile(r"[\\\t\n\r]").search
_NO_PENALTIES: Final = "{}"


def escaped(value: str) -> str:
    """Text as a field of a COPY line."""
    return value.translate(_ESCAPES) if _needs_escape(value) else value


def _text(value: str | None) -> str:
    return NULL if value is None else escaped(value)


def _plain(value: int | None) -> str:
    return NULL if value is None else str(value)


def _day(value: dt.date | None) -> str:
    return NULL if value is None else value.isoformat()


def invoice_line(state: InvoiceState) -> str:
    """A line of incoming_invoices, in the order of sql.SESSION."""
    key, worth, cause, oldest = state.key, state.worth, state.awaiting, state.oldest
    penalties = orjson.dumps(stored_penalties(worth.penalties)).decode() if worth.penalties else _NO_PENALTIES
    return (
        f"{state.id}\t{escaped(key.customer_master_id)}\t{escaped(key.company)}\t{escaped(key.system_name)}\t"
        f"{_text(key.document)}\t{_plain(key.transaction_id)}\t{state.partition}\t{escaped(dump_rows(state.rows))}\t"
        f"{NULL if oldest is None else oldest.snapshot_lsn}\t{NULL if oldest is None else oldest.lsn}\t{state.revision}\t"
        f"{NULL if cause is None else escaped(cause.transaction)}\t"
        f"{NULL if cause is None else escaped(orjson.dumps(cause.dump()).decode())}\t{state.as_of.isoformat()}\t"
        f"{_plain(state.terms_id)}\t{_plain(worth.reward_group_id)}\t{worth.reward}\t{penalties}\t{worth.points}\t{worth.pending}\t{worth.at_risk}\t"
        f"{_day(worth.at_risk_on)}\t{worth.billed!s}\t{worth.paid!s}\t{worth.open!s}\t{_day(worth.due_on)}\t"
        f"{_day(worth.deadline_on)}\t{_day(worth.settled_on)}\t{_day(worth.next_evaluation_on)}\n"
    )


def entry_line(ordinal: int, entry: Entry) -> str:
    """A line of incoming_entries, in the order of sql.SESSION."""
    key, cause = entry.invoice.key, entry.cause
    committed_at = NULL if cause.committed_ms is None else timestamp(cause.committed_ms).isoformat()
    return (
        f"{ordinal}\t{entry.invoice.id}\t{entry.reward_group_id}\t{escaped(key.customer_master_id)}\t{escaped(key.company)}\t"
        f"{_text(key.document)}\t{entry.kind}\t{entry.stage}\t{entry.points_before}\t{entry.points_after}\t"
        f"{entry.effective_on.isoformat()}\t{escaped(entry.sentence)}\t{escaped(cause.transaction)}\t{committed_at}\t"
        f"{escaped(entry.facts)}\t{escaped(entry.cause_data)}\n"
    )


def text_array(values: Iterable[str]) -> str:
    """Texts as an array literal: one parameter, where psycopg2 would quote each."""
    return "{" + ",".join(map(_quoted, values)) + "}"


def _quoted(value: str) -> str:
    if '"' in value or "\\" in value:
        value = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{value}"'


def plain_array(values: Iterable[object]) -> str:
    """Numbers or ids as an array literal."""
    return "{" + ",".join(map(str, values)) + "}"


def timestamp(milliseconds: int) -> dt.datetime:
    """Milliseconds since 1970 as an aware time."""
    return dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)


def invoice_state(row: Sequence[Any]) -> InvoiceState:
    """What a row of sql.READ_INVOICES says."""
    (
        number, customer, company, system, document, transaction_id, partition, rows, revision,
        cause, as_of, terms_id, group, reward, penalties, pending, at_risk, at_risk_on, billed, paid,
        still_open, due_on, deadline_on, settled_on, next_on, oldest_snapshot_lsn, oldest_lsn,
    ) = row  # fmt: skip
    standing = Standing.from_stored(group, reward, settled_on, penalties)
    worth = Worth(
        group,
        reward,
        standing.penalties,
        pending,
        at_risk,
        at_risk_on,
        billed,
        paid,
        still_open,
        due_on,
        deadline_on,
        settled_on,
        (),
        next_on,
    )
    return InvoiceState(
        InvoiceKey(customer, company, system, document, transaction_id),
        number,
        partition,
        load_rows(rows),
        revision,
        None if cause is None else Cause.load(cause),
        as_of,
        terms_id,
        worth,
        None if oldest_lsn is None else Position(oldest_snapshot_lsn, oldest_lsn),
    )


def membership_rows(state: MembershipState) -> str:
    """`memberships.rows`: row id -> [snapshot_lsn, lsn] and, unless gone, the group and the day of enrolment."""
    return orjson.dumps(
        {
            str(number): [*row.position]
            if row.membership is None
            else [*row.position, row.membership.reward_group_id, row.membership.enrolled_on]
            for number, row in state.rows.items()
        }
    ).decode()


def membership_state(customer: str, rows: dict[str, list[Any]], revision: int) -> MembershipState:
    """What a row of sql.READ_MEMBERSHIPS says."""
    return MembershipState(customer, {int(n): _stored_membership(values) for n, values in rows.items()}, revision)


def _stored_membership(values: list[Any]) -> StoredMembership:
    position = Position(values[0], values[1])
    if len(values) == 2:  # noqa: PLR2004 -- a position alone: gone
        return StoredMembership(position, None)
    return StoredMembership(position, Membership(values[2], dt.date.fromisoformat(values[3])))
