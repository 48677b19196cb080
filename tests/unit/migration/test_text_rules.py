from __future__ import annotations

from dataclasses import replace

import pytest

from migration.errors import UncoveredError
from migration.rules.characters import ENCODINGS, decode, decode_once_more, may_be_encoded_twice
from migration.rules.texts import Choice, Email, MasterAccount, Status, Text
from tests.unit.migration.cells import applied, cell

STATUS = Status(("open", "hold", "closed"))
UNASSIGNED = (0x81, 0x8D, 0x8F, 0x90, 0x9D)
"""What cp1252 leaves open."""


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", ""),
        (b"Wasatch Framing", "Wasatch Framing"),
        (b"Pe\xf1a & Sons", "Peña & Sons"),
        (b"\xdcn\xefcode Homes", "Ünïcode Homes"),
        (b"Old Mill \x92\x80LLC", "Old Mill \u2019€LLC"),
        (b"Cash \x80\x995", "Cash €™5"),
        (b"\x93best\x94 \x96 \x85", "\u201cbest\u201d \u2013 …"),
        # Starts as a character of UTF-8 does, and is none.
        (b"\xc3", "Ã"),
        (b"S\xe3o Paulo", "São Paulo"),
        (b"\xc3\xa9t\xe9", "Ã©té"),
    ],
)
def test_latin1_becomes_the_characters_of_cp1252_unreported(raw: bytes, text: str) -> None:
    assert applied(Text(), raw) == (text, [])


@pytest.mark.parametrize("byte", range(256))
def test_every_byte_of_latin1_has_its_character_in_mysql(byte: int) -> None:
    expected = chr(byte) if byte in UNASSIGNED else bytes([byte]).decode("cp1252")

    assert decode(bytes([byte]), cell()) == expected


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"Per\xc3\xa9z Concrete", "Peréz Concrete"),
        (b"Pe\xc3\xb1a", "Peña"),
        (b"\xe2\x82\xac 5", "€ 5"),
        (b"O\xe2\x80\x99Neill", "O\u2019Neill"),
        (b"\xf0\x9f\x98\x80", "😀"),
        (b"\xc3\x81 \xc3\x8d \xc3\x9d", "Á Í Ý"),
        (b"line\r\n\xc3\xa9\\\t", "line\r\né\\\t"),
    ],
)
def test_utf8_in_latin1_is_decoded_once_more_and_reported(raw: bytes, text: str) -> None:
    assert applied(Text(), raw) == (text, [("double-encoding", raw, text)])


def test_utf8_that_was_encoded_three_times_is_decoded_once() -> None:
    raw = "é".encode().decode("latin-1").encode()

    assert applied(Text(), raw) == ("Ã©", [("double-encoding", raw, "Ã©")])


@pytest.mark.parametrize(
    "text", ["Peña", "50 € card", "😀", "Ünïcode", "Łódź", "日本", "O\u2019Neill", "Ã", "ÃÃ", "é€"]
)
def test_correct_utf8_is_kept_unreported(text: str) -> None:
    assert applied(Text(), text.encode(), at=cell("utf-8")) == (text, [])


@pytest.mark.parametrize("text", ["Pérez", "€ 5", "😀", "Á", "O\u2019Neill"])
def test_utf8_that_was_encoded_twice_is_decoded_once_more(text: str) -> None:
    raw = decode(text.encode(), cell()).encode()

    assert applied(Text(), raw, at=cell("utf-8")) == (text, [("double-encoding", raw, text)])


@pytest.mark.parametrize("text", ["", "plain", "a\tb", "Peña", "Peña Ã©", "日本 Ã©", "é", "\u0080"])
def test_text_of_another_meaning_is_not_decoded_again(text: str) -> None:
    assert decode_once_more(text) is None


@pytest.mark.parametrize(
    ("raw", "text"),
    [(b"NUL:\0.", "NUL:."), (b"\0", ""), (b"\0\0a\0", "a"), (b"a\tb\\c\\N\0", "a\tb\\c\\N")],
)
def test_nul_is_removed_and_reported(raw: bytes, text: str) -> None:
    assert applied(Text(), raw) == (text, [("nul", raw, text)])


def test_nul_and_double_encoding_are_both_reported() -> None:
    raw = b"P\xc3\xa9rez\0"

    value, findings = applied(Text(), raw)

    assert value == "Pérez"
    assert [(rule, old) for rule, old, _ in findings] == [("nul", raw), ("double-encoding", raw)]


@pytest.mark.parametrize(
    "text",
    [
        "First line\r\nsecond line",
        "\r",
        "\n",
        "\t",
        "back\\slash",
        "\\N",
        "\\.",
        "\\",
        " ends with spaces  ",
        "\x01,-",
        "\x1b[1m\x7f\b\v",
    ],
)
def test_line_ends_tabs_backslashes_and_controls_are_kept(text: str) -> None:
    assert applied(Text(), text.encode()) == (text, [])
    assert applied(Text(required=True), text.encode()) == (text, [])


