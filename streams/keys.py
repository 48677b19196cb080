"""Record keys and the partitions that they land in: a customer's records of every topic share one.

A leaf: Debezium's records bring their keys along; what a worker sends itself gets its key here.
"""

from __future__ import annotations

from functools import lru_cache

import orjson
from aiokafka.partitioner import murmur2

from streams.topics import PARTITIONS


def customer_key(customer_master_id: str) -> bytes:
    """The key of every record of a customer, byte for byte as Kafka Connect writes it."""
    return compact(orjson.dumps({"customer_master_id": customer_master_id}))


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
