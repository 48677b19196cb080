"""Debezium's envelope: where a change event stands in its source, and the versions of the row that it holds. Pure.

Place on the data's way: the first look at a record's bytes; decode.py says what the rows come to.
"""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

import orjson

from streams.errors import RecordError
from streams.source.columns import Columns
from streams.source.records import ChangeEvent, Watermark

WATERMARKS: Final = "rewards_watermarks"
_OPERATIONS: Final = frozenset("crudt")


class Envelope(NamedTuple):
    """A change event, taken apart."""

    event: ChangeEvent
    """Its place in the source; nothing yet of what it says."""
    op: str
    """c, r (of a snapshot), u, d or t."""
    before: Columns | None
    after: Columns | None


def open_envelope(value: bytes) -> Envelope:
    """Take a change event apart; a watermark and a truncate are said in full by the event that comes back.

    Raises:
        RecordError: the bytes are no change event.
    """
    try:
        envelope = _parsed(value)
        source, op = envelope["source"], envelope["op"]
        event = _event(source, envelope.get("transaction"))
        before, after = envelope.get("before"), envelope.get("after")
        if op not in _OPERATIONS:
            raise RecordError("undecodable", f"unknown op {op!r}")
        if not ((before is None or isinstance(before, dict)) and (after is None or isinstance(after, dict))):
            raise RecordError("undecodable", "before or after is no row")
        if event.is_watermark:
            event.watermark = Watermark(int(after["mark"])) if after else None
        else:
            event.truncated = op == "t"
        return Envelope(event, op, before, after)
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise RecordError("undecodable", f"not a change event: {type(error).__name__} {error}") from error


def _parsed(value: bytes) -> Any:  # noqa: ANN401 -- JSON
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        # A text that the connector cut between the two halves of an emoji ends with half of it, which orjson does not take.
        return json.loads(value)


def _event(source: dict[str, Any], counted: dict[str, Any] | None) -> ChangeEvent:
    snapshot = source.get("snapshot") not in {None, "false", False}
    lsn, name = source["lsn"], source["name"]
    is_watermark = source["table"] == WATERMARKS
    # The watermarks are the last table of a snapshot: theirs is another transaction, so that it closes the rows'.
    part = f"snapshot{'-end' if is_watermark else ''}@{lsn}" if snapshot else source["txId"]
    order = counted["total_order"] if counted else 0
    return ChangeEvent(
        f"{name}:{part}",
        lsn,
        snapshot,
        source["ts_ms"],
        order,
        0 if snapshot else _last_commit_lsn(source.get("sequence")),
        is_watermark=is_watermark,
    )


def _last_commit_lsn(sequence: str | None) -> int:
    """Return the first of the two LSNs that Debezium writes as `["24023119","24023128"]`; 0 where it is not known: `[null,"24023128"]`."""
    if not sequence or sequence.startswith("[null"):
        return 0
    return int(sequence[2 : sequence.index('"', 2)])
