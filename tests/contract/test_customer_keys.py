"""Keys as Kafka Connect really wrote them (records/customer_keys.jsonl): who makes a key must make these bytes.

One JSON object a line: the customer, the record's key as text, and its partition of eight. Recorded from the embedded stack: a row of
the warehouse for each control character, each character up to U+011F that JSON might treat in its own way, and some of every plane.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connectors.watermarks import key_bytes, partition_of
from streams import keys

RECORDED: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).parent / "records" / "customer_keys.jsonl").read_text(encoding="utf-8").splitlines()
]


def test_recording_holds_every_kind_of_character() -> None:
    characters = {character for one in RECORDED for character in one["customer_master_id"]}

    assert characters >= {chr(code) for code in (*range(0x01, 0x30), *range(0x7B, 0x100))}
    assert characters >= set('"\\/\u2028\u2029\uffff\U00010000\U0010ffff🏠漢')


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda one: ascii(one["customer_master_id"]))
def test_key_of_a_customer_is_what_connect_wrote(recorded: dict[str, Any]) -> None:
    customer = recorded["customer_master_id"]

    assert key_bytes(customer) == recorded["key"].encode()
    assert partition_of(customer, 8) == recorded["partition"]
    assert keys.customer_key(customer) == recorded["key"].encode()
    assert keys.partition_of(customer) == recorded["partition"]
