"""How what is asked of others here is tried again: downloads, and Kafka Connect while it rebalances. A poll for a state is none of this.

The same library and the same shape as streams/retry_policy.py, which nothing here may import: pauses that double up to a limit, with some
chance in them, and an end.
"""

from __future__ import annotations

import logging
import time
from typing import Final

from tenacity import RetryCallState, Retrying, retry_if_exception, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_exponential, wait_random

from connectors.errors import ConnectError, ConnectUnreachableError

logger = logging.getLogger(__name__)

BUSY: Final = {404, 409, 500, 503}
"""A rebalance; right after its start a worker also answers 404 and 500 for what it has not read yet."""


def until(deadline: float) -> Retrying:
    """Try again while Connect is rebalancing or not there yet, until the deadline (of the monotonic clock); then its error."""
    return Retrying(
        retry=retry_if_exception(_is_busy),
        stop=lambda _state: time.monotonic() > deadline,
        wait=wait_exponential(multiplier=0.1, max=1.0) + wait_random(0, 0.1),
        before_sleep=_tell,
        reraise=True,
    )


def downloading(attempts: int, *errors: type[Exception]) -> Retrying:
    """Try a download so many times in all; then its error."""
    return Retrying(
        retry=retry_if_exception_type(errors),
        stop=stop_after_attempt(attempts),
        wait=wait_exponential(multiplier=2.0, max=30.0) + wait_random(0, 1.0),
        before_sleep=_tell,
        reraise=True,
    )


def _is_busy(error: BaseException) -> bool:
    return isinstance(error, ConnectUnreachableError) or (isinstance(error, ConnectError) and error.status in BUSY)


def _tell(state: RetryCallState) -> None:
    error = None if state.outcome is None else state.outcome.exception()
    logger.info("try %d failed, again in %.1f s: %s", state.attempt_number, state.upcoming_sleep, error)
