"""The agent of `rewards.due-invoices`: invoices that the clock found due, by a new business date or the end of a reload."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.errors import RecordError
from streams.lanes import Item
from streams.records import DueInvoice

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord

NAME = "days"


def decode(record: ConsumerRecord) -> Item:
    """Read a record of the topic."""
    if record.value is None:
        return Item(record.offset)
    try:
        return Item(record.offset, due=DueInvoice.load(record.value))
    except (KeyError, ValueError, TypeError) as error:
        bad = RecordError("undecodable", f"not a due invoice: {type(error).__name__} {error}")
        return Item(record.offset, error=bad, key=record.key, value=record.value)
