"""Whether the disks of a stack have room: without it Kafka ends, and Postgres takes no more rows."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

MEBIBYTE = 1024 * 1024


def short_of_room(places: Iterable[Path], low_bytes: int) -> list[str]:
    """Return a sentence for each disk that has less room than that, with what leads out; a place that is not there is left out."""
    found: dict[int, str] = {}
    for place in places:
        try:
            free, device = shutil.disk_usage(place).free, place.stat().st_dev
        except OSError:
            continue
        if free < low_bytes:
            found.setdefault(
                device,
                f"the disk of {place} has {free // MEBIBYTE} MiB left, and the stack stops without room"
                " (make room: everything goes on by itself within a minute, and nothing is lost)",
            )
    return list(found.values())
