"""What a legacy value becomes (legacy/migration.md, What dirt becomes). PURE: bytes in, values and findings out.

Place on the data's way: the loader applies these rules to every row that its SQL does not know to be plain (plain.py); the
verification applies them to every row. No database, no clock, no encryption here.
"""

from __future__ import annotations

import codecs
import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

from migration.errors import UncoveredError

Raw: TypeAlias = bytes | None
"""A value as the legacy server keeps it: a text's bytes in its column's character set, anything else in ASCII."""
Value: TypeAlias = int | str | bool | Decimal | dt.date | dt.datetime | None
Key: TypeAlias = int | str

DEFAULT_DATE: Final = dt.date(2011, 1, 1)
"""Stands where a date must and none is known: the program's first day."""
BIGINT_MAX: Final = 2**63 - 1

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


@dataclass(frozen=True, slots=True)
class Finding:
    """A value that was changed or defaulted."""

    column: str
    """The legacy column."""
    rule: str
    old: Raw
    new: Value
    encrypted: bool = False


class RefusedError(Exception):
    """The row cannot move: it needs one that is not there. Becomes a reject; the load goes on."""


@dataclass(frozen=True, slots=True)
class Context:
    """What the rules need to know besides the row."""

    legacy_zone: ZoneInfo
    business_zone: ZoneInfo
    accepted: Mapping[str, Mapping[Key, int]] = field(default_factory=dict)
    """Legacy table -> key -> id in the new database, for rows that others refer to. A merged user's leads to the kept one."""
    ranks: Mapping[str, Mapping[float, int]] = field(default_factory=dict)
    """Legacy table -> sort order -> its place, from 1 on."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One column of one table: what a rule needs to read it."""

    table: str
    column: str
    encoding: str
    context: Context


class Rule(ABC):
    """What becomes of a column's values."""

    TYPES: frozenset[str] = frozenset()
    """The legacy types that it reads, in the words of information_schema."""

    def types(self, place: int) -> frozenset[str]:
        """The legacy types of the first (0) or second legacy column."""
        del place
        return self.TYPES

    @abstractmethod
    def apply(self, raws: tuple[Raw, ...], cell: Cell, findings: list[Finding]) -> Value:
        """Return the new value and add what was changed to `findings`.

        Args:
            raws: the values of the column's legacy columns, one or two.
            cell: where they stand.
            findings: is added to.

        Raises:
            RefusedError: the row has to be refused.
            UncoveredError: there is no rule for this value.
        """


_INTEGERS: Final = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})
_TEXTS: Final = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext"})


@dataclass(frozen=True, slots=True)
class Integer(Rule):
    """A whole number; unsigned ones fit into a bigint."""

    TYPES = _INTEGERS
    required: bool = False

    def apply(self, raws: tuple[Raw, ...], cell: Cell, findings: list[Finding]) -> int | None:  # noqa: ARG002
        """Source: "unsigned integers → bigint"."""
        number = _required(raws[0], cell) if self.required else raws[0]
        if number is None:
            return None
        value = int(number)
        if value > BIGINT_MAX:
            raise UncoveredError(cell.column, f"{value} is larger than a bigint")
        return value


@dataclass(frozen=True, slots=True)
class Money(Rule):
    """A decimal with two digits after the point at most, kept exactly."""

    TYPES = frozenset({"decimal"}) | _INTEGERS

    def apply(self, raws: tuple[Raw, ...], cell: Cell, findings: list[Finding]) -> Decimal | None:  # noqa: ARG002
        """Refuse to round."""
        if raws[0] is None:
            return None
        try:
            value = Decimal(raws[0].decode("ascii"))
        except (InvalidOperation, UnicodeDecodeError) as error:
            raise UncoveredError(cell.column, "is no number") from error
        if abs(value) >= Decimal(10**8) or value != value.quantize(Decimal("0.01")):
            raise UncoveredError(cell.column, f"{value} does not fit into numeric(10,2)")
        return value


@dataclass(frozen=True, slots=True)
class Text(Rule):
    """Characters: the ones that were meant, and all of them but NUL."""

    TYPES = _TEXTS | {"enum"}
    required: bool = False

    def apply(self, raws: tuple[Raw, ...], cell: Cell, findings: list[Finding]) -> str | None:
        """Source: double encoding, cp1252 punctuation, NUL, and what is kept byte for byte."""
        raw = _required(raws[0], cell) if self.required else raws[0]
        if raw is None:
            return None
        text = decode(raw, cell)
        if "\0" in text:
            text = text.replace("\0", "")
            findings.append(Finding(cell.column, "nul", raw, text))
        if not text.isascii() and (meant := decode_once_more(text)) is not None:
            text = meant
            findings.append(Finding(cell.column, "double-encoding", raw, text))
        return text


