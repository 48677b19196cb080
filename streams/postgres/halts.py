"""Which partitions are halted, and what leads out: for whoever says how the stream is (wait, lag, status, the website).

Place on the data's way: the worker halts a partition behind its dead letters (source/bad_records.py); jobs/dead_letters.py lets it go on.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

REMEDY: Final = (
    "`rewards dead-letters list` shows what could not be used; correct the rows in the warehouse, or let it go on with"
    " `rewards dead-letters accept --all`"
)

_HALTED: Final = """
SELECT topic, partition, halted_at, halted_reason FROM partition_progress WHERE halted_at IS NOT NULL ORDER BY topic, partition
"""


@dataclass(frozen=True, slots=True)
class HaltedPartition:
    """A partition that waits for a person's word."""

    topic: str
    partition: int
    halted_at: dt.datetime
    reason: str

    @property
    def sentence(self) -> str:
        """What is wrong, and what leads out."""
        return f"{self.topic}/{self.partition} is halted since {self.halted_at:%Y-%m-%d %H:%M:%S %Z}: {self.reason}. {REMEDY}"


def find_halted(cursor: Cursor) -> list[HaltedPartition]:
    """Return the partitions that wait for a person."""
    cursor.execute(_HALTED)
    return [HaltedPartition(*row) for row in cursor.fetchall()]
