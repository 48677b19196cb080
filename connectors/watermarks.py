"""Watermark rows: one a partition of a captured topic, with a key that lands in that partition.

Connect partitions by murmur2 of the record's key, as every client of Kafka does; the key is what Connect's JSON
converter makes of the row's `customer_master_id`. The rows are updated by the connector's heartbeat (see the connector
files).
"""

from __future__ import annotations

import re
from itertools import count
from typing import Final

from connectors.errors import ConnectorsError

CONNECT_SECONDS: Final = 5
_ESCAPED: Final = re.compile(r'[\x00-\x1f"\\\U00010000-\U0010ffff]')
_SHORT: Final = {
    "\b": r"\b",
    "\t": r"\t",
    "\n": r"\n",
    "\f": r"\f",
    "\r": r"\r",
    '"': r"\"",
    "\\": r"\\",
}


class WatermarksError(ConnectorsError):
    """The watermark rows could not be set up."""


def key_bytes(customer_master_id: str) -> bytes:
    """The record key of a customer, byte for byte as Connect's JSON converter writes it.

    Connect's converter is Jackson, which escapes the quote, the backslash and the control characters below U+0020 (with
    capital digits where there is no short form), and writes what lies beyond the basic plane as two escaped surrogates.
    All other text is UTF-8 as it stands, U+007F and U+2028 too. Recorded keys hold this (tests/contract/records).
    """
    return f'{{"customer_master_id":"{_ESCAPED.sub(_escape, customer_master_id)}"}}'.encode()


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    if short := _SHORT.get(character):
        return short
    units = character.encode("utf-16-be").hex().upper()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def partition_of(customer_master_id: str, partitions: int) -> int:
    """The partition that a customer's records land in."""
    from kafka.partitioner.default import murmur2

    hashed: int = murmur2(key_bytes(customer_master_id))
    return (hashed & 0x7FFFFFFF) % partitions


def watermark_ids(partitions: int) -> list[str]:
    """Each partition's watermark: `watermark-3-12` is the thirteenth name tried for partition 3, and lands there."""
    found = []
    for partition in range(partitions):
        names = (f"watermark-{partition}-{attempt}" for attempt in count())
        found.append(next(name for name in names if partition_of(name, partitions) == partition))
    return found


def seed(address: str, partitions: int) -> int:
    """Make a database's watermark rows those of the topic's partitions; returns how many were changed.

    Args:
        address: the database, as a role that may write its `rewards_watermarks`.
        partitions: of the topic that the rows' changes go to.

    Raises:
        WatermarksError: the database does not answer, or the role may not.

    """
    import psycopg2

    ids = watermark_ids(partitions)
    try:
        connection = psycopg2.connect(address, connect_timeout=CONNECT_SECONDS)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute("DELETE FROM public.rewards_watermarks WHERE customer_master_id <> ALL (%s)", (ids,))
                changed: int = cursor.rowcount
                cursor.execute(
                    "INSERT INTO public.rewards_watermarks (customer_master_id, mark, marked_at)"
                    " SELECT id, 0, clock_timestamp() FROM unnest(%s) AS id ON CONFLICT DO NOTHING",
                    (ids,),
                )
                changed += cursor.rowcount
        finally:
            connection.close()
    except psycopg2.Error as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise WatermarksError(f"the rows of rewards_watermarks could not be set up: {reason[0]}") from error
    return changed
