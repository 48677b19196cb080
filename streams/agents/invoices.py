"""The agent of the invoices topic: Debezium's change events of `invoice_transactions`, and the warehouse's watermarks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.agents.intake import item_of
from streams.decode import decode_invoice_record

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord

    from streams.lanes import Item

NAME = "invoices"


def decode(record: ConsumerRecord) -> Item:
    """Read a record of the topic."""
    return item_of(record, decode_invoice_record)
