"""Passwords: they are kept under argon2id, and under the legacy hash until the first sign-in (legacy/migration.md, `users`).

A new password has rules of its own.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from api.core.errors import NewPasswordRefused
from api.users.guessing import guessable

SHORTEST: Final = 12
LONGEST: Final = 1000
"""Characters of a new password. Which characters is free, as NIST SP 800-63B recommends; but it must be hard to guess."""
_HASHER: Final = PasswordHasher()
_NOBODY_HASH: Final = _HASHER.hash("nobody has this password")


def hash_password(password: str) -> str:
    """Return the argon2id hash of a password as a PHC string."""
    return _HASHER.hash(_bytes(password))


def password_matches(password: str, password_hash: str | None, salt: str | None) -> bool:
    """Whether the password has this hash; with a salt the hash is legacy: hex SHA-256 of salt and password, UTF-8.

    It takes as long where there is no such account (None), or its hash is legacy: the time of an answer tells nothing.
    """
    if password_hash is None:
        _verify(password, _NOBODY_HASH)
        return False
    if salt is None:
        return _verify(password, password_hash)
    _verify(password, _NOBODY_HASH)
    digest = hashlib.sha256(_bytes(salt + password)).hexdigest()
    # compare_digest refuses text that is not ASCII, and a legacy table may hold any text: bytes are compared.
    return hmac.compare_digest(_bytes(digest), _bytes(password_hash.lower()))


def check_new_password(password: str, *, email: str, old_hash: str, old_salt: str | None) -> None:
    """Raise `NewPasswordRefused` where the password is too short, too long, the e-mail, easy to guess, or the old password."""
    if len(password) < SHORTEST:
        raise NewPasswordRefused(f"Please choose a password of at least {SHORTEST} characters.")
    if len(password) > LONGEST:
        raise NewPasswordRefused(f"A password can have at most {LONGEST:,} characters.")
    if password.strip().casefold() == email.strip().casefold():
        raise NewPasswordRefused("Your e-mail address cannot be your password.")
    if told := guessable(password, email):
        raise NewPasswordRefused(told)
    if password_matches(password, old_hash, old_salt):
        raise NewPasswordRefused("Please choose another password than your old one.")


def needs_new_hash(password_hash: str, salt: str | None) -> bool:
    """Whether the hash is legacy, or argon2 with parameters of the past."""
    return salt is not None or _HASHER.check_needs_rehash(password_hash)


def _verify(password: str, password_hash: str) -> bool:
    try:
        return _HASHER.verify(password_hash, _bytes(password))
    except InvalidHashError:
        _verify(password, _NOBODY_HASH)
        return False
    except VerificationError:
        return False


def _bytes(text: str) -> bytes:
    # JSON can hold half a surrogate pair, which UTF-8 cannot. That is a wrong password, not a fault of ours.
    return text.encode("utf-8", "surrogatepass")
