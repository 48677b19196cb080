"""Passwords: argon2id, and the legacy hash until the first sign in (legacy/migration.md, `users`)."""

from __future__ import annotations

import hashlib
import hmac
import threading
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_HASHER: Final = PasswordHasher()
_NOBODY_HASH: Final = _HASHER.hash("nobody has this password")
# One check takes 64 MiB and tens of milliseconds of a core: a flood of sign ins must not take the machine.
_AT_ONCE: Final = threading.BoundedSemaphore(2)


def hash_password(password: str) -> str:
    """Return the argon2id hash of a password as a PHC string."""
    with _AT_ONCE:
        return _HASHER.hash(password)


def password_matches(password: str, password_hash: str, salt: str | None) -> bool:
    """Whether it is the password; with a salt the hash is legacy: hex SHA-256 of salt and password, UTF-8."""
    if salt is not None:
        digest = hashlib.sha256((salt + password).encode("utf-8", "surrogatepass")).hexdigest()
        return hmac.compare_digest(digest, password_hash.lower())
    with _AT_ONCE:
        try:
            return _HASHER.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False


def spend_the_time_of_a_check(password: str) -> None:
    """Take as long as a real check, so that the time does not tell whether an e-mail is known."""
    password_matches(password, _NOBODY_HASH, None)


def needs_new_hash(password_hash: str, salt: str | None) -> bool:
    """Whether the hash is legacy, or argon2 with parameters of the past."""
    return salt is not None or _HASHER.check_needs_rehash(password_hash)
