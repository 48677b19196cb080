from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from migration import copytext


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, b"\x02"),
        (True, b"t"),
        (False, b"f"),
        (0, b"0"),
        (-2500, b"-2500"),
        (Decimal("1499.99"), b"1499.99"),
        (dt.date(1975, 7, 4), b"1975-07-04"),
        (dt.datetime(2019, 3, 10, 9, 30, tzinfo=dt.UTC), b"2019-03-10 09:30:00+00:00"),
        (b"\x00\xff\\", rb"\\x00ff5c"),
        (b"", rb"\\x"),
        ("", b""),
        ("plain", b"plain"),
        ("Peña €😀", "Peña €😀".encode()),
        ("a\tb\nc\rd\\e", b"a\tb\\nc\\rd\\\\e"),
        (r"\N", rb"\\N"),
        (r"\.", rb"\\."),
        ("\x03\x1b\x7f\u2028", "\x03\x1b\x7f\u2028".encode()),
        ("\x01", b"\\\x01"),
        ("\x02", b"\\\x02"),
    ],
)
def test_value_is_written_as_copy_reads_it(value: object, written: bytes) -> None:
    assert copytext.written(value) == written


def test_line_holds_one_field_a_value_and_no_end() -> None:
    line = copytext.line((1, None, "a\tb\n", b"\t\n"))

    assert line == b"1\x01\x02\x01a\tb\\n\x01\\\\x090a"
    assert b"\n" not in line


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [("1", "a")],
        [("1", None), ("2", ""), ("3", "\n"), (None, None)],
        [("\\", "\\N"), ("\\.", "a\r\nb\n\n"), ("\n\n", None), ("Peña", "\t")],
    ],
)
def test_rows_that_are_escaped_at_once_are_those_that_are_written_one_by_one(
    rows: list[tuple[str | None, ...]],
) -> None:
    at_once = b"".join(
        copytext.SEPARATOR.join([copytext.NULL if value is None else value.encode() for value in row]) + copytext.END
        for row in rows
    )

    assert copytext.escaped(at_once) == b"".join(copytext.line(row) + b"\n" for row in rows)
