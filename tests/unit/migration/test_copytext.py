from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from migration import copytext


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, rb"\N"),
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
        ("a\tb\nc\rd\\e", rb"a\tb\nc\rd\\e"),
        (r"\N", rb"\\N"),
        (r"\.", rb"\\."),
        ("\x01\x1b\x7f\u2028", "\x01\x1b\x7f\u2028".encode()),
    ],
)
def test_value_is_written_as_copy_reads_it(value: object, written: bytes) -> None:
    assert copytext.written(value) == written


def test_line_holds_one_field_a_value_and_no_end() -> None:
    line = copytext.line((1, None, "a\tb\n", b"\t\n"))

    assert line == b"1\t\\N\ta\\tb\\n\t\\\\x090a"
    assert line.count(b"\t") == 3
    assert b"\n" not in line
