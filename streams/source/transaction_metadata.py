"""Knows which source transactions are complete: Debezium says how many events each had, and this counts them as they arrive.

Place on the data's way: beside the agents. The partition buffers (partition_buffer.py) ask whether the last transaction of a partition is
complete. It is once all of its events were delivered to this worker. Nothing else is proof: a producer gives no order between partitions,
so that the end of a transaction can be readable before its rows are. A worker that does not get all events, for others have some of the
partitions, learns it from the next record of the partition instead; the watermarks bring one at every heartbeat.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from threading import Lock
from typing import Final

import orjson

from streams.recent import Recent

logger = logging.getLogger(__name__)

Place = tuple[str, int]
"""Topic and partition."""

REMEMBERED: Final = 20_000
"""Transactions; one that was forgotten is completed by the next record of its partition."""


@dataclass(slots=True)
class _Seen:
    """What is known of one source transaction."""

    begins: int = 0
    event_count: int | None = None
    """Events that it had, once it has ended."""
    sent_again: bool = False
    """An event came again: Debezium may number what it sends again one higher, so that counts prove nothing."""
    delivered: dict[Place, tuple[int, int]] = field(default_factory=dict)
    """Place -> (events delivered, the highest order among them)."""

    @property
    def complete(self) -> bool:
        # Two beginnings: Debezium was restarted in the middle and may have numbered the rest anew, so that counts prove nothing.
        return (
            self.event_count is not None
            and self.begins == 1
            and not self.sent_again
            and sum(count for count, _ in self.delivered.values()) >= self.event_count
        )


class TransactionMetadata:
    """Counts the events of each source transaction. The executors' threads ask it.

    Args:
        wake: called (from any thread) when a transaction that had ended has become complete by what was delivered.
    """

    def __init__(self, wake: Callable[[], object] = lambda: None) -> None:
        self._wake = wake
        self._transactions: Recent[str, _Seen] = Recent(REMEMBERED)
        self._lock = Lock()

    def note_delivered(self, place: Place, events: Iterable[tuple[str, int]]) -> None:
        """Count what was delivered of a partition, in its order: the transaction of each event and its order in that (from 1).

        An event that was delivered before, by Debezium twice or by Kafka again, has no higher order than the ones before it; after one of
        these the transaction is completed by the partition's next record alone.
        """
        completed = False
        with self._lock:
            for transaction, its_events in groupby(events, key=itemgetter(0)):
                seen = self._of(transaction)
                count, highest = seen.delivered.get(place, (0, 0))
                for _, order in its_events:
                    if order > highest:
                        count, highest = count + 1, order
                    else:
                        seen.sent_again = True
                seen.delivered[place] = (count, highest)
                completed |= seen.complete
        if completed:
            self._wake()

    def note_begin(self, transaction: str) -> None:
        """Note that a transaction has begun."""
        with self._lock:
            self._of(transaction).begins += 1

    def note_end(self, transaction: str, event_count: int) -> None:
        """Note that a transaction has ended, and how many events it had."""
        with self._lock:
            self._of(transaction).event_count = event_count

    def is_complete(self, transaction: str) -> bool:
        """Whether all events of a transaction were delivered to this worker."""
        with self._lock:
            seen = self._transactions.get(transaction)
            return seen is not None and seen.complete

    def _of(self, transaction: str) -> _Seen:
        seen = self._transactions.get(transaction)
        if seen is None:
            seen = _Seen()
            self._transactions.update({transaction: seen})
        return seen


def note_record(metadata: TransactionMetadata, topic: str, value: bytes | None) -> None:
    """Take in a record of a topic of transactions; one that says nothing usable is logged, and later records complete its transaction."""
    try:
        event = orjson.loads(value or b"{}")
        status = event.get("status")
        if status is None:
            return
        source = topic.rpartition(".")[0]
        transaction = f"{source}:{event['id'].partition(':')[0]}"
        if status == "BEGIN":
            metadata.note_begin(transaction)
        elif status == "END":
            metadata.note_end(transaction, int(event["event_count"]))
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        logger.warning("A record of %s says nothing of a transaction (%s)", topic, error)
