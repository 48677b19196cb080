"""A broker that says what a test tells it, and counts what it is asked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from streams import topics
from streams.errors import TransientError
from streams.lag.status import Offsets

PLACE = (topics.INVOICES.name, 0)


class FakeBroker:
    def __init__(self) -> None:
        self.partitions: dict[tuple[str, int], Offsets] = {}
        self.members: dict[tuple[str, int], str] = {}
        self.records: dict[tuple[str, int], dt.datetime] = {}
        self.reads: list[set[tuple[str, int]]] = []
        self.away = False
        self.closed = False
        self.groups: set[str] = set()

    def put(self, committed: int | None, end: int, place: tuple[str, int] = PLACE, beginning: int = 0) -> None:
        self.partitions[place] = Offsets(*place, beginning, end, committed)

    def offsets(self, group: str, topics: list[str]) -> list[Offsets]:
        self.groups.add(group)
        if self.away:
            raise TransientError("the broker is away")
        return [offsets for offsets in self.partitions.values() if offsets.topic in topics]

    def owners(self, group: str) -> dict[tuple[str, int], str]:
        self.groups.add(group)
        return self.members

    def written_at(self, starts: Mapping[tuple[str, int], int]) -> dict[tuple[str, int], dt.datetime]:
        self.reads.append(set(starts))
        return {place: self.records[place] for place in starts if place in self.records}

    def close(self) -> None:
        self.closed = True
