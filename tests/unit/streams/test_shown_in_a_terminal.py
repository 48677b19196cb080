"""What `rewards dead-letters list` shows a person, and a program that reads its lines."""

from __future__ import annotations

import datetime as dt

import pytest

from streams.jobs.dead_letters import Letter, Letters
from streams.jobs.terminal import print_letters, print_report
from streams.postgres.halts import HaltedPartition

SINCE = dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC)


def letter(number: int, detail: str = "transaction_amount is NULL", note: str | None = None) -> Letter:
    return Letter(
        number, "t", 3, 10, 17, "missing_value", detail, "open", 1, SINCE, None, None, note, False, SINCE
    )  # fmt: skip


def test_letter_is_a_line_however_long_its_detail(capsys: pytest.CaptureFixture[str]) -> None:
    print_letters(Letters([letter(5, "x" * 300)], 1, 1, [HaltedPartition("t", 3, SINCE, "10 rows in a row")]))
    shown = capsys.readouterr().out
    assert f"missing_value: {'x' * 300}" in shown
    assert "t/3 is halted since 2026-05-01 12:00:00 UTC: 10 rows in a row" in shown
    assert "rewards dead-letters accept --all" in shown


def test_what_a_record_holds_is_no_markup_and_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    print_letters(Letters([letter(5, "[red]\x1b[2J[/red]")], 1, 1, []))
    shown = capsys.readouterr().out
    assert "[red]\ufffd[2J[/red]" in shown


def test_nothing_to_show_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    print_letters(Letters([], 0, 0, []))
    assert capsys.readouterr().out == "No dead letters.\n"


def test_rest_that_is_not_shown_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    print_letters(Letters([letter(5)], 3, 3, []))
    assert "The newest 1 of 3; --limit shows more." in capsys.readouterr().out


def test_points_of_a_customer_are_shown_whatever_it_and_its_group_are_called(
    capsys: pytest.CaptureFixture[str],
) -> None:
    odd = "[/red] [bold]x[/] \x1b[2J"
    membership = {"reward_group": odd, "reward_group_id": 1, "status": "open", "enrolled_on": "2011-01-15"}
    entry = dict.fromkeys(("id", "effective_on", "company", "kind", "stage", "delta", "points_after", "cause"), 1)

    print_report(
        {
            "customer_master_id": odd, "membership": membership, "points": 5, "pending": 0, "at_risk": 0, "companies": [],
            "pending_invoices": [], "at_risk_invoices": [], "log": [entry | {"document": odd}],
        }
    )  # fmt: skip

    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert told.count("[/red]") == 3
    assert told.count("[bold]x[/]") >= 2
