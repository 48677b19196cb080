"""Counts failed sign-ins, in Postgres: who fails often has to wait, each time twice as long.

Three things are counted: an account at an address, an address, and an account. The last does not count where the account has
signed in from before, so that nobody can lock an owner out from elsewhere. Failures are forgotten evenly over a window of time.
An unknown account is counted like any other. An attempt counts as failed until it succeeds, so that attempts made at the same
moment count as well.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.core.client import network_of
from api.core.errors import TooManyAttempts
from api.core.models import SignInAddress, SignInFailures
from api.core.settings import WebSettings

# `failures` as they are now: they fall by `most` in a window. At `most` and above, each failure doubles the wait.
_NOW: Final = "greatest(0, f.failures - :most * extract(epoch FROM now() - f.failed_at) / :window)"
# Below `most`, nobody waits: a time would stop an attempt whose transaction began before the one that wrote it.
_WAITS_UNTIL: Final = """CASE WHEN round({count}) < :most THEN '-infinity'
  ELSE now() + make_interval(secs => least(:window, :first * 2 ^ least(30, round({count}) - :most))) END"""
_MORE, _LESS = f"({_NOW} + 1)", f"greatest(0, {_NOW} - 1)"
_COUNT: Final = text(f"""
INSERT INTO sign_in_failures AS f (key, failures, failed_at, waits_until)
VALUES (:key, 1, now(), {_WAITS_UNTIL.format(count=1)})
ON CONFLICT (key) DO UPDATE SET failures = {_MORE}, failed_at = now(), waits_until = {_WAITS_UNTIL.format(count=_MORE)}
WHERE f.waits_until <= now() RETURNING 1""")  # noqa: S608 - nothing in it comes from outside
_TAKE_BACK: Final = text(f"""
UPDATE sign_in_failures AS f SET failures = {_LESS}, failed_at = now(), waits_until = {_WAITS_UNTIL.format(count=_LESS)}
WHERE key = :key""")  # noqa: S608 - nothing in it comes from outside
ADDRESSES_PER_ACCOUNT: Final = 50
"""The account is known at the newest of them."""


@dataclass(frozen=True, slots=True)
class Counted:
    """One of the things that a failed sign-in counts for, and how many failures it may have before it waits."""

    key: bytes
    most: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """A sign-in that is counted as failed by now."""

    network: str
    at_address: Counted
    counted: tuple[Counted, ...]
    """All of them in one order, so that two attempts never wait for each other's rows."""


class Attempts:
    """Counts and limits sign-ins."""

    def __init__(self, settings: WebSettings) -> None:
        self._settings = settings
        self._pace = {"window": settings.sign_in_window_minutes * 60, "first": settings.sign_in_wait_seconds}

    def begin(self, session: Session, email: str, address: str, user_id: int | None) -> Attempt:
        """Count a sign-in with this e-mail (of this account, where there is one) as failed; raise `TooManyAttempts`."""
        settings, network, account = self._settings, network_of(address), email.strip().lower()
        at_address = Counted(_key("account at address", account, network), settings.sign_in_failures)
        counted = [at_address, Counted(_key("address", network), settings.sign_in_address_failures)]
        if user_id is None or session.get(SignInAddress, (user_id, network)) is None:
            counted.append(Counted(_key("account", account), settings.sign_in_account_failures))
        counted.sort(key=lambda one: one.key)
        # A flood is refused by a look; only what is counted writes.
        _refuse_waiting(session, counted)
        for one in counted:
            if session.scalar(_COUNT, self._of(one)) is None:
                # Another attempt at the same moment made it wait. What is counted by now is rolled back.
                _refuse_waiting(session, [one])
                raise TooManyAttempts(1)
        return Attempt(network, at_address, tuple(counted))

    def succeeded(self, session: Session, attempt: Attempt, user_id: int) -> None:
        """Take the count of an attempt back, forget its account's failures at its address, and know the account there."""
        for one in attempt.counted:
            if one == attempt.at_address:
                session.execute(delete(SignInFailures).where(SignInFailures.key == one.key))
            else:
                session.execute(_TAKE_BACK, self._of(one))
        known = insert(SignInAddress).values(user_id=user_id, network=attempt.network)
        session.execute(
            known.on_conflict_do_update(index_elements=["user_id", "network"], set_={"signed_in_at": func.now()})
        )
        newest = select(SignInAddress.network).where(SignInAddress.user_id == user_id)
        newest = newest.order_by(SignInAddress.signed_in_at.desc()).limit(ADDRESSES_PER_ACCOUNT)
        session.execute(
            delete(SignInAddress).where(SignInAddress.user_id == user_id, SignInAddress.network.not_in(newest))
        )

    def delete_forgotten(self, session: Session) -> None:
        """Delete what no longer counts."""
        for model, since, seconds in (
            (SignInFailures, SignInFailures.failed_at, self._pace["window"]),
            (SignInAddress, SignInAddress.signed_in_at, self._settings.known_address_days * 86_400),
        ):
            session.execute(delete(model).where(since < func.now() - dt.timedelta(seconds=seconds)))

    def _of(self, counted: Counted) -> dict[str, object]:
        return {"key": counted.key, "most": counted.most, **self._pace}


def _refuse_waiting(session: Session, counted: list[Counted]) -> None:
    seconds = session.scalar(
        select(func.extract("epoch", func.max(SignInFailures.waits_until) - func.now())).where(
            SignInFailures.key.in_([one.key for one in counted]), SignInFailures.waits_until > func.now()
        )
    )
    if seconds is not None:
        raise TooManyAttempts(max(1, math.ceil(seconds)))


def _key(*parts: str) -> bytes:
    # JSON can hold half a surrogate pair, which UTF-8 cannot.
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()
