"""The Faust Table `customer_points`: per-customer totals with a changelog topic, set to what the sink returned, never added to.

Place on the data's way: after the sink. Postgres is the truth; losing the Table costs a recovery, never a point.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import faust
import orjson

from streams.records import customer_key, partition_of_key
from streams.topics import CUSTOMER_POINTS_TABLE, PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

Totals = dict[str, list[int]]
"""Company -> [points, pending, at risk]."""


class CustomerTable(faust.Table[bytes, bytes]):
    """A Table whose key decides the partition, as it did for the records: written outside a stream, by key bytes alone.

    Faust's own `use_partitioner` would make every worker a standby of every partition.
    """

    def partition_for_key(self, key: Any) -> int:  # noqa: ANN401 -- Faust's signature
        """Return the partition that all records of the customer are in."""
        return partition_of_key(key)


def customer_points_table(app: faust.App) -> CustomerTable:
    """Add the Table to an app. Keys and values are bytes: Faust cannot recover others keyed by our JSON."""
    table = CustomerTable(app, name=CUSTOMER_POINTS_TABLE, partitions=PARTITIONS, key_type=bytes, value_type=bytes)
    app.tables.add(table)
    return table


def set_totals(table: CustomerTable, totals: Mapping[str, Totals]) -> None:
    """Set what differs; what is equal would only lengthen the changelog."""
    for customer, companies in totals.items():
        key, value = customer_key(customer), orjson.dumps(companies, option=orjson.OPT_SORT_KEYS)
        if table.get(key) != value and (companies or key in table):
            table[key] = value
