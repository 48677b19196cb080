"""The Faust Table `customer_points`: per-customer totals with a changelog topic, set to what the sink returned, never added to.

Place on the data's way: after the sink; outputs.py writes it. Postgres is the truth; losing the Table costs a recovery, never a point.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import faust
import orjson

from streams.keys import compact, customer_key, partition_of
from streams.topics import CUSTOMER_POINTS_TABLE, PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

Totals = dict[str, list[int]]
"""Company -> [points, pending, at risk]."""

Changes = list[tuple[int, bytes, bytes]]
"""Changelog records: partition, key, value."""


class CustomerTable(faust.Table[bytes, bytes]):
    """A Table that is told its totals outside of a stream, many at once.

    Faust writes a Table from within a stream, one changelog record at a time (118 µs each), into the current event's partition; its
    `use_partitioner` would make every worker a standby of every partition. So outputs.py sends the changelog's records, each into
    the partition of its customer's other records, and says here what they were; recovery reads them as ever.
    """

    def changes(self, totals: Mapping[str, Totals]) -> Changes:
        """Return the changelog records of what differs; what is equal would only lengthen the changelog."""
        found: Changes = []
        for customer, companies in totals.items():
            key = customer_key(customer)
            value = compact(orjson.dumps(companies, option=orjson.OPT_SORT_KEYS))
            stood = self.data.get(key)
            if stood != value and (companies or stood is not None):
                found.append((partition_of(customer), key, value))
        return found

    def note(self, changes: Changes) -> None:
        """Set what the changelog now says."""
        for _, key, value in changes:
            self.data[key] = value


def customer_points_table(app: faust.App) -> CustomerTable:
    """Add the Table to an app. Keys and values are bytes: Faust cannot recover others keyed by our JSON."""
    table = CustomerTable(app, name=CUSTOMER_POINTS_TABLE, partitions=PARTITIONS, key_type=bytes, value_type=bytes)
    app.tables.add(table)
    return table
