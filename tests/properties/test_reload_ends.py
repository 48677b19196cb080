"""When a reload is over: never for what a pause alone would explain, never by waiting where much is missing, always once all is shown."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.state.epochs import (
    QUIET,
    RECORDS,
    TIME,
    WORD,
    EpochFigures,
    OpenEpoch,
    ReloadLimits,
    Verdict,
    is_little,
    judge,
)

HAPPENED = dt.datetime(2026, 3, 1, 2, 0, tzinfo=dt.UTC)
LIMITS = ReloadLimits(quiet=dt.timedelta(minutes=5), patience=dt.timedelta(hours=1), share_max=0.05)

seconds = st.integers(-600, 20_000).map(lambda n: HAPPENED + dt.timedelta(seconds=n))
counts = st.tuples(st.integers(0, 3_000), st.integers(0, 3_000)).map(sorted)


@st.composite
def figures(draw: st.DrawFn) -> EpochFigures:
    missing, live = draw(counts)
    return EpochFigures(
        passed=draw(st.booleans()),
        happened_at=HAPPENED,
        shown_at=draw(st.none() | seconds),
        seen_until=draw(st.none() | seconds),
        missing=draw(st.none() | st.just(missing)),
        live=live,
        accepted=draw(st.booleans()),
    )


def after(minutes: float, missing: int, live: int = 1_000, *, shown_at: float | None = None) -> Verdict:
    shown = None if shown_at is None else HAPPENED + dt.timedelta(minutes=shown_at)
    seen = HAPPENED + dt.timedelta(minutes=minutes)
    return judge(EpochFigures(True, HAPPENED, shown, seen, missing, live), LIMITS)


def test_truncate_and_a_pause_take_nothing_however_long_it_is() -> None:
    assert after(1, 1_000).waits_for == QUIET
    assert after(6, 1_000) == Verdict(over=False, waits_for=TIME, until=HAPPENED + dt.timedelta(hours=1))
    assert after(61, 1_000) == Verdict(over=False, waits_for=WORD)
    assert after(60 * 24 * 365, 1_000) == Verdict(over=False, waits_for=WORD)


def test_little_that_is_missing_is_gone_once_nothing_has_come_for_a_time() -> None:
    assert after(4.9, 50).waits_for == QUIET
    assert after(5, 50).over
    assert after(9, 50, shown_at=5) == Verdict(over=False, waits_for=QUIET, until=HAPPENED + dt.timedelta(minutes=10))
    assert after(10, 50, shown_at=5).over
    assert not after(10, 51, shown_at=5).over


def test_reload_that_lacks_nothing_is_over_at_once() -> None:
    assert after(0, 0).over
    assert after(0, 0, shown_at=0).over


def test_rows_that_come_late_start_the_time_anew() -> None:
    assert after(61, 500, shown_at=30) == Verdict(over=False, waits_for=TIME, until=HAPPENED + dt.timedelta(minutes=90))


@pytest.mark.parametrize(
    ("missing", "live", "little"),
    [(5, 100, True), (6, 100, False), (5, 10, True), (5, 9, False), (1, 2, True), (1, 1, False), (0, 0, True)],
)
def test_few_of_a_small_table_are_little_up_to_half_of_it(missing: int, live: int, *, little: bool) -> None:
    assert is_little(missing, live, 0.05) is little


def test_share_of_all_lets_everything_go_and_of_none_nothing() -> None:
    assert is_little(7, 7, 1.0)
    assert not is_little(1, 1_000_000, 0.0)


@given(figures())
def test_over_only_where_all_has_come_by_and_little_is_missing_or_a_person_said_so(given_: EpochFigures) -> None:
    verdict = judge(given_, LIMITS)
    if verdict.over:
        assert given_.passed
        assert (verdict.waits_for, verdict.until) == (None, None)
        if given_.missing and not given_.accepted:
            since = max(HAPPENED, given_.shown_at or HAPPENED)
            assert given_.seen_until is not None
            assert given_.seen_until >= since + LIMITS.quiet
            assert given_.live is not None
            assert is_little(given_.missing, given_.live, LIMITS.share_max)
    else:
        assert verdict.waits_for in {RECORDS, QUIET, TIME, WORD}
        assert (verdict.waits_for == RECORDS) is (not given_.passed)
        assert (verdict.until is None) is (verdict.waits_for in {RECORDS, WORD})


@given(figures())
def test_word_of_a_person_ends_it_once_all_has_come_by(given_: EpochFigures) -> None:
    assert judge(replace(given_, accepted=True), LIMITS).over is given_.passed


@given(figures(), st.lists(st.integers(0, 100_000), min_size=2, max_size=6).map(sorted))
def test_waiting_brings_it_on_and_never_back(given_: EpochFigures, later: list[int]) -> None:
    order = (RECORDS, QUIET, TIME, WORD, None)
    verdicts = [judge(replace(given_, seen_until=HAPPENED + dt.timedelta(seconds=n)), LIMITS) for n in later]
    for before, then in pairwise(verdicts):
        assert order.index(before.waits_for) <= order.index(then.waits_for)


@given(figures(), st.integers(0, 3_000))
def test_fewer_missing_never_keep_it_open_longer(given_: EpochFigures, shown: int) -> None:
    if given_.missing is not None and judge(given_, LIMITS).over:
        assert judge(replace(given_, missing=max(0, given_.missing - shown)), LIMITS).over


def open_epoch(waits_for: str | None, **values: object) -> OpenEpoch:
    standing = {
        "over": False, "missing": 5_000, "live": 10_000, "counted_at": HAPPENED, "waits_until": None, "accepted_at": None,
        "accepted_by": None,
    }  # fmt: skip
    return OpenEpoch(
        "warehouse.public.invoice_transactions", "invoices", "truncate", 0, 171, HAPPENED, waits_for=waits_for,
        **(standing | values),
    )  # fmt: skip


def test_what_waits_is_said_with_its_figures_and_what_leads_out() -> None:
    waiting = open_epoch(WORD)
    assert waiting.waits_for_a_word
    assert waiting.sentence == (
        "the truncate of warehouse.public.invoice_transactions at 2026-03-01 02:00:00 UTC has not shown 5,000 of 10,000 invoices again;"
        " it waits for a person's word"
    )
    assert waiting.remedy is not None
    for command in ("connectors status", "connectors repair", "connectors resnapshot", "reload accept"):
        assert f"`rewards {command}`" in waiting.remedy
    longer = open_epoch(TIME, waits_until=HAPPENED + dt.timedelta(hours=1))
    assert longer.sentence.endswith(
        "too many to be gone without a word, so it waits for them until 2026-03-01 03:00:00 UTC"
    )
    assert longer.remedy == waiting.remedy
    assert not longer.waits_for_a_word


def test_what_ends_by_itself_asks_for_nothing() -> None:
    assert open_epoch(QUIET, waits_until=HAPPENED).sentence.endswith("more may come until 2026-03-01 02:00:00 UTC")
    assert open_epoch(RECORDS, missing=None).sentence.endswith(
        "has not shown all invoices again; not every partition has passed it yet"
    )
    accepted = open_epoch(WORD, accepted_at=HAPPENED, accepted_by="ann")
    assert accepted.sentence.endswith("ann said at 02:00:00 that they are gone")
    assert open_epoch(None, over=True).sentence.startswith("what the truncate of")
    for one in (open_epoch(QUIET), open_epoch(RECORDS), accepted, open_epoch(None, over=True)):
        assert one.remedy is None
        assert not one.waits_for_a_word
