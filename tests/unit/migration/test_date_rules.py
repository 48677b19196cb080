from __future__ import annotations

import datetime as dt

import pytest

from migration.errors import UncoveredError
from migration.rules.dates import Date, EnrolledOn, Moment, MomentWhenTrue
from migration.rules.encrypted import Encrypted
from migration.rules.texts import Text
from tests.unit.migration.cells import applied, cell

NEVER = dt.datetime(2011, 1, 1, 7, tzinfo=dt.UTC)
"""1 January 2011 in Denver."""
PART_ZERO = ["0000-00-00", "1980-00-00", "2020-12-00", "0000-05-05", "1980-00-17", "0000-00-01", "0000-01-00"]


def _utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize("raw", [text.encode() for text in PART_ZERO])
def test_zero_or_part_zero_date_becomes_nothing_and_is_reported(raw: bytes) -> None:
    assert applied(Date(), raw) == (None, [("zero-date", raw, None)])


@pytest.mark.parametrize("raw", [f"{text} 00:00:00".encode() for text in PART_ZERO] + [b"2020-12-00 10:11:12"])
def test_zero_or_part_zero_moment_becomes_the_first_day_of_the_program_and_is_reported(raw: bytes) -> None:
    assert applied(Moment(), raw) == (NEVER, [("zero-date", raw, NEVER)])


@pytest.mark.parametrize(
    ("zone", "moment"),
    [("UTC", "2011-01-01 00:00"), ("Europe/Berlin", "2010-12-31 23:00"), ("Australia/Lord_Howe", "2010-12-31 13:00")],
)
def test_first_day_of_the_program_begins_in_the_legacy_zone(zone: str, moment: str) -> None:
    value, _ = applied(Moment(), b"0000-00-00 00:00:00", at=cell(zone=zone))

    assert value == _utc(moment)


@pytest.mark.parametrize("text", ["1975-07-04", "2020-02-29", "1000-01-01", "9999-12-31", "0001-01-01"])
def test_date_of_the_calendar_is_kept(text: str) -> None:
    assert applied(Date(), text.encode()) == (dt.date.fromisoformat(text), [])


def test_missing_date_stays_missing() -> None:
    assert applied(Date(), None) == (None, [])


@pytest.mark.parametrize("raw", [b"2019-02-29", b"2019-02-31", b"2019-04-31"])
def test_date_that_no_calendar_has_stops_the_load(raw: bytes) -> None:
    with pytest.raises(UncoveredError, match=f"a_column.*{raw.decode()}"):
        applied(Date(), raw)
    with pytest.raises(UncoveredError, match=f"a_column.*{raw.decode()}"):
        applied(Moment(), raw + b" 10:00:00")


def test_missing_moment_stops_the_load() -> None:
    with pytest.raises(UncoveredError, match="a_column"):
        applied(Moment(), None)


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        ("America/Denver", "9999-12-31 23:59:59"),
        ("Europe/Berlin", "0001-01-01 00:00:00"),
        ("Australia/Lord_Howe", "0001-01-01 05:00:00"),
    ],
)
def test_moment_beyond_the_years_of_utc_stops_the_load_with_its_column(zone: str, text: str) -> None:
    with pytest.raises(UncoveredError, match="a_column"):
        applied(Moment(), text.encode(), at=cell(zone=zone))


@pytest.mark.parametrize(
    ("zone", "text", "moment"),
    [
        ("America/Denver", "2011-01-15 08:00:00", "2011-01-15 15:00:00"),
        ("America/Denver", "2012-06-30 23:59:59", "2012-07-01 05:59:59"),
        ("America/Denver", "2014-03-09 01:59:59", "2014-03-09 08:59:59"),
        ("America/Denver", "2014-03-09 03:00:00", "2014-03-09 09:00:00"),
        ("America/Denver", "2019-11-03 00:59:59", "2019-11-03 06:59:59"),
        ("America/Denver", "2019-11-03 02:00:00", "2019-11-03 09:00:00"),
        ("America/Denver", "2018-12-01 12:00:00.250000", "2018-12-01 19:00:00.250000"),
        ("America/Denver", "1900-01-01 00:00:00", "1900-01-01 07:00:00"),
        ("Europe/Berlin", "2019-03-31 03:00:00", "2019-03-31 01:00:00"),
        ("Australia/Lord_Howe", "2019-10-06 02:30:00", "2019-10-05 15:30:00"),
        ("UTC", "2019-03-10 02:30:00", "2019-03-10 02:30:00"),
        ("UTC", "2019-11-03 01:30:00", "2019-11-03 01:30:00"),
    ],
)
def test_moment_that_the_clock_showed_once_is_kept_unreported(zone: str, text: str, moment: str) -> None:
    assert applied(Moment(), text.encode(), at=cell(zone=zone)) == (_utc(moment), [])


@pytest.mark.parametrize(
    ("zone", "text", "moment"),
    [
        ("America/Denver", "2014-03-09 02:00:00", "2014-03-09 09:00:00"),
        ("America/Denver", "2014-03-09 02:30:00", "2014-03-09 09:30:00"),
        ("America/Denver", "2013-03-10 02:15:00", "2013-03-10 09:15:00"),
        ("America/Denver", "2019-03-10 02:59:59", "2019-03-10 09:59:59"),
        ("America/Denver", "1975-02-23 02:30:00", "1975-02-23 09:30:00"),
        ("Europe/Berlin", "2019-03-31 02:30:00", "2019-03-31 01:30:00"),
        # Half an hour is left out.
        ("Australia/Lord_Howe", "2019-10-06 02:15:00", "2019-10-05 15:45:00"),
        ("America/Sao_Paulo", "2018-11-04 00:30:00", "2018-11-04 03:30:00"),
        # A whole day was left out.
        ("Pacific/Apia", "2011-12-30 12:00:00", "2011-12-30 22:00:00"),
    ],
)
def test_moment_that_the_clock_leapt_over_moves_on_by_the_leap_and_is_reported(
    zone: str, text: str, moment: str
) -> None:
    raw = text.encode()

    assert applied(Moment(), raw, at=cell(zone=zone)) == (_utc(moment), [("missing-time", raw, _utc(moment))])


