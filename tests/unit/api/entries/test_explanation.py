from __future__ import annotations

import datetime as dt

import pytest

from api.entries.explanation import explain, explain_cause
from tests.unit.api.entries.made import entry

NOT_SETTLED = {"settled_on": None}


def test_settled_before_the_deadline_names_both_days() -> None:
    assert explain(entry(0, 1250)).headline == "Invoice 104-22 settled on Apr 10, 2026, before its deadline Apr 30"


def test_settled_on_the_deadline_says_on() -> None:
    said = explain(entry(0, 1250, facts={"settled_on": "2026-04-30"})).headline
    assert said == "Invoice 104-22 settled on Apr 30, 2026, on its deadline Apr 30"


def test_deadline_in_another_year_shows_its_year() -> None:
    said = explain(entry(0, 1250, facts={"settled_on": "2025-12-30", "deadline_on": "2026-01-31"})).headline
    assert said == "Invoice 104-22 settled on Dec 30, 2025, before its deadline Jan 31, 2026"


def test_another_reward_is_a_correction() -> None:
    assert explain(entry(1250, 1300)).headline == "Invoice 104-22 was corrected: it earns 1,300 points instead of 1,250"


def test_bounced_payment_unsettles_the_invoice() -> None:
    assert (
        explain(entry(1250, 0, facts=NOT_SETTLED)).headline
        == "Invoice 104-22 is no longer settled, so its points are taken back"
    )


def test_settled_after_the_deadline_says_so() -> None:
    said = explain(entry(1250, 0, facts={"settled_on": "2026-05-03"})).headline
    assert said == "Invoice 104-22 counts as settled on May 3, 2026, after its deadline Apr 30, 2026"


def test_no_counting_line_left_says_so() -> None:
    said = explain(entry(1250, 0, facts={"settled_on": None, "deadline_on": None, "due_on": None})).headline
    assert said == "Invoice 104-22 no longer earns points: none of its lines counts any more"


def test_ended_enrolment_is_named() -> None:
    said = explain(
        entry(1250, 0, cause="enrolment ended", cause_data={"kind": "enrolment", "before": {}, "after": None})
    )
    assert said.headline == "Invoice 104-22 no longer earns points here: the enrolment changed"
    assert said.cause == "Enrolment ended."


def test_penalty_names_days_past_due_and_stage() -> None:
    late = entry(0, -1250, kind="penalty", stage=1, effective_on=dt.date(2026, 5, 2), facts=NOT_SETTLED)
    assert explain(late).headline == "Invoice 104-22 was 31 days past due on May 2, 2026: late penalty 1"


def test_penalty_taken_back_says_that_it_no_longer_applies() -> None:
    back = entry(-1250, 0, kind="penalty", stage=2, effective_on=dt.date(2026, 6, 1))
    assert (
        explain(back).headline
        == "Late penalty 2 of invoice 104-22 is taken back: as of Jun 1, 2026 it no longer applies"
    )


def test_penalty_corrected_gives_both_values() -> None:
    said = explain(entry(-1250, -700, kind="penalty", stage=1)).headline
    assert said == "Late penalty 1 of invoice 104-22 was corrected to \u2212700 points from \u22121,250"


def test_invoice_without_document_has_no_number() -> None:
    assert explain(entry(0, 5, document=None)).headline.startswith("An invoice without a number settled on")


@pytest.mark.parametrize(
    ("kind", "delta", "headline"),
    [
        ("redemption", -6000, "Redeemed: Gift card"),
        ("redemption", 6000, "Redemption cancelled: Gift card"),
        ("adjustment", 1000, "Adjustment in your favor: Gift card"),
        ("property_development", 500, "Property development points: Gift card"),
        ("forfeiture", -500, "Points forfeited: Gift card"),
    ],
)
def test_entry_of_the_office_names_what_it_is(kind: str, delta: int, headline: str) -> None:
    made = entry(0, delta, kind=kind, document=None, customer_master_id=None, facts={"title": "Gift card"})
    assert explain(made).headline == headline


@pytest.mark.parametrize(
    ("data", "sentence", "said"),
    [
        (
            {"kind": "rows", "rows": [17], "row_count": 1, "lsn": "0/1A2B3C4"},
            "change of row 17 at 0/1A2B3C4",
            "Row 17 of the warehouse changed (source position 0/1A2B3C4).",
        ),
        (
            {"kind": "rows", "rows": [1, 2, 3], "row_count": 7, "lsn": "0/AB"},
            "change of rows 1, 2, 3 and 4 more at 0/AB",
            "Rows 1, 2, 3 and 4 more of the warehouse changed (source position 0/AB).",
        ),
        ({"kind": "day", "business_date": "2026-05-02"}, "day 2026-05-02", "The business date became May 2, 2026."),
        (
            {"kind": "reload", "lsn": "0/AB"},
            "reload after the truncate at 0/AB",
            "The table was loaded again without these rows (source position 0/AB).",
        ),
        (
            {"kind": "snapshot", "lsn": "0/AB"},
            "snapshot at 0/AB",
            "A new snapshot of the table did not show these rows (source position 0/AB).",
        ),
        (
            {
                "kind": "reload",
                "lsn": "0/AB",
                "before": {"reward_group_id": 1, "enrolled_on": "2011-01-15"},
                "after": None,
            },
            "reload after the truncate at 0/AB without the enrolment on 2011-01-15",
            "The table of enrolments was loaded again without this customer's enrolment (source position 0/AB).",
        ),
        (
            {
                "kind": "snapshot",
                "lsn": "0/AB",
                "before": {"reward_group_id": 1, "enrolled_on": "2011-01-15"},
                "after": None,
            },
            "snapshot at 0/AB without the enrolment on 2011-01-15",
            "A new snapshot was taken without this customer's enrolment (source position 0/AB).",
        ),
        ({"kind": "something"}, "something new", "Something new."),
        ({}, "", "No cause was recorded."),
    ],
)
def test_cause_becomes_a_sentence(data: dict[str, object], sentence: str, said: str) -> None:
    assert explain_cause(data, sentence) == said
