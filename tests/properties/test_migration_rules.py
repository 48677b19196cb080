"""What the migration's rules must do with any value whatsoever, each held against another way to say it."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migration import copytext
from migration.acceptance import accept
from migration.errors import UncoveredError
from migration.rules.characters import decode, decode_once_more, may_be_encoded_twice, recoded
from migration.rules.dates import Date, Moment, first_reading
from migration.rules.numbers import SortOrder
from migration.rules.rule import Cell, Context, Finding, Raw, Zones
from migration.rules.texts import Text

DENVER = ZoneInfo("America/Denver")
ZONES = [
    ZoneInfo(name)
    for name in (
        "America/Denver", "Europe/Berlin", "Europe/Dublin", "Australia/Lord_Howe", "America/St_Johns", "Pacific/Apia",
        "Africa/Casablanca", "UTC",
    )
]  # fmt: skip
LATIN1 = "".join(bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(256))
"""MySQL's latin1: cp1252, and what that leaves open under its own number."""
FIRST, LAST = dt.datetime.fromisoformat("1970-01-03"), dt.datetime.fromisoformat("2037-12-28")
any_text = st.text(st.characters(exclude_categories=["Cs"]))
nasty_text = st.text(st.sampled_from("ab\0\t\n\r\\N.\x01\x02\x1b\x7fÃ©â\u201a¬€ñ\x81ðŸ😀é ,'\""))
any_bytes = st.binary() | st.text().map(lambda text: text.encode("utf-8", "ignore"))


def _cell(encoding: str = "latin1", zone: ZoneInfo = DENVER, ranks: dict[float, int] | None = None) -> Cell:
    return Cell("a_table", "a_column", encoding, Context(zone, DENVER, {}, {"a_table": ranks or {}}))


def _text(raw: bytes, encoding: str) -> tuple[str | None, list[Finding]]:
    findings: list[Finding] = []
    return Text().apply((raw,), _cell(encoding), findings), findings


def _mysql_latin1(text: str) -> bytes | None:
    """The bytes of text in MySQL's latin1, one character at a time."""
    places = [LATIN1.find(character) for character in text]
    return None if -1 in places else bytes(places)


def _meant(text: str) -> str | None:
    raw = _mysql_latin1(text)
    try:
        meant = None if raw is None else raw.decode()
    except UnicodeDecodeError:
        return None
    return None if meant is None or len(meant) == len(text) else meant


@given(any_bytes)
def test_any_bytes_of_latin1_are_text_without_nul_and_lose_nothing_else(raw: bytes) -> None:
    text, findings = _text(raw, "latin1")

    as_it_stood = "".join(LATIN1[byte] for byte in raw).replace("\0", "")
    meant = _meant(as_it_stood)
    assert text == (as_it_stood if meant is None else meant)
    rules = [finding.rule for finding in findings]
    assert rules == ["nul"] * (b"\0" in raw) + ["double-encoding"] * (meant is not None)
    assert all(finding.old == raw for finding in findings)
    assert not findings or findings[-1].new == text


@given(any_text | nasty_text)
def test_any_utf8_is_kept_but_for_nul_and_for_what_was_encoded_twice(text: str) -> None:
    found, findings = _text(text.encode(), "utf-8")

    without = text.replace("\0", "")
    meant = _meant(without)
    assert found == (without if meant is None else meant)
    assert bool(findings) == (found != text)


def _is_utf8(raw: bytes) -> bool:
    return raw.decode("utf-8", "ignore").encode() == raw


@given(any_bytes.filter(lambda raw: not _is_utf8(raw)))
def test_bytes_that_are_no_utf8_stop_the_load(raw: bytes) -> None:
    with pytest.raises(UncoveredError, match="a_column"):
        _text(raw, "utf-8")


@given((any_text | nasty_text).filter(lambda text: not text.isascii()))
def test_text_that_was_encoded_twice_comes_back(text: str) -> None:
    twice = decode(text.encode(), _cell())

    assert decode_once_more(twice) == text
    assert _text(twice.encode(), "utf-8")[0] == (decode_once_more(twice.replace("\0", "")) or twice.replace("\0", ""))


@given(st.datetimes(FIRST, LAST), st.sampled_from(ZONES))
def test_any_moment_is_the_first_whose_clock_shows_it_or_the_leap_later(local: dt.datetime, zone: ZoneInfo) -> None:
    local = local.replace(microsecond=0)

    moment, rule = first_reading(local, zone)

    _hold_against_the_clock(local, moment, rule, zone)


CHANGES = {
    zone.key: [
        day
        for day, next_day in pairwise(FIRST + dt.timedelta(days=n) for n in range((LAST - FIRST).days))
        if zone.utcoffset(day) != zone.utcoffset(next_day)
    ]
    for zone in ZONES
}


@given(st.sampled_from(ZONES), st.integers(0, 10**6), st.integers(-6 * 60, 30 * 60))
def test_moment_near_a_change_of_the_clock_is_the_first_or_the_leap_later(
    zone: ZoneInfo, place: int, minutes: int
) -> None:
    days = CHANGES[zone.key] or [FIRST]
    local = days[place % len(days)] + dt.timedelta(minutes=minutes)

    moment, rule = first_reading(local, zone)

    _hold_against_the_clock(local, moment, rule, zone)


