"""PURE: what changes of a page while it is open, and what a page lacks that shows an earlier state of it.

Place on the data's way: a feature's pages make a picture of what they read, api/core/live.py sends what differs from the one before.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from streams.keys import partition_of

Update = dict[str, Any]
"""What a page lacks. An empty one is a sign of life."""


@dataclass(frozen=True)
class Picture:
    """The changing parts of a page, rendered."""

    watches: frozenset[str]
    """Changes of these customers may change the picture."""
    numbers: dict[str, str]
    """By the name of the element that shows it."""
    sections: dict[str, str]
    """HTML by the section's name."""
    entries: list[tuple[int, str]]
    """(id, HTML) of the newest entries of the log, the newest first."""

    @cached_property
    def partitions(self) -> frozenset[int]:
        """Where the changes of `watches` come from."""
        return frozenset(map(partition_of, self.watches))


def difference(before: Picture | None, after: Picture) -> Update:
    """Return what a page that shows `before` lacks (everything where that is None); empty where nothing does."""
    known = set() if before is None else {entry_id for entry_id, _ in before.entries}
    update: Update = {
        "numbers": {
            name: text for name, text in after.numbers.items() if before is None or before.numbers.get(name) != text
        },
        "sections": {
            name: html for name, html in after.sections.items() if before is None or before.sections.get(name) != html
        },
        "entries": [{"id": entry_id, "html": html} for entry_id, html in after.entries if entry_id not in known],
    }
    if before is None:
        return {"all": True, **update}
    # The whole newest page of the log is new: entries between are not in the update, and the page must not show a hole.
    if known and after.entries and known.isdisjoint(entry_id for entry_id, _ in after.entries):
        update["gap"] = True
    return {name: value for name, value in update.items() if value}
