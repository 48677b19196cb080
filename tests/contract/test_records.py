"""Records as Debezium really wrote them (tests/contract/records, one kind a file) against the decoder and the partitioner."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from connectors.watermarks import watermark_ids
from streams.decode import Decoded, decode_invoice_record, decode_membership_record
from streams.errors import RecordError
from streams.records import customer_key, partition_of, partition_of_key
from streams.topics import PARTITIONS

FOLDER = Path(__file__).with_name("records")


@dataclass(frozen=True)
class Record:
    """One record of a topic. The key and the value are what Connect's JSON converter made bytes of."""

    partition: int
    offset: int
    key: dict[str, str | None] | None
    value: dict[str, Any] | None
    headers: dict[str, Any]

    @property
    def key_bytes(self) -> bytes:
        return connect_json(self.key)

    @property
    def value_bytes(self) -> bytes | None:
        return None if self.value is None else connect_json(self.value)


def connect_json(value: object) -> bytes:
    """As Connect writes JSON: without blanks, text as it is."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def records(kind: str) -> list[Record]:
    return [Record(**json.loads(line)) for line in (FOLDER / f"{kind}.json").read_text(encoding="utf-8").splitlines()]


def said(decoded: Decoded | None) -> list[str]:
    """What a decoded record says, in words that can be compared."""
    if decoded is None:
        return ["tombstone"]
    words = ["truncate"] if decoded.truncated else []
    words += [f"mark {decoded.watermark.mark}"] if decoded.watermark else []
    words += ["ignored"] if decoded.ignored else []
    words += [f"bad: {decoded.error.reason} {decoded.error.column}"] if decoded.error else []
    for row in decoded.rows:
        words.append(f"{'set' if row.facts else 'retire'} {row.transaction_id} of {row.key.customer_master_id}")
    for one in decoded.memberships:
        words.append(f"{'retire' if one.reward_group_id is None else 'enrol'} {one.row_id} of {one.customer_master_id}")
    return words


INVOICES = {
    "create": [],
}
MEMBERSHIPS = {
    "membership": [],
}


@pytest.mark.parametrize("kind", sorted(INVOICES))
def test_invoice_record_says(kind: str) -> None:
    assert [said(decode_invoice_record(record.value_bytes)) for record in records(kind)] == INVOICES[kind]
