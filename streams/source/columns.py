"""Reads the columns of a row as Debezium's JSON has them: what is absent is an error, never NULL, and so is another type. Pure.

Decimals come as text (`decimal.handling.mode=string`), dates as days since 1970, texts and booleans as they are.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final

from streams.errors import RecordError
from streams.source.rows import COMPANY_BYTES_MAX, TEXT_BYTES_MAX, WarehouseRow, is_counted

Columns = Mapping[str, Any]
"""`before` or `after` of a change event: column -> value."""

UNAVAILABLE: Final = "__debezium_unavailable_value"
"""Debezium's word for a large text that the source did not send, since the table's REPLICA IDENTITY is not FULL."""
_EPOCH_ORDINAL: Final = dt.date(1970, 1, 1).toordinal()


def warehouse_row(columns: Columns) -> WarehouseRow | None:
    """Return a row of `invoice_transactions`; None where it is of no type that counts.

    Raises:
        RecordError: a column is absent, or a value is not of its type.
    """
    is_payment = flag(columns, "transaction_type_rewards_payment")
    if not is_counted(is_invoice=flag(columns, "transaction_type_rewards_invoice"), is_payment=is_payment):
        return None
    return WarehouseRow(
        number(columns, "transaction_id"),
        bool(is_payment),
        date(columns, "transaction_date"),
        amount(columns, "transaction_amount"),
        amount(columns, "transaction_retainage"),
        date(columns, "transaction_due_date"),
        text(columns, "customer_master_id"),
        text(columns, "company_abbreviation", COMPANY_BYTES_MAX),
        text(columns, "system_name"),
        text(columns, "transaction_description"),
        text(columns, "product_line_name"),
    )


def value(columns: Columns, column: str) -> Any:  # noqa: ANN401 -- as JSON has it
    """Return what a column holds; None is NULL.

    Raises:
        RecordError: the record does not have the column.
    """
    try:
        return columns[column]
    except KeyError:
        raise RecordError(
            "missing_column",
            f"the record has no column {column}: it was renamed or dropped in the source. Once it is there again,"
            " `rewards connectors resnapshot` reads anew what was changed meanwhile",
            column=column,
        ) from None


def flag(columns: Columns, column: str) -> bool | None:
    """Return a boolean; a text such as 'f' is none."""
    found = value(columns, column)
    if found is None or isinstance(found, bool):
        return found
    raise _wrong_type(column, found, "boolean")


def number(columns: Columns, column: str) -> int:
    """Return an integer that is not NULL."""
    found = value(columns, column)
    if isinstance(found, int) and not isinstance(found, bool):
        return found
    if found is None:
        raise RecordError("missing_value", f"{column} is NULL", column=column)
    raise _wrong_type(column, found, "integer")


def text(columns: Columns, column: str, bytes_max: int = TEXT_BYTES_MAX) -> str | None:
    """Return a text of at most `bytes_max` bytes of UTF-8."""
    found = value(columns, column)
    if found is None:
        return None
    if not isinstance(found, str):
        raise _wrong_type(column, found, "text")
    if len(found) * 4 > bytes_max and len(found.encode("utf-8", "surrogatepass")) > bytes_max:
        raise RecordError("text_too_long", f"{column} is longer than {bytes_max} bytes", column=column)
    if "\0" in found:
        raise RecordError("bad_text", f"{column} holds a NUL, which no text in Postgres can", column=column)
    if found == UNAVAILABLE:
        raise RecordError(
            "incomplete_row",
            f"the source did not send {column}: its table's REPLICA IDENTITY is not FULL; `rewards connectors repair` mends that",
            column=column,
        )
    return found


def amount(columns: Columns, column: str) -> Decimal | None:
    """Return a decimal. A JSON number is refused: it may have been a float on its way."""
    found = value(columns, column)
    if found is None:
        return None
    if isinstance(found, str):
        try:
            return Decimal(found)
        except InvalidOperation:
            pass
    raise RecordError("bad_amount", f"{column} {found!r} is no amount", column=column)


def date(columns: Columns, column: str) -> dt.date | None:
    """Return a date."""
    found = value(columns, column)
    if found is None:
        return None
    try:
        return _date_of(found)
    except (ValueError, OverflowError, TypeError) as error:
        raise RecordError("bad_date", f"{column} {found!r} is no date (days since 1970)", column=column) from error


@lru_cache(maxsize=65_536)
def _date_of(days: int) -> dt.date:
    return dt.date.fromordinal(_EPOCH_ORDINAL + days)


def _wrong_type(column: str, found: object, wanted: str) -> RecordError:
    return RecordError(
        "bad_type", f"{column} is no {wanted} but {type(found).__name__}: it was retyped in the source", column=column
    )