def test_missing_text_stays_missing_where_it_may() -> None:
    assert applied(Text(), None) == (None, [])


def test_missing_text_stops_the_load_where_it_may_not() -> None:
    with pytest.raises(UncoveredError, match=r"a_column.*NULL") as stopped:
        applied(Text(required=True), None)
    assert stopped.value.column == "a_column"


@pytest.mark.parametrize(("encoding", "raw"), [("utf-8", b"Pe\xf1a"), ("utf-8", b"\xed\xa0\x80"), ("cp1250", b"\x81")])
def test_bytes_that_are_none_of_the_columns_encoding_stop_the_load(encoding: str, raw: bytes) -> None:
    with pytest.raises(UncoveredError, match="a_column"):
        applied(Text(), raw, at=cell(encoding))


@pytest.mark.parametrize(
    ("charset", "raw", "text"),
    [
        ("latin1", b"\x80", "€"),
        ("utf8", "€".encode(), "€"),
        ("utf8mb3", "Ł".encode(), "Ł"),
        ("utf8mb4", "😀".encode(), "😀"),
        ("latin2", b"\xa3\xf3d\xbc", "Łódź"),
        ("cp1250", b"\xa3\xf3d\x9f", "Łódź"),
        ("cp1251", b"\xca\xe8\xe5\xe2", "Киев"),
        ("cp850", b"Pe\xa4a", "Peña"),
        ("ascii", b"plain", "plain"),
    ],
)
def test_each_character_set_is_read_as_its_own(charset: str, raw: bytes, text: str) -> None:
    assert applied(Text(), raw, at=cell(ENCODINGS[charset])) == (text, [])


def test_empty_choice_becomes_nothing_and_is_reported() -> None:
    assert applied(Choice(), b"") == (None, [("empty-enum", b"", None)])


@pytest.mark.parametrize(("raw", "value"), [(b"M", "M"), (b"F", "F"), (None, None), (b" ", " ")])
def test_choice_is_kept(raw: bytes | None, value: str | None) -> None:
    assert applied(Choice(), raw) == (value, [])


@pytest.mark.parametrize("raw", [b"open", b"hold", b"closed"])
def test_status_word_is_kept_unreported(raw: bytes) -> None:
    assert applied(STATUS, raw) == (raw.decode(), [])


@pytest.mark.parametrize(("raw", "word"), [(b"OPEN", "open"), (b"Hold", "hold"), (b"closeD", "closed")])
def test_status_word_in_capitals_is_lowered_and_reported(raw: bytes, word: str) -> None:
    assert applied(STATUS, raw) == (word, [("lower-case", raw, word)])


@pytest.mark.parametrize("raw", [b"", b"opened", b"open\0", b"o", b"\xf6pen", None])
def test_status_word_that_is_none_stops_the_load(raw: bytes | None) -> None:
    with pytest.raises(UncoveredError, match="a_column"):
        applied(STATUS, raw)


def test_every_pair_that_begins_a_character_in_utf8_is_taken_for_maybe_encoded_twice() -> None:
    overlooked = [
        (first, second)
        for first in range(0xC2, 0xF5)
        for second in range(0x80, 0xC0)
        if not may_be_encoded_twice(decode(bytes([first, second]), cell()).encode())
    ]

    assert overlooked == []


@pytest.mark.parametrize(
    "text", ["Peña & Sons", "São Tomé", "Ünïcode", "Żółć", "Ångström Ã", "10 € “best”", "日本", "😀"]
)
def test_text_with_accents_is_surely_not_encoded_twice(text: str) -> None:
    assert not may_be_encoded_twice(text.encode())
    assert decode_once_more(text) is None


@pytest.mark.parametrize(
    ("raw", "text", "rules"),
    [
        (b"joe@example.com", "joe@example.com", []),
        (b" joe@example.com", "joe@example.com", ["spaces"]),
        (b"joe@example.com \t\r\n", "joe@example.com", ["spaces"]),
        (b"\xa0joe@example.com", "joe@example.com", ["spaces"]),
        (b"joe @example.com", "joe @example.com", []),
        (b" \0joe", "joe", ["nul", "spaces"]),
        (b"  ", "", ["spaces"]),
        (b"", "", []),
    ],
)
def test_email_loses_the_spaces_around_it_and_is_reported(raw: bytes, text: str, rules: list[str]) -> None:
    found, findings = applied(Email(required=True), raw)

    assert found == text
    assert [rule for rule, _, _ in findings] == rules
    assert all(old == raw for _, old, _ in findings)


def test_master_account_is_written_as_the_first_of_its_spellings_and_reported() -> None:
    at = cell()
    context = replace(at.context, spellings={"m-1 ": "M-1"})

    assert applied(MasterAccount(), b"m-1 ", at=replace(at, context=context)) == (
        "M-1",
        [("master-account", b"m-1 ", "M-1")],
    )
    assert applied(MasterAccount(), b"M-1", at=replace(at, context=context)) == ("M-1", [])
    assert applied(MasterAccount(), None, at=at) == (None, [])
