"""How every agent takes records in: a bulk message goes to the processor, a record becomes an item and never an exception."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streams.decode import Decoded
from streams.errors import RecordError
from streams.lanes import Item

if TYPE_CHECKING:
    from collections.abc import Callable

    import faust
    from aiokafka import ConsumerRecord

    from streams.workbench import Workbench


def item_of(record: ConsumerRecord, decode: Callable[[bytes | None], Decoded | None]) -> Item:
    """Decode a change event; what cannot be used keeps its bytes and the reason."""
    try:
        decoded = decode(record.value)
    except RecordError as error:
        return Item(record.offset, error=error, key=record.key, value=record.value)
    if decoded is not None and decoded.error is not None:
        return Item(record.offset, decoded, error=decoded.error, key=record.key, value=record.value)
    return Item(record.offset, decoded)


async def receive(stream: faust.StreamT[Any], workbench: Workbench) -> None:
    """Put every bulk message on the workbench. Offsets are marked by forward.py, so the stream acknowledges nothing."""
    async for event in stream.noack().events():  # type: ignore[attr-defined]  # Faust types StreamT without it
        await workbench.put(event.message)
