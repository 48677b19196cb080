from __future__ import annotations

from collections.abc import Iterable

import pytest

from streams.recent import Recent


def kept(recent: Recent[int, str], keys: Iterable[int]) -> list[int]:
    return [key for key in keys if recent.get(key) is not None]


def test_what_was_set_longest_ago_goes_first_and_what_was_set_again_stays() -> None:
    recent: Recent[int, str] = Recent(4)
    recent.update({1: "a", 2: "b", 3: "c", 4: "d"})
    recent.update({1: "again"})
    recent.update({5: "e", 6: "f"})

    assert kept(recent, range(10)) == [1, 4, 5, 6]
    assert recent.get(1) == "again"


@pytest.mark.parametrize("at_once", [1, 7, 1000])
def test_no_more_are_kept_than_the_size_and_the_newest_always(at_once: int) -> None:
    recent: Recent[int, str] = Recent(100)
    for start in range(0, 3000, at_once):
        recent.update(dict.fromkeys(range(start, start + at_once), "x"))
        newest = range(max(0, start + at_once - 80), start + at_once)
        assert kept(recent, newest) == list(newest)
        assert len(kept(recent, range(start + at_once))) <= 100
