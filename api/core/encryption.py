"""Encrypts personal details with AES-SIV (RFC 5297) under a key that is kept outside the database.

The same value at the same place under the same key is the same bytes, so that a migration can be repeated and compared. A value
is bound to its place, `table.column id`: equal values in two rows do not look equal, and a value that was moved to another row
does not decrypt. The stored bytes are one for the format, four that name the key, then the ciphertext.

No error, repr or log holds a key or a value. docs/encryption.md says how keys are kept and changed.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from api.core.errors import DecryptionError, FieldKeysError

FORMAT: Final = 1
KEY_BYTES: Final = 64
"""AES-SIV with AES-256 takes two keys of 32 bytes."""
KEY_ID_BYTES: Final = 4
PREFIX_BYTES: Final = 1 + KEY_ID_BYTES
TAG_BYTES: Final = 16
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]*={0,2}")


def new_key() -> str:
    """Return a fresh key as it stands in REWARDS_FIELD_KEYS: base64url without padding."""
    return secrets.token_urlsafe(KEY_BYTES)


def place_in(table: str, column: str, row_id: object) -> str:
    """Return what a row's value is bound to: `prize_redemptions.passport_number 17`."""
    return f"{table}.{column} {row_id}"


class FieldCipher:
    """Encrypts under the first of its keys and decrypts what any of them encrypted. Threads may share one."""

    __slots__ = ("_by_id", "_encrypt", "_prefix")

    def __init__(self, keys: Sequence[bytes]) -> None:
        """Raises `FieldKeysError` where there is no key, one of another size than 64 bytes, or the same one twice."""
        if not keys:
            raise FieldKeysError("there is none")
        for number, key in enumerate(keys, start=1):
            if len(key) != KEY_BYTES:
                raise FieldKeysError(f"number {number} has {len(key)} bytes, not {KEY_BYTES}")
        self._by_id = {_key_id(key): AESSIV(key) for key in keys}
        if len(self._by_id) != len(keys):
            raise FieldKeysError("one stands there twice")
        # Both are made once: a migration encrypts some hundred thousand values in a row.
        self._encrypt = AESSIV(keys[0]).encrypt
        self._prefix = bytes([FORMAT]) + _key_id(keys[0])

    @classmethod
    def from_setting(cls, setting: str) -> FieldCipher:
        """Return the cipher of comma-separated base64url keys, the one that encrypts first.

        Raises:
            FieldKeysError: a text is no key; the error gives its number, never the text.

        """
        texts = [text.strip() for text in setting.split(",")] if setting.strip() else []
        return cls([_decode(text, number) for number, text in enumerate(texts, start=1)])

    @property
    def prefix(self) -> bytes:
        """The first five bytes of everything that it encrypts, by which a query finds what is not current."""
        return self._prefix

    def encrypt(self, value: str, place: str) -> bytes:
        """Return what is stored of a value at its place, e.g. `prize_redemptions.passport_number 17`."""
        return self._prefix + self._encrypt(value.encode(), [place.encode()])

    def decrypt(self, stored: bytes, place: str) -> str:
        """Return the value that was encrypted for this place.

        Raises:
            DecryptionError: no key fits, or the bytes were changed, or they belong to another place.

        """
        if len(stored) < PREFIX_BYTES + TAG_BYTES:
            raise DecryptionError(place, "it is too short for an encrypted value")
        if stored[0] != FORMAT:
            raise DecryptionError(place, f"its format {stored[0]} is not known")
        key_id = bytes(stored[1:PREFIX_BYTES])
        cipher = self._by_id.get(key_id)
        if cipher is None:
            raise DecryptionError(place, f"no key of REWARDS_FIELD_KEYS has the id {key_id.hex()}")
        try:
            return cipher.decrypt(stored[PREFIX_BYTES:], [place.encode()]).decode()
        except InvalidTag:
            raise DecryptionError(place, "it was changed, or belongs to another place") from None

    def is_current(self, stored: bytes) -> bool:
        """Whether the value is under the first key, in today's format."""
        return stored[:PREFIX_BYTES] == self._prefix

    def __repr__(self) -> str:
        return f"FieldCipher({', '.join(key_id.hex() for key_id in self._by_id)})"


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()[:KEY_ID_BYTES]


def _decode(text: str, number: int) -> bytes:
    # b64decode skips characters that are no base64, and so would make another key of a mistyped one.
    bare = text.rstrip("=")
    if not _BASE64URL.fullmatch(text) or len(bare) % 4 == 1:
        raise FieldKeysError(f"number {number} is not base64url")
    return base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
