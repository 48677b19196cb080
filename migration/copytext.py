"""Values as lines of Postgres' COPY in text form, parted by bytes that text hardly ever holds.

Place on the data's way: what the legacy server writes (lines.py) and what the rules decide (transform.py) meet in this form. Whoever
sends it to Postgres names OPTIONS.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Final

from migration.rules.rule import Value

SEPARATOR: Final = b"\x01"
NULL: Final = b"\x02"
OPTIONS: Final = r"(DELIMITER E'\x01', NULL E'\x02')"
"""Of COPY. Tabs need no escape then, and a row that the legacy server wrote is sent as it is."""
END: Final = NULL + b"\n"
"""Parts rows of which nothing is escaped yet: no text of theirs holds the byte of NULL, and any may hold the end of a line."""
_ESCAPES: Final = (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), ("\x01", "\\\x01"), ("\x02", "\\\x02"))
"""The backslash first: those of the others stay single."""


def escaped(rows: bytes) -> bytes:
    """Lines of rows with END behind each, in UTF-8, whose texts hold neither SEPARATOR nor the byte of NULL."""
    rows = rows.replace(b"\\", b"\\\\").replace(b"\r", b"\\r").replace(b"\n", b"\\n")
    return rows.replace(NULL + b"\\n", b"\n")


def line(values: Iterable[Value | bytes]) -> bytes:
    """One row, without the end of the line."""
    return SEPARATOR.join(map(written, values))


def written(value: Value | bytes) -> bytes:
    """One value; bytes become a bytea."""
    if value is None:
        return NULL
    if isinstance(value, bytes):
        return b"\\" + bytea(value)
    if isinstance(value, bool):
        return b"t" if value else b"f"
    if isinstance(value, str):
        # One search each: `translate` takes twenty times as long for a text of 60 KB.
        for character, escape in _ESCAPES:
            value = value.replace(character, escape)
        return value.encode()
    if isinstance(value, dt.datetime):
        return value.isoformat(" ").encode()
    return str(value).encode()


def bytea(value: bytes) -> bytes:
    """Bytes in hexadecimal, not escaped."""
    return rb"\x" + value.hex().encode()
