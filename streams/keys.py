"""Record keys and the partitions that they land in: a customer's records of every topic share one.

A leaf: Debezium's records bring their keys along; what a worker sends itself gets its key here.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from aiokafka.partitioner import murmur2

from streams.topics import PARTITIONS

_ESCAPED: Final = re.compile(r'[\x00-\x1f"\\\U00010000-\U0010ffff]')
_SHORT: Final = {"\b": r"\b", "\t": r"\t", "\n": r"\n", "\f": r"\f", "\r": r"\r", '"': r"\"", "\\": r"\\"}


def customer_key(customer_master_id: str) -> bytes:
    """Return the key of every record of a customer, byte for byte as Connect's converter writes it.

    The converter is Jackson: it escapes the quote, the backslash and what lies below U+0020 (capital digits where there is no short
    form), and writes what lies beyond the basic plane as two escaped surrogates; all other text is UTF-8 as it stands. A key in other
    bytes would land in another partition than the customer's rows. `connectors/watermarks.py` has the same rule, since neither package
    may import the other; recorded keys hold both (tests/contract/test_customer_keys.py).
    """
    return f'{{"customer_master_id":"{_ESCAPED.sub(_escape, customer_master_id)}"}}'.encode()


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    if short := _SHORT.get(character):
        return short
    units = character.encode("utf-16-be").hex().upper()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def compact(dumped: bytes) -> bytes:
    """Bytes that are kept: orjson's own hold on to the 4 KB that they were written into."""
    return dumped.decode().encode()


@lru_cache(maxsize=65_536)
def partition_of(customer_master_id: str) -> int:
    """Kafka's default partitioner over `customer_key`."""
    return partition_of_key(customer_key(customer_master_id))


def partition_of_key(key: bytes) -> int:
    """As Kafka's default partitioner: murmur2 of the key's bytes, without the sign, modulo the partitions."""
    return int((murmur2(key) & 0x7FFFFFFF) % PARTITIONS)
