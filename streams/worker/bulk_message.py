"""What the agents are handed: one Faust message for all records that a fetch brought of a source partition.

Place on the data's way: made by bulk.py, taken apart by executor.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import aiokafka
import faust
from faust.types import Message


class Records(NamedTuple):
    """The value of a bulk message."""

    records: list[aiokafka.ConsumerRecord]
    end_offset: int
    """The partition's end offset when they were fetched: more are there if it is higher than the last record's next."""
    consumer_generation: int
    """Of the consumer, as it counts its assignments."""


class BulkSchema(faust.Schema[Any, Any]):
    """Hands a bulk message's records through; decoding them is decode.py's."""

    def loads_key(self, app: Any, message: Message, **_: Any) -> Any:  # noqa: ANN401, ARG002 -- Faust's signature
        """Return the key as it is (none: a fetch has many)."""
        return message.key

    def loads_value(self, app: Any, message: Message, **_: Any) -> Any:  # noqa: ANN401, ARG002 -- Faust's signature
        """Return the records."""
        return message.value
