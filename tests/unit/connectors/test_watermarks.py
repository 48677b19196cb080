from __future__ import annotations

import json
from pathlib import Path

import pytest

from connectors.watermarks import key_bytes, partition_of, watermark_ids
from streams.topics import PARTITIONS

RECORDS = Path(__file__).parents[2] / "contract" / "records"


@pytest.mark.parametrize("partitions", [1, 3, PARTITIONS, 64])
def test_each_partition_has_one_watermark_that_lands_in_it(partitions: int) -> None:
    ids = watermark_ids(partitions)

    assert [partition_of(one, partitions) for one in ids] == list(range(partitions))
    assert len(set(ids)) == partitions


def test_recorded_keys_land_where_connect_put_them() -> None:
    """The records were taken from Debezium on a topic of eight partitions."""
    found = [json.loads(line) for file in RECORDS.glob("*.json") for line in file.read_text().splitlines()]
    keyed = [one for one in found if one["key"] is not None and one["key"]["customer_master_id"] is not None]

    assert len(keyed) > 40
    assert all(partition_of(one["key"]["customer_master_id"], 8) == one["partition"] for one in keyed)


@pytest.mark.parametrize(
    ("customer", "written"),
    [
        ('Müller "x"', r"Müller \"x\""),
        ("K-\x0b\x1f\n", r"K-\u000B\u001F\n"),
        ("K-0 🏠", r"K-0 \uD83C\uDFE0"),
        ("K-\x7f\x85\u2028", "K-\x7f\x85\u2028"),
    ],
)
def test_key_escapes_what_connects_converter_does(customer: str, written: str) -> None:
    assert key_bytes(customer) == f'{{"customer_master_id":"{written}"}}'.encode()
