"""What was used last, up to a number: the bound on everything that a worker keeps and may lose."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from itertools import islice
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """A mapping that lets go of what was set longest ago."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: dict[K, V] = {}
        """In the order in which they were set last."""

    def get(self, key: K) -> V | None:
        """Return what is kept under the key."""
        return self._entries.get(key)

    def update(self, entries: Mapping[K, V]) -> None:
        """Keep these."""
        kept = self._entries
        for key in entries:
            kept.pop(key, None)
        kept.update(entries)
        surplus = len(kept) - self._size
        if surplus > 0:
            # Some at once: to find the first of a dictionary takes longer the more were taken from its front.
            for key in list(islice(kept, max(surplus, self._size // 8))):
                del kept[key]
