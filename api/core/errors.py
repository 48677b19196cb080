"""The website's branch of the tree of errors: refused requests, unusable keys, values that cannot be decrypted.

api/core/error_handlers.py makes answers of them.
"""

from __future__ import annotations

import random

from streams.errors import RewardsError, SettingsError


class RequestError(RewardsError):
    """A request that is refused; its text is shown to the person.

    Attributes:
        status: the HTTP status.
        code: one word for programs, where what happens next depends on it.
        retry_after_seconds: after so long the same request may be taken.

    """

    status = 400
    code: str | None = None
    retry_after_seconds: int | None = None

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class SignInRequired(RequestError):  # noqa: N818 - the name says what happens next
    """Nobody is signed in, or the session has ended."""

    status = 401

    def __init__(self) -> None:
        super().__init__("Please sign in.")


class SignInRefused(RequestError):  # noqa: N818 - the name says what happened
    """Wrong e-mail or password, or an account that may not sign in."""

    status = 401


class TooManyAttempts(RequestError):  # noqa: N818 - the name says what happened
    """Sign-ins failed too often (api/users/attempts.py)."""

    status = 429

    def __init__(self, retry_after_seconds: int) -> None:
        minutes = round(retry_after_seconds / 60)
        wait = (minutes, "minute") if minutes > 1 else (retry_after_seconds, "second")
        super().__init__(
            f"Too many failed sign-ins. Please try again in {wait[0]} {wait[1]}{'' if wait[0] == 1 else 's'}."
        )
        self.retry_after_seconds = retry_after_seconds


class TooBusy(RequestError):  # noqa: N818 - the name says what happened
    """There is no room for this kind of work just now."""

    status = 503

    def __init__(self, text: str, retry_after_seconds: int) -> None:
        super().__init__(text)
        self.retry_after_seconds = retry_after_seconds


class PasswordExpired(RequestError):  # noqa: N818 - the name says what happened
    """The password is right, but a new one has to be chosen first. Only somebody who knows the password is told.

    Attributes:
        user_id: the account.
        stamp: digest of the hash that the password was checked against (api/core/sessions.py); no secret.

    """

    status = 403
    code = "password_expired"

    def __init__(self, user_id: int, stamp: str) -> None:
        super().__init__("Your password has expired. Please choose a new one.")
        self.user_id = user_id
        self.stamp = stamp


class NewPasswordRefused(RequestError):  # noqa: N818 - the name says what happened
    """A new password is not accepted; the text says why."""

    status = 422
    code = "new_password_refused"


class AccountClosed(RequestError):  # noqa: N818 - the program's own words
    """The reward group of the account is closed (program-terms.md, Totals)."""

    status = 403

    def __init__(self) -> None:
        super().__init__("This account has been closed")


class Forbidden(RequestError):  # noqa: N818 - the HTTP status's name
    """The viewer is signed in, but may not see this."""

    status = 403

    def __init__(self, text: str = "Your account may not see this page.") -> None:
        super().__init__(text)


class NotFound(RequestError):  # noqa: N818 - the HTTP status's name
    """There is nothing here."""

    status = 404


class TooManyPages(TooBusy):
    """So many live pages are open, or come at once, that this one has to wait. Chance spreads when they try again."""

    def __init__(self) -> None:
        text = "Many pages are open just now. Please try again in a moment."
        super().__init__(text, random.randint(2, 6))  # noqa: S311 - spreads, and guards nothing


class FieldKeysError(SettingsError, ValueError):
    """REWARDS_FIELD_KEYS cannot be used; the text names a key by its number only."""

    def __init__(self, wrong: str) -> None:
        super().__init__(
            f"REWARDS_FIELD_KEYS: {wrong}. It holds keys of `rewards encryption new-key`, with commas between them."
        )


class DecryptionError(RewardsError):
    """A stored value cannot be decrypted. The text holds neither the value nor its bytes.

    Attributes:
        place: `table.column id`.
        reason: what is wrong.

    """

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place} cannot be decrypted: {reason}")
        self.place = place
        self.reason = reason
