"""Disks of a stack that are nearly full."""

from __future__ import annotations

import shutil
from pathlib import Path

from connectors.local.room import short_of_room


def test_disk_with_room_is_not_named(tmp_path: Path) -> None:
    assert short_of_room([tmp_path], 1) == []


def test_disk_without_room_is_named_once_with_what_leads_out(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    more = shutil.disk_usage(tmp_path).free + 1_000_000_000_000

    (said,) = short_of_room([tmp_path, tmp_path / "one"], more)

    assert f"the disk of {tmp_path} has" in said
    assert "make room" in said


def test_place_that_is_not_there_says_nothing(tmp_path: Path) -> None:
    assert short_of_room([tmp_path / "gone"], 10**18) == []
