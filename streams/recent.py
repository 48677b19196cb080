"""What was used last, up to a number: the bound on everything that a worker keeps and may lose."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """A mapping that lets go of what was set longest ago."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        """Return what is kept under the key."""
        return self._entries.get(key)

    def update(self, entries: Mapping[K, V]) -> None:
        """Keep these."""
        kept = self._entries
        for key, value in entries.items():
            kept[key] = value
            kept.move_to_end(key)
        while len(kept) > self._size:
            kept.popitem(last=False)
