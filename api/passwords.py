"""Passwords: argon2id, the legacy hash until the first sign in (legacy/migration.md, `users`), and what a new one must be."""

from __future__ import annotations

import hashlib
import hmac
import threading
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from api.errors import NewPasswordRefused

SHORTEST: Final = 12
LONGEST: Final = 1000
"""Characters of a new password. Length alone, as NIST SP 800-63B has it: no rules of which characters."""
_HASHER: Final = PasswordHasher()
_NOBODY_HASH: Final = _HASHER.hash("nobody has this password")
# One check takes 64 MiB and tens of milliseconds of a core: a flood of sign ins must not take the machine.
_AT_ONCE: Final = threading.BoundedSemaphore(2)


def hash_password(password: str) -> str:
    """Return the argon2id hash of a password as a PHC string."""
    with _AT_ONCE:
        return _HASHER.hash(_bytes(password))


def password_matches(password: str, password_hash: str, salt: str | None) -> bool:
    """Whether it is the password; with a salt the hash is legacy: hex SHA-256 of salt and password, UTF-8."""
    if salt is not None:
        digest = hashlib.sha256(_bytes(salt + password)).hexdigest()
        # As bytes: text that is not ASCII is refused, and what a legacy table holds is not ours to rely on.
        return hmac.compare_digest(_bytes(digest), _bytes(password_hash.lower()))
    with _AT_ONCE:
        try:
            return _HASHER.verify(password_hash, _bytes(password))
        except (VerificationError, InvalidHashError):
            return False


def check_new_password(password: str, *, email: str, old_hash: str, old_salt: str | None) -> None:
    """Raise `NewPasswordRefused` where it is too short, too long, the e-mail, or the old password."""
    if len(password) < SHORTEST:
        raise NewPasswordRefused(f"Please choose a password of at least {SHORTEST} characters.")
    if len(password) > LONGEST:
        raise NewPasswordRefused(f"A password can have at most {LONGEST:,} characters.")
    if password.strip().casefold() == email.strip().casefold():
        raise NewPasswordRefused("Your e-mail address cannot be your password.")
    if password_matches(password, old_hash, old_salt):
        raise NewPasswordRefused("Please choose another password than your old one.")


def spend_the_time_of_a_check(password: str) -> None:
    """Take as long as a real check, so that the time does not tell whether an e-mail is known."""
    password_matches(password, _NOBODY_HASH, None)


def needs_new_hash(password_hash: str, salt: str | None) -> bool:
    """Whether the hash is legacy, or argon2 with parameters of the past."""
    return salt is not None or _HASHER.check_needs_rehash(password_hash)


def _bytes(text: str) -> bytes:
    # JSON can hold half a surrogate pair, which UTF-8 cannot: a wrong password, not a fault of ours.
    return text.encode("utf-8", "surrogatepass")
