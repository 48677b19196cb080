"""Offsets to lag to status."""

from __future__ import annotations

import datetime as dt

import pytest

from streams.lag.status import Offsets, Standing, Status, follow, lag_seconds, status

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)


def offsets(committed: int | None, beginning: int = 100, end: int = 150) -> Offsets:
    return Offsets("t", 0, beginning, end, committed)


def ago(seconds: float) -> dt.datetime:
    return NOW - dt.timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("committed", "records"),
    [
        pytest.param(150, 0, id="all read"),
        pytest.param(120, 30, id="some wait"),
        pytest.param(100, 50, id="at the beginning"),
        pytest.param(None, 50, id="never committed"),
        pytest.param(40, 50, id="records deleted since"),
        pytest.param(900, 50, id="topic made anew"),
    ],
)
def test_committed_offset_gives_the_records_that_wait(committed: int | None, records: int) -> None:
    assert offsets(committed).lag_records == records


def test_empty_partition_has_no_lag() -> None:
    assert offsets(None, beginning=0, end=0).lag_records == 0


def test_age_of_the_first_waiting_record_is_the_lag_in_seconds() -> None:
    assert lag_seconds(offsets(120), Standing(120, ago(1)), ago(12.5), NOW) == 12.5


def test_no_waiting_record_is_no_lag_in_seconds() -> None:
    assert lag_seconds(offsets(150), Standing(150, ago(99)), ago(99), NOW) == 0.0


def test_record_of_a_clock_ahead_of_ours_is_not_negative() -> None:
    assert lag_seconds(offsets(120), Standing(120, NOW), ago(-3), NOW) == 0.0


def test_unreadable_first_record_gives_the_time_it_was_seen_waiting() -> None:
    assert lag_seconds(offsets(120), Standing(120, ago(7)), None, NOW) == 7.0


def test_group_that_has_not_moved_stands_since_before() -> None:
    assert follow(Standing(120, ago(9)), offsets(120), NOW) == Standing(120, ago(9))


def test_group_that_moved_stands_since_now() -> None:
    assert follow(Standing(110, ago(9)), offsets(120), NOW) == Standing(120, NOW)


def test_group_without_lag_does_not_stand_still() -> None:
    assert follow(Standing(150, ago(9)), offsets(150), NOW) == Standing(150, NOW)


@pytest.mark.parametrize(
    ("records", "seconds", "member", "still", "expected"),
    [
        (0, 0.0, "w", 0.0, "ok"),
        (3, 0.4, "w", 1.0, "ok"),
        (3, 5.0, "w", 1.0, "behind"),
        (3, 5.0, "w", 30.0, "stalled"),
        (3, 0.0, "w", 30.0, "stalled"),
        (0, 0.0, "w", 300.0, "ok"),
        (0, 0.0, None, 0.0, "unowned"),
        (3, 99.0, None, 99.0, "unowned"),
    ],
)
def test_status_says_the_worst(
    records: int, seconds: float, member: str | None, still: float, expected: Status
) -> None:
    assert status(offsets(150 - records), seconds, member, still) == expected


@pytest.mark.parametrize("committed", [99, 151])
def test_partition_whose_next_record_is_not_in_the_topic_is_lost_whoever_reads_it(committed: int) -> None:
    assert status(offsets(committed), 0.0, "w", 0.0) == "lost"
    assert status(offsets(committed), 0.0, None, 0.0) == "lost"
