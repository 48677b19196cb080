"""Partitions that are left out of fetching for a while, each for as long as there is a reason.

Place on the data's way: beside bulk.py, which asks here before each fetch. What the broker has waits there, in order and at no cost; other
partitions go on. An assignment's end drops everything: whoever gets a partition next has reasons of its own, or none.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from faust.types import TP


class HoldReason(StrEnum):
    """Why a partition is not fetched from. A partition with several goes on when the last is gone."""

    FULL = "full"
    """Its executor has as many records as it may have in memory."""
    HALTED = "halted"
    """A person must say how it goes on."""


class Holds:
    """Which partitions are held, and why."""

    def __init__(self) -> None:
        self._reasons: dict[TP, set[HoldReason]] = {}
        self._released = asyncio.Event()

    def hold(self, tp: TP, reason: HoldReason) -> None:
        """Leave a partition out; of no effect the second time for the same reason."""
        self._reasons.setdefault(tp, set()).add(reason)

    def release(self, tp: TP, reason: HoldReason) -> None:
        """Take a partition in again, unless there is another reason; of no effect where it was not held for this one."""
        reasons = self._reasons.get(tp)
        if reasons is None:
            return
        reasons.discard(reason)
        if not reasons:
            del self._reasons[tp]
            self._released.set()

    def clear(self) -> None:
        """Forget all: the partitions are given up."""
        self._reasons.clear()
        self._released.set()

    def reasons(self, tp: TP) -> frozenset[HoldReason]:
        """Return why a partition is held; empty where it is not."""
        return frozenset(self._reasons.get(tp, ()))

    def free(self, partitions: AbstractSet[TP]) -> set[TP]:
        """Return those of the partitions that are not held."""
        return {tp for tp in partitions if tp not in self._reasons}

    def __bool__(self) -> bool:
        """Return whether any partition is held."""
        return bool(self._reasons)

    async def wait_released(self, seconds: float) -> None:
        """Wait until a partition is released, so long at most."""
        self._released.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._released.wait(), seconds)
