"""The characters that a legacy column's bytes stand for, in MySQL's character sets, and what was meant by text encoded twice.

Place on the data's way: under the rules, which decode with it what a cell holds; the catalog (legacy.py) asks it which character sets
there are. PURE, as the whole package.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Mapping
from typing import Final

from migration.errors import UncoveredError
from migration.rules.rule import Cell, Raw

# MySQL's latin1 is cp1252, with the five bytes that cp1252 leaves open as the control characters of the same number.
_LATIN1: Final = "".join(bytes([i]).decode("cp1252", "ignore") or chr(i) for i in range(256))
_TO_LATIN1: Final = codecs.charmap_build(_LATIN1)
ENCODINGS: Final[Mapping[str, str]] = {
    "latin1": "latin1",
    "ascii": "latin1",
    "utf8": "utf-8",
    "utf8mb3": "utf-8",
    "utf8mb4": "utf-8",
    "binary": "utf-8",
    "latin2": "iso8859-2",
    "cp1250": "cp1250",
    "cp1251": "cp1251",
    "cp1256": "cp1256",
    "cp1257": "cp1257",
    "cp850": "cp850",
}
"""MySQL's character set -> Python's codec; latin1 is done here."""


def decode(raw: bytes, cell: Cell) -> str:
    """The characters that a column's bytes stand for."""
    try:
        return decoded(raw, cell.encoding)
    except UnicodeDecodeError as error:
        raise UncoveredError(cell.column, f"its bytes are no {cell.encoding}") from error


def decoded(raw: bytes, encoding: str) -> str:
    """The characters that bytes stand for, of one value or of many.

    Raises:
        UnicodeDecodeError: they stand for none.
    """
    if encoding != "latin1":
        return raw.decode(encoding)
    return raw.decode("ascii") if raw.isascii() else codecs.charmap_decode(raw, "strict", _LATIN1)[0]


def recoded(raw: bytes, encoding: str) -> bytes:
    """The characters that bytes stand for, in UTF-8, of one value or of many.

    Raises:
        UnicodeDecodeError: they stand for none.
    """
    if encoding == "latin1":
        # Three times as quick as by the table, which differs from ISO 8859-1 in 80 to 9F alone: those begin with C2 in UTF-8.
        text = raw.decode("iso8859-1").encode()
        if b"\xc2" not in text:
            return text
    return decoded(raw, encoding).encode()


_MAYBE_TWICE: Final = re.compile(
    # The first byte of a sequence, C2 to F4, and one that goes on with it, 80 to BF: both as latin1, written in UTF-8.
    b"\xc3[\x82-\xb4](?:%b)" % b"|".join(re.escape(character.encode()) for character in _LATIN1[0x80:0xC0])
)


def may_be_encoded_twice(text: bytes) -> bool:
    """Whether text in UTF-8 holds what everything has that was encoded twice. One search, for one value or for many."""
    return _MAYBE_TWICE.search(text) is not None


def decode_once_more(text: str) -> str | None:
    """What was meant by text that was encoded twice; None where its latin1 bytes are no UTF-8 with a multi-byte sequence."""
    try:
        raw = codecs.charmap_encode(text, "strict", _TO_LATIN1)[0]
        meant = raw.decode("utf-8")
    except UnicodeError:
        return None
    return None if meant == text else meant


def key_text(raws: Iterable[tuple[Raw, Cell]]) -> str:
    """A row's key for people: its columns with commas between them."""
    return ",".join(_told(raw or b"", cell) for raw, cell in raws)


def _told(raw: bytes, cell: Cell) -> str:
    try:
        return decode(raw, cell).replace("\0", "")
    except UncoveredError:
        return raw.decode("ascii", "backslashreplace").replace("\0", "")