def _hold_against_the_clock(local: dt.datetime, moment: dt.datetime, rule: str | None, zone: ZoneInfo) -> None:
    """Look at the clock at every moment that can be meant: by each offset that the zone has around that time."""
    offsets = {
        (moment + dt.timedelta(hours=hours)).astimezone(zone).utcoffset() or dt.timedelta() for hours in range(-30, 31)
    }
    shows = sorted(
        there
        for there in ((local - offset).replace(tzinfo=dt.UTC) for offset in offsets)
        if there.astimezone(zone).replace(tzinfo=None) == local
    )
    if shows:
        assert moment == shows[0]
        assert rule == ("ambiguous-time" if len(shows) > 1 else None)
    else:
        assert rule == "missing-time"
        before = (moment - dt.timedelta(hours=26)).astimezone(zone).utcoffset()
        after = moment.astimezone(zone).utcoffset()
        assert before is not None
        assert after is not None
        assert moment.astimezone(zone).replace(tzinfo=None) - local == after - before > dt.timedelta()


@given(st.integers(0, 9998), st.integers(0, 12), st.integers(0, 31), st.integers(0, 23), st.sampled_from(ZONES))
def test_any_date_that_mysql_holds_is_kept_defaulted_or_stops_the_load(
    year: int, month: int, day: int, hour: int, zone: ZoneInfo
) -> None:
    raw = f"{year:04}-{month:02}-{day:02}".encode()
    moment = raw + f" {hour:02}:15:00".encode()
    at = _cell(zone=zone)
    of_date: list[Finding] = []
    of_moment: list[Finding] = []
    if 0 in (year, month, day):
        assert Date().apply((raw,), at, of_date) is None
        assert Moment().apply((moment,), at, of_moment) == dt.datetime(2011, 1, 1, tzinfo=zone)
        assert [(f.rule, f.old) for f in of_date + of_moment] == [("zero-date", raw), ("zero-date", moment)]
    elif day > calendar.monthrange(year, month)[1]:
        for rule, value in ((Date(), raw), (Moment(), moment)):
            with pytest.raises(UncoveredError, match="a_column"):
                rule.apply((value,), at, [])
    elif year > 1:
        assert Date().apply((raw,), at, of_date) == dt.date(year, month, day)
        assert of_date == []
        assert Moment().apply((moment,), at, []).tzinfo is dt.UTC


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32) | st.integers(-3, 3).map(float), min_size=1))
def test_any_sort_orders_become_dense_places_in_the_same_order(orders: list[float]) -> None:
    def read(table: str, columns: object) -> list[tuple[Raw, ...]]:
        return [(repr(order).encode(),) for order in orders] if table == "prizes" and columns == ("sort_order",) else []

    ranks = accept(read, {}, Zones(DENVER, DENVER), merge_emails=False).context.ranks["prizes"]
    cell = _cell(ranks=dict(ranks))
    places = [SortOrder().apply((repr(order).encode(),), cell, []) for order in orders]

    assert sorted(set(places)) == list(range(1, len(set(orders)) + 1))
    for (one, its), (other, others) in pairwise(sorted(zip(orders, places, strict=True))):
        assert (one < other) == (its < others)
        assert (one == other) == (its == others)


@given(st.binary() | st.text(st.characters(max_codepoint=255)).map(lambda text: text.encode("latin-1")))
def test_any_bytes_of_latin1_become_the_same_characters_one_by_one_and_at_once(raw: bytes) -> None:
    assert recoded(raw, "latin1").decode() == decode(raw, _cell())


@given(st.lists(any_text | nasty_text))
def test_any_texts_that_were_encoded_twice_are_found_among_others(texts: list[str]) -> None:
    meant = [decode_once_more(text) for text in texts]

    if not may_be_encoded_twice("\x01".join(texts).encode()):
        assert meant == [None] * len(texts)
    for text, its in zip(texts, meant, strict=True):
        assert its is None or may_be_encoded_twice(text.encode())


def _read_as_copy(line: bytes) -> list[str | bytes | None]:
    """A line of COPY as Postgres reads it (its documentation, COPY, Text Format), with copytext.OPTIONS."""
    escapes = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}

    def meant(match: re.Match[str]) -> str:
        digits = match[1]
        if re.fullmatch("[0-7]+", digits):
            return chr(int(digits, 8))
        if digits.startswith("x") and len(digits) > 1:
            return chr(int(digits[1:], 16))
        return escapes.get(digits, digits)

    assert b"\n" not in line
    assert b"\r" not in line
    fields = re.findall(r"(?:\A|\x01)((?:[^\\\x01]|\\.)*)", line.decode(), flags=re.DOTALL)
    return [
        None if field == "\x02" else re.sub(r"\\([0-7]{1,3}|x[0-9A-Fa-f]{1,2}|.)", meant, field, flags=re.DOTALL)
        for field in fields
    ]


@given(st.lists(st.none() | (any_text | nasty_text).filter(lambda text: "\0" not in text), min_size=1))
def test_any_line_for_copy_reads_back_as_it_was(values: list[str | None]) -> None:
    assert _read_as_copy(copytext.line(values)) == values


@given(st.binary())
def test_any_bytes_for_copy_read_back_as_they_were(value: bytes) -> None:
    (read,) = _read_as_copy(copytext.written(value))

    assert isinstance(read, str)
    assert read.startswith("\\x")
    assert bytes.fromhex(read[2:]) == value
