"""The rules of text: free text, the members of an enumeration, and words for a state.

Place on the data's way: from a column's bytes to the text that was meant. PURE, as the whole package.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from migration.errors import UncoveredError
from migration.rules.characters import decode, decode_once_more
from migration.rules.rule import Cell, Finding, Raw, Rule, not_null

TEXTS: Final = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext"})


@dataclass(frozen=True, slots=True)
class Text(Rule):
    """Characters: the ones that were meant, and all of them but NUL."""

    TYPES = TEXTS | {"enum"}
    required: bool = False

    def apply(self, raws: tuple[Raw, ...], cell: Cell, findings: list[Finding]) -> str | None:
        """Source: double encoding, cp1252 punctuation, NUL, and what is kept byte for byte."""
        raw = not_null(raws[0], cell) if self.required else raws[0]
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
class Email(Text):
    """An e-mail, by which a user signs in: without the spaces around it."""

    def apply(self, raws: tuple[Raw, ...], cell: Cell, findings: list[Finding]) -> str | None:
        """Source: "spaces around an e-mail → removed, reported"."""
        text = Text.apply(self, raws, cell, findings)
        if text is None or text == text.strip():
            return text
        findings.append(Finding(cell.column, "spaces", raws[0], text.strip()))
        return text.strip()


@dataclass(frozen=True, slots=True)
class MasterAccount(Text):
    """A customer across all systems. MySQL held accounts for equal that differ in case or in spaces at their end."""

    def apply(self, raws: tuple[Raw, ...], cell: Cell, findings: list[Finding]) -> str | None:
        """Source: "master accounts … one customer: the spelling of `customers`, else of the oldest row"."""
        text = Text.apply(self, raws, cell, findings)
        spelled = None if text is None else cell.context.spellings.get(text)
        if spelled is None:
            return text
        findings.append(Finding(cell.column, "master-account", raws[0], spelled))
        return spelled


@dataclass(frozen=True, slots=True)
class Choice(Rule):
    """An enumeration, in which '' stands for what was no member."""

    TYPES = TEXTS | {"enum"}

    def apply(self, raws: tuple[Raw, ...], cell: Cell, findings: list[Finding]) -> str | None:
        """Source: "ENUM '' → NULL"."""
        if raws[0] == b"":
            findings.append(Finding(cell.column, "empty-enum", b"", None))
            return None
        return Text().apply(raws, cell, findings)


@dataclass(frozen=True, slots=True)
class Status(Rule):
    """One of some words, whatever their case."""

    TYPES = TEXTS | {"enum"}
    words: tuple[str, ...]

    def apply(self, raws: tuple[Raw, ...], cell: Cell, findings: list[Finding]) -> str:
        """Source: "lower case; open, hold, closed"."""
        raw = not_null(raws[0], cell)
        text = decode(raw, cell)
        word = text.lower()
        if word not in self.words:
            raise UncoveredError(cell.column, f"{text!r} is none of {', '.join(self.words)}")
        if word != text:
            findings.append(Finding(cell.column, "lower-case", raw, word))
        return word