@dataclass(frozen=True, slots=True)
class Choice(Rule):
    """An enumeration, in which '' stands for what was no member."""

    TYPES = _TEXTS | {"enum"}

    def apply(self, raws: tuple[Raw, ...], cell: Cell, findings: list[Finding]) -> str | None:
        """Source: "ENUM '' → NULL"."""
        if raws[0] == b"":
            findings.append(Finding(cell.column, "empty-enum", b"", None))
            return None
        return Text().apply(raws, cell, findings)


@dataclass(frozen=True, slots=True)
class Status(Rule):
    """One of some words, whatever their case."""

    TYPES = _TEXTS | {"enum"}
    words: tuple[str, ...]

    def apply(self, raws: tuple[Raw, ...], cell: Cell, findings: list[Finding]) -> str:
        """Source: "lower case; open, hold, closed"."""
        raw = _required(raws[0], cell)
        text = decode(raw, cell)
        word = text.lower()
        if word not in self.words:
            raise UncoveredError(cell.column, f"{text!r} is none of {', '.join(self.words)}")
        if word != text:
            findings.append(Finding(cell.column, "lower-case", raw, word))
        return word


@dataclass(frozen=True, slots=True)
class Flag(Rule):
    """tinyint(1)."""

    TYPES = _INTEGERS

    def apply(self, raws: tuple[Raw, ...], cell: Cell, findings: list[Finding]) -> bool:
        """Source: "other than 0, 1, NULL → true, reported"."""
        raw = _required(raws[0], cell)
        number = int(raw)
        if number not in (0, 1):
            findings.append(Finding(cell.column, "flag", raw, True))
        return number != 0


@dataclass(frozen=True, slots=True)
class Date(Rule):
    """A date that need not be there."""

    TYPES = frozenset({"date"})

    def apply(self, raws: tuple[Raw, ...], cell: Cell, findings: list[Finding]) -> dt.date | None:
        """Source: "zero or part-zero date in a nullable target → NULL"."""
        raw = raws[0]
        if raw is None:
            return None
        text = raw.decode("ascii")
        if is_part_zero(text):
            findings.append(Finding(cell.column, "zero-date", raw, None))
            return None
        try:
            return dt.date.fromisoformat(text)
        except ValueError as error:
            raise UncoveredError(cell.column, f"{text} is no date of the calendar") from error


@dataclass(frozen=True, slots=True)
class Moment(Rule):
    """A DATETIME of the legacy zone that has to be there."""

    TYPES = frozenset({"datetime"})

    def apply(self, raws: tuple[Raw, ...], cell: Cell, findings: list[Finding]) -> dt.datetime:
        """Source: "DATETIME → timestamptz", and the default of a zero date."""
        raw = _required(raws[0], cell)
        text = raw.decode("ascii")
        zone = cell.context.legacy_zone
        if is_part_zero(text):
            moment = dt.datetime.combine(DEFAULT_DATE, dt.time(), zone).astimezone(dt.UTC)
            findings.append(Finding(cell.column, "zero-date", raw, moment))
            return moment
        try:
            local = dt.datetime.fromisoformat(text)
        except ValueError as error:
            raise UncoveredError(cell.column, f"{text} is no moment of the calendar") from error
        try:
            moment, rule = first_reading(local, zone)
        except OverflowError as error:
            raise UncoveredError(cell.column, f"{text} lies outside of the years 1 to 9999 in UTC") from error
        if rule is not None:
            findings.append(Finding(cell.column, rule, raw, moment))
        return moment


@dataclass(frozen=True, slots=True)
class EnrolledOn(Rule):
    """The business date of a moment: of the group's `created_on` for a membership."""

    TYPES = Moment.TYPES

    def apply(self, raws: tuple[Raw, ...], cell: Cell, findings: list[Finding]) -> dt.date | None:
        """Source: "new `enrolled_at` = the group's `created_on`". No group: the row is refused for that anyway."""
        if raws[0] is None:
            return None
        found: list[Finding] = []
        date = Moment().apply(raws, cell, found).astimezone(cell.context.business_zone).date()
        findings += [Finding(finding.column, finding.rule, finding.old, date) for finding in found]
        return date


@dataclass(frozen=True, slots=True)
class MomentWhenTrue(Rule):
    """A flag and a moment become the moment, or nothing."""

    def types(self, place: int) -> frozenset[str]:
        """A flag, then a moment."""
        return (Flag.TYPES, Moment.TYPES)[place]

    def apply(self, raws: tuple[Raw, ...], cell: Cell, findings: list[Finding]) -> dt.datetime | None:
        """Source: "`terms_conditions_accepted_at` (its `created_on` when true)". The moment's own column reports it."""
        flag, moment = raws
        if flag is None or not Flag().apply((flag,), cell, findings):
            return None
        try:
            return Moment().apply((moment,), cell, [])
        except UncoveredError:
            # The moment's own column stops the load, and names itself.
            return None


