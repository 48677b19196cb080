"""The website's branch of the tree of errors: why a request is refused. `api/ui/errors.py` makes answers of them."""

from __future__ import annotations

from streams.errors import RewardsError


class RequestError(RewardsError):
    """A request that is refused; its text is shown to the person.

    Attributes:
        status: the HTTP status.

    """

    status = 400

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class SignInRequired(RequestError):  # noqa: N818 - says what happens next
    """Nobody is signed in, or the session has ended."""

    status = 401

    def __init__(self) -> None:
        super().__init__("Please sign in.")


class SignInRefused(RequestError):  # noqa: N818 - says what happened
    """Wrong e-mail or password, or an account that may not sign in."""

    status = 401


class TooManyAttempts(RequestError):  # noqa: N818 - says what happened
    """An e-mail failed to sign in too often.

    Attributes:
        retry_after_seconds: when the next attempt is looked at.

    """

    status = 429

    def __init__(self, retry_after_seconds: int) -> None:
        minutes = max(1, round(retry_after_seconds / 60))
        super().__init__(
            f"Too many failed sign-ins. Please try again in {minutes} minute{'' if minutes == 1 else 's'}."
        )
        self.retry_after_seconds = retry_after_seconds


class AccountClosed(RequestError):  # noqa: N818 - the program's own words
    """The reward group of the account is closed (program-terms.md, Totals)."""

    status = 403

    def __init__(self) -> None:
        super().__init__("This account has been closed")


class Forbidden(RequestError):  # noqa: N818 - the HTTP status's name
    """Signed in, but not allowed to see this."""

    status = 403

    def __init__(self, text: str = "Your account may not see this page.") -> None:
        super().__init__(text)


class NotFound(RequestError):  # noqa: N818 - the HTTP status's name
    """There is nothing here."""

    status = 404
