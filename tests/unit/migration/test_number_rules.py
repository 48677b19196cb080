from __future__ import annotations

from decimal import Decimal

import pytest

from migration.errors import UncoveredError
from migration.rules.numbers import Flag, Integer, Money, SortOrder
from migration.rules.references import Reference
from migration.rules.rule import RefusedError
from tests.unit.migration.cells import applied, cell

ACCEPTED = {
    "users": {1: 1, 2: 2, 20: 1},
    "rewards_groups": {},
    "divisions": {"sbm": 1, "grp": 3, "wwc": 4, "ß": 5},
}
AT = cell(accepted=ACCEPTED)


@pytest.mark.parametrize("number", [0, 1, -2500, 4294967295, 2**63 - 1, -(2**63)])
def test_integer_up_to_a_bigint_is_kept(number: int) -> None:
    assert applied(Integer(), str(number).encode()) == (number, [])


@pytest.mark.parametrize("number", [2**63, 2**64 - 1])
def test_integer_beyond_a_bigint_stops_the_load(number: int) -> None:
    with pytest.raises(UncoveredError, match=f"a_column.*{number}"):
        applied(Integer(), str(number).encode())


def test_missing_integer_stays_missing_where_it_may() -> None:
    assert applied(Integer(), None) == (None, [])


def test_missing_integer_stops_the_load_where_it_may_not() -> None:
    with pytest.raises(UncoveredError, match="a_column"):
        applied(Integer(required=True), None)


@pytest.mark.parametrize("text", ["0.00", "1499.99", "-0.01", "99999999.99", "-99999999.99", "50", "50.0", "50.000"])
def test_money_is_kept_exactly(text: str) -> None:
    value, findings = applied(Money(), text.encode())

    assert (value, findings) == (Decimal(text), [])
    assert isinstance(value, Decimal)


def test_missing_money_stays_missing() -> None:
    assert applied(Money(), None) == (None, [])


@pytest.mark.parametrize("text", ["0.001", "50.005", "100000000.00", "-100000000", "9" * 40, f"{'9' * 40}.99", "x", ""])
def test_money_that_does_not_fit_stops_the_load(text: str) -> None:
    with pytest.raises(UncoveredError, match="a_column"):
        applied(Money(), text.encode())


@pytest.mark.parametrize(("raw", "value"), [(b"0", False), (b"1", True)])
def test_flag_of_zero_or_one_is_kept(raw: bytes, value: bool) -> None:
    assert applied(Flag(), raw) == (value, [])


@pytest.mark.parametrize("raw", [b"2", b"-1", b"127", b"255"])
def test_other_flag_is_true_and_reported(raw: bytes) -> None:
    assert applied(Flag(), raw) == (True, [("flag", raw, True)])


def test_missing_flag_stops_the_load() -> None:
    with pytest.raises(UncoveredError, match="a_column"):
        applied(Flag(), None)


@pytest.mark.parametrize(
    ("raw", "place", "reported"),
    [(b"1", 1, False), (b"2", 2, False), (b"2.5", 3, True), (b"3", 4, True), (b"-7", 0, True), (b"9", 5, True)],
)
def test_sort_order_becomes_its_place_and_is_reported_where_that_differs(
    raw: bytes, place: int, reported: bool
) -> None:  # fmt: skip
    at = cell(ranks={"a_table": {-7.0: 0, 1.0: 1, 2.0: 2, 2.5: 3, 3.0: 4, 9.0: 5}})

    assert applied(SortOrder(), raw, at=at) == (place, [("sort-order", raw, place)] if reported else [])


def test_missing_sort_order_stops_the_load() -> None:
    with pytest.raises(UncoveredError, match="a_column"):
        applied(SortOrder(), None)


@pytest.mark.parametrize("required", [False, True])
def test_reference_to_a_row_is_kept(required: bool) -> None:
    assert applied(Reference("users", required=required), b"2", at=AT) == (2, [])


@pytest.mark.parametrize(("to", "raw"), [("users", b"77"), ("users", b"0"), ("rewards_groups", b"1"), ("users", b"-1")])
def test_reference_to_nothing_becomes_nothing_and_is_reported(to: str, raw: bytes) -> None:
    assert applied(Reference(to), raw, at=AT) == (None, [("dangling-reference", raw, None)])


def test_missing_reference_stays_missing_unreported() -> None:
    assert applied(Reference("users"), None, at=AT) == (None, [])


@pytest.mark.parametrize(("raw", "told"), [(b"400", "a_column 400.*users"), (None, "a_column.*empty")])
def test_reference_that_must_be_there_refuses_the_row(raw: bytes | None, told: str) -> None:
    with pytest.raises(RefusedError, match=told):
        applied(Reference("users", required=True), raw, at=AT)


def test_reference_to_a_merged_user_leads_to_the_kept_one_and_is_reported() -> None:
    assert applied(Reference("users"), b"20", at=AT) == (1, [("merged-email", b"20", 1)])


@pytest.mark.parametrize("raw", [b"GRP", b"grp", b"Grp", b"grp  "])
def test_code_is_found_in_any_case_and_with_spaces_at_its_end(raw: bytes) -> None:
    assert applied(Reference("divisions", by_code=True), raw, at=AT) == (3, [])


@pytest.mark.parametrize("raw", [b"XXX", b"", b" grp", b"gr", b"3"])
def test_code_of_nothing_becomes_nothing_and_is_reported(raw: bytes) -> None:
    assert applied(Reference("divisions", by_code=True), raw, at=AT) == (None, [("dangling-reference", raw, None)])


def test_code_that_must_be_there_refuses_the_row() -> None:
    with pytest.raises(RefusedError, match=r"a_column xxx.*divisions"):
        applied(Reference("divisions", required=True, by_code=True), b"XXX", at=AT)
