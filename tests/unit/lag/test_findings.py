"""What is known of the sources after a check."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest

from streams.lag.findings import TEXT_MAX, KnownFinding, SourceFinding, failed, merged

MORNING = dt.datetime(2026, 5, 1, 8, tzinfo=dt.UTC)
NOON = dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC)
UNPUBLISHED = SourceFinding("warehouse", "t", "error", "table_not_published", "it is not published", "repair it")
OLD = SourceFinding(
    "warehouse", "t", "error", "records_old", "no record came into 3 of 8 partitions for 31.5 s", "look"
)
ELSEWHERE = SourceFinding("rewards", "m", "error", "replica_identity", "it is not FULL", "repair it")
UNREADABLE = SourceFinding("warehouse", "t", "error", "source_unreadable", "no route", "start it", hides_others=True)


def known(*findings: SourceFinding, since: dt.datetime = MORNING) -> list[KnownFinding]:
    return [KnownFinding(one, since, since) for one in findings]


def test_finding_that_lasts_keeps_when_it_began() -> None:
    assert merged(known(UNPUBLISHED), [UNPUBLISHED], NOON) == [KnownFinding(UNPUBLISHED, MORNING, NOON)]


def test_finding_whose_figures_move_is_the_same_with_its_newest_text() -> None:
    later = dataclasses.replace(OLD, message="no record came into 8 of 8 partitions for 1,204 s")
    assert merged(known(OLD), [later], NOON) == [KnownFinding(later, MORNING, NOON)]


def test_two_of_one_kind_are_two() -> None:
    columns = [
        SourceFinding("warehouse", "t", "error", "column_missing", f"it has no column {name}", "add it")
        for name in ("a", "b")
    ]
    assert merged(known(columns[0]), columns, NOON) == [
        KnownFinding(columns[0], MORNING, NOON),
        KnownFinding(columns[1], NOON, NOON),
    ]


def test_what_a_check_does_not_find_any_more_is_over() -> None:
    assert merged(known(UNPUBLISHED, ELSEWHERE), [ELSEWHERE], NOON) == [KnownFinding(ELSEWHERE, MORNING, NOON)]


def test_what_was_wrong_with_a_source_that_cannot_be_seen_is_not_over() -> None:
    found = merged(known(UNPUBLISHED, ELSEWHERE), [UNREADABLE], NOON)
    assert found == [KnownFinding(UNREADABLE, NOON, NOON), KnownFinding(UNPUBLISHED, MORNING, MORNING)]


def test_nothing_is_over_where_no_source_could_be_checked() -> None:
    (said, *others) = merged(known(UNPUBLISHED, ELSEWHERE), [failed("a setting is missing")], NOON)
    assert said.finding.message == "the sources could not be checked: a setting is missing"
    assert others == known(UNPUBLISHED, ELSEWHERE)


def test_that_it_could_not_be_seen_is_over_once_it_was_seen_and_so_is_what_it_hid() -> None:
    before = merged(known(UNPUBLISHED), [UNREADABLE], MORNING)
    assert merged(before, [], NOON) == []


def test_source_that_cannot_be_seen_for_another_reason_is_one_finding() -> None:
    again = dataclasses.replace(UNREADABLE, message="it timed out")
    assert merged(known(UNREADABLE), [again], NOON) == [KnownFinding(again, MORNING, NOON)]


@pytest.mark.parametrize("length", [TEXT_MAX, TEXT_MAX + 1])
def test_text_has_a_bound(length: int) -> None:
    (found,) = merged([], [dataclasses.replace(UNREADABLE, message="x" * length)], NOON)
    assert len(found.finding.message) == TEXT_MAX
    assert found.finding.message.endswith("x" if length == TEXT_MAX else "…")


def test_finding_concerns_its_topic_and_one_of_all_sources_every_topic() -> None:
    assert (UNPUBLISHED.concerns("t"), UNPUBLISHED.concerns("m"), failed("x").concerns("m")) == (True, False, True)