@dataclass(frozen=True, slots=True)
class SortOrder(Rule):
    """A float becomes its place among all of the table's: equal ones stay equal."""

    TYPES = frozenset({"float", "double", "decimal"}) | _INTEGERS

    def apply(self, raws: tuple[Raw, ...], cell: Cell, findings: list[Finding]) -> int:
        """Source: "float `sort_order` → dense integers in the same order"."""
        raw = _required(raws[0], cell)
        number = float(raw)
        place = cell.context.ranks[cell.table][number]
        if number != place:
            findings.append(Finding(cell.column, "sort-order", raw, place))
        return place


@dataclass(frozen=True, slots=True)
class Reference(Rule):
    """A foreign key: another table's row by its number, or by its code."""

    to: str
    """The legacy table that it points into."""
    required: bool = False
    by_code: bool = False
    """By a code in letters instead of a number."""

    def types(self, place: int) -> frozenset[str]:
        """Numbers, or text for a code."""
        del place
        return _TEXTS if self.by_code else _INTEGERS

    def apply(self, raws: tuple[Raw, ...], cell: Cell, findings: list[Finding]) -> int | None:
        """Source: "a foreign key to nothing" may be empty, or takes the row with it."""
        raw = raws[0]
        key: Key | None = None
        if raw is not None:
            key = code_of(raw, cell) if self.by_code else int(raw)
        new = None if key is None else cell.context.accepted[self.to].get(key)
        if new is None and self.required:
            raise RefusedError(f"{cell.column} {'is empty' if key is None else f'{key}: no such row in {self.to}'}")
        if new is None and key is not None:
            findings.append(Finding(cell.column, "dangling-reference", raw, None))
        if new is not None and isinstance(key, int) and new != key:
            findings.append(Finding(cell.column, "merged-email", raw, new))
        return new


@dataclass(frozen=True, slots=True)
class Encrypted(Rule):
    """A value that is kept encrypted. What comes out is the text to encrypt; who writes it does that."""

    inner: Date | Text

    def types(self, place: int) -> frozenset[str]:
        """Those of what it wraps."""
        return self.inner.types(place)

    def apply(self, raws: tuple[Raw, ...], cell: Cell, findings: list[Finding]) -> str | None:
        """As the inner rule, with findings that are to be encrypted as well, and errors that do not tell the value."""
        found: list[Finding] = []
        try:
            value = self.inner.apply(raws, cell, found)
        except UncoveredError:
            # Without its cause, which tells the value.
            raise UncoveredError(
                cell.column, "is no value of its kind (which one is not told, for it is personal)"
            ) from None
        findings += [
            Finding(f.column, f.rule, f.old, None if f.new is None else "(encrypted)", encrypted=True) for f in found
        ]
        return None if value is None else str(value)


def decode(raw: bytes, cell: Cell) -> str:
    """The characters that a column's bytes stand for."""
    if cell.encoding == "latin1":
        return raw.decode("ascii") if raw.isascii() else codecs.charmap_decode(raw, "strict", _LATIN1)[0]
    try:
        return raw.decode(cell.encoding)
    except UnicodeDecodeError as error:
        raise UncoveredError(cell.column, f"its bytes are no {cell.encoding}") from error


def decode_once_more(text: str) -> str | None:
    """What was meant by text that was encoded twice; None where its latin1 bytes are no UTF-8 with a multi-byte sequence."""
    try:
        raw = codecs.charmap_encode(text, "strict", _TO_LATIN1)[0]
        meant = raw.decode("utf-8")
    except UnicodeError:
        return None
    return None if meant == text else meant


def is_part_zero(text: str) -> bool:
    """Whether the year, the month or the day of `YYYY-MM-DD…` is zero."""
    return text[:4] == "0000" or text[5:7] == "00" or text[8:10] == "00"


def first_reading(local: dt.datetime, zone: ZoneInfo) -> tuple[dt.datetime, str | None]:
    """A wall clock's moment in UTC, and the rule where the clock does not tell it alone.

    A time that the clock leaps over moves forward by the leap; of a time that it shows twice, the first one counts.
    """
    first = local.replace(tzinfo=zone, fold=0)
    moment = first.astimezone(dt.UTC)
    if first.utcoffset() == local.replace(tzinfo=zone, fold=1).utcoffset():
        return moment, None
    exists = moment.astimezone(zone).replace(tzinfo=None) == local
    return moment, "ambiguous-time" if exists else "missing-time"


def code_of(raw: bytes, cell: Cell) -> str:
    """A code as MySQL compares it: neither case nor spaces at its end count."""
    return decode(raw, cell).rstrip(" ").casefold()


def key_text(raws: Iterable[tuple[Raw, Cell]]) -> str:
    """A row's key for people: its columns with commas between them."""
    return ",".join(_told(raw or b"", cell) for raw, cell in raws)


def _told(raw: bytes, cell: Cell) -> str:
    try:
        return decode(raw, cell).replace("\0", "")
    except UncoveredError:
        return raw.decode("ascii", "backslashreplace").replace("\0", "")


def _required(raw: Raw, cell: Cell) -> bytes:
    if raw is None:
        raise UncoveredError(cell.column, "is NULL, and the new column must have a value")
    return raw