@pytest.mark.parametrize(
    ("zone", "text", "moment"),
    [
        ("America/Denver", "2019-11-03 01:00:00", "2019-11-03 07:00:00"),
        ("America/Denver", "2019-11-03 01:30:00", "2019-11-03 07:30:00"),
        ("America/Denver", "2019-11-03 01:59:59", "2019-11-03 07:59:59"),
        ("America/Denver", "2006-10-29 01:30:00", "2006-10-29 07:30:00"),
        ("Europe/Berlin", "2019-10-27 02:30:00", "2019-10-27 00:30:00"),
        ("Australia/Lord_Howe", "2019-04-07 01:45:00", "2019-04-06 14:45:00"),
        # On the day before the clock is changed.
        ("America/St_Johns", "2005-10-29 23:30:00", "2005-10-30 02:00:00"),
        ("America/Sao_Paulo", "2019-02-16 23:30:00", "2019-02-17 01:30:00"),
    ],
)
def test_moment_that_the_clock_showed_twice_is_the_first_and_is_reported(zone: str, text: str, moment: str) -> None:
    raw = text.encode()

    assert applied(Moment(), raw, at=cell(zone=zone)) == (_utc(moment), [("ambiguous-time", raw, _utc(moment))])


@pytest.mark.parametrize(
    ("zone", "business_zone", "text", "day"),
    [
        ("America/Denver", "America/Denver", "2012-06-30 23:59:59", "2012-06-30"),
        ("UTC", "America/Denver", "2012-07-01 05:59:59", "2012-06-30"),
        ("America/Denver", "Europe/Berlin", "2012-06-30 23:59:59", "2012-07-01"),
    ],
)
def test_enrolment_is_on_the_business_date_of_the_groups_moment(
    zone: str, business_zone: str, text: str, day: str
) -> None:
    value, findings = applied(EnrolledOn(), text.encode(), at=cell(zone=zone, business_zone=business_zone))

    assert (value, findings) == (dt.date.fromisoformat(day), [])


@pytest.mark.parametrize(
    ("raw", "rule", "day"),
    [
        (b"2014-03-09 02:30:00", "missing-time", dt.date(2014, 3, 9)),
        (b"2019-11-03 01:30:00", "ambiguous-time", dt.date(2019, 11, 3)),
        (b"0000-00-00 00:00:00", "zero-date", dt.date(2011, 1, 1)),
    ],
)
def test_enrolment_of_unclear_moment_is_reported(raw: bytes, rule: str, day: dt.date) -> None:
    value, findings = applied(EnrolledOn(), raw)

    assert value == day
    assert [(found, old) for found, old, _ in findings] == [(rule, raw)]


def test_enrolment_without_a_group_is_left_to_the_reference() -> None:
    assert applied(EnrolledOn(), None) == (None, [])


def test_terms_were_accepted_at_the_moment_where_the_flag_is_set() -> None:
    assert applied(MomentWhenTrue(), b"1", b"2011-01-16 09:10:11") == (_utc("2011-01-16 16:10:11"), [])


@pytest.mark.parametrize("moment", [b"2011-01-16 09:10:11", b"0000-00-00 00:00:00", b"2014-03-09 02:30:00"])
def test_terms_were_never_accepted_where_the_flag_is_not_set(moment: bytes) -> None:
    assert applied(MomentWhenTrue(), b"0", moment) == (None, [])


def test_terms_were_never_accepted_where_the_flag_is_missing() -> None:
    assert applied(MomentWhenTrue(), None, b"2011-01-16 09:10:11") == (None, [])


def test_terms_with_another_flag_were_accepted_and_only_the_flag_is_reported() -> None:
    value, findings = applied(MomentWhenTrue(), b"2", b"0000-00-00 00:00:00")

    assert value == NEVER
    assert [(rule, old) for rule, old, _ in findings] == [("flag", b"2")]


@pytest.mark.parametrize(
    ("inner", "raw", "text"),
    [(Date(), b"1975-07-04", "1975-07-04"), (Text(), b"P1234567", "P1234567"), (Text(), b"", ""), (Date(), None, None)],
)
def test_encrypted_value_is_handed_on_as_text(inner: Date | Text, raw: bytes | None, text: str | None) -> None:
    assert applied(Encrypted(inner), raw) == (text, [])


@pytest.mark.parametrize(
    ("inner", "raw", "text", "rule"),
    [
        (Date(), b"1980-00-00", None, "zero-date"),
        (Text(), b"P\x00123", "P123", "nul"),
        (Text(), b"P\xc3\xa9", "Pé", "double-encoding"),
    ],
)
def test_finding_of_encrypted_column_is_to_be_encrypted_as_well(
    inner: Date | Text, raw: bytes, text: str | None, rule: str
) -> None:
    findings: list = []

    assert Encrypted(inner).apply((raw,), cell(), findings) == text
    new = None if text is None else "(encrypted)"
    assert [(f.rule, f.old, f.new, f.encrypted) for f in findings] == [(rule, raw, new, True)]


def test_encrypted_value_that_no_rule_covers_is_not_told() -> None:
    with pytest.raises(UncoveredError, match="a_column") as stopped:
        applied(Encrypted(Date()), b"1981-02-31")

    error: BaseException | None = stopped.value
    while error is not None:
        assert "1981" not in str(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
