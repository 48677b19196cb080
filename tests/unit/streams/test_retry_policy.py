"""The world's faults are tried again for as long as their kind may last; everything else is no retry."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg2.errors
import pytest

from streams.errors import InvariantError, TransientError, TransientKind
from streams.postgres.session import faults, kind_of
from streams.retry_policy import POLICIES, GaveUpError, Policy, Retries

QUICK = {kind: Policy(0.001, 0.002, jitter=False) for kind in TransientKind}
BOUNDED = QUICK | {TransientKind.CONTENDED: Policy(0.001, 0.002, seconds_max=0.05)}


class Waits(threading.Event):
    """A `until` that waits no time and notes for how long it was to."""

    def __init__(self, *, set_after: int | None = None) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self.set_after = set_after

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout or 0.0)
        if len(self.seconds) == self.set_after:
            self.set()
        return self.is_set()


def retries(**more: Any) -> Retries:
    return Retries(
        failing="not written", working="written again", logger=logging.getLogger("loop"), **{"policies": QUICK} | more
    )


def failing(*errors: BaseException, then: object = "done") -> Callable[[], Any]:
    left: Iterator[BaseException] = iter(errors)

    def attempt() -> object:
        for error in left:
            raise error
        return then

    return attempt


def away(text: str = "away") -> TransientError:
    return TransientError(text)


def both_ways(policy: Retries, attempt: Callable[[], Any], way: str) -> Any:
    if way == "thread":
        return policy.call(attempt)

    async def awaited() -> Any:
        return attempt()

    return asyncio.run(policy.acall(awaited))


@pytest.mark.parametrize("way", ["thread", "loop"])
def test_fault_of_the_world_is_tried_again_counted_and_told_once(way: str, caplog: pytest.LogCaptureFixture) -> None:
    counted: list[TransientKind] = []

    with caplog.at_level(logging.INFO):
        found = both_ways(retries(count=counted.append), failing(away("a"), away("b"), away("c")), way)

    assert found == "done"
    assert counted == [TransientKind.AWAY] * 3
    assert [record.message for record in caplog.records] == [
        "not written, trying again until it works: a", "written again after 0 s",
    ]  # fmt: skip
    assert (caplog.records[0].tries, caplog.records[0].kind) == (1, "away")  # type: ignore[attr-defined]


@pytest.mark.parametrize("way", ["thread", "loop"])
def test_anything_else_leaves_at_once(way: str) -> None:
    counted: list[TransientKind] = []

    with pytest.raises(InvariantError, match="ours"):
        both_ways(retries(count=counted.append), failing(InvariantError("ours")), way)

    assert counted == []


@pytest.mark.parametrize("way", ["thread", "loop"])
def test_fault_that_lasts_longer_than_its_kind_may_ends(way: str) -> None:
    def attempt() -> None:
        raise TransientError("deadlock", kind=TransientKind.CONTENDED)

    with pytest.raises(GaveUpError, match=r"not written, \d+ tries in 0 s: deadlock") as caught:
        both_ways(retries(policies=BOUNDED), attempt, way)

    assert isinstance(caught.value, InvariantError)
    assert isinstance(caught.value.__cause__, TransientError)


def test_time_of_one_kind_is_not_counted_against_another() -> None:
    def attempts() -> Iterator[BaseException]:
        for _ in range(40):
            yield away()
        yield TransientError("deadlock", kind=TransientKind.CONTENDED)

    assert retries(policies=BOUNDED).call(failing(*attempts())) == "done"


def test_pauses_double_up_to_their_limit() -> None:
    stop = Waits()
    policies = {TransientKind.AWAY: Policy(1.0, 5.0, jitter=False)}

    retries(policies=policies, until=stop).call(failing(*[away() for _ in range(5)]))

    assert stop.seconds == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_chance_takes_up_to_half_of_a_pause() -> None:
    seen = []
    for _ in range(20):
        stop = Waits()
        retries(policies={TransientKind.AWAY: Policy(1.0, 4.0)}, until=stop).call(failing(*[away() for _ in range(4)]))
        seen.append(stop.seconds)

    for pauses, whole in zip(zip(*seen, strict=True), [1.0, 2.0, 4.0, 4.0], strict=True):
        assert all(whole / 2 <= pause <= whole for pause in pauses)
        assert len(set(pauses)) > 1


def test_nothing_is_tried_again_once_it_is_stopped() -> None:
    stop = Waits(set_after=2)
    tried: list[int] = []

    def attempt() -> None:
        tried.append(1)
        raise away("still away")

    with pytest.raises(TransientError, match="still away"):
        retries(until=stop).call(attempt)

    assert len(tried) == 2


def test_loop_that_is_stopped_does_not_wait_for_the_pause() -> None:
    async def run() -> None:
        stop = asyncio.Event()
        policies = {TransientKind.AWAY: Policy(3600.0, 3600.0)}

        async def attempt() -> None:
            asyncio.get_running_loop().call_later(0.01, stop.set)
            raise away()

        with pytest.raises(TransientError):
            await asyncio.wait_for(retries(policies=policies, until=stop).acall(attempt), 5)

    asyncio.run(run())


def test_cancelled_loop_ends_in_an_attempt_and_in_a_pause() -> None:
    async def ends(attempt: Callable[[], Any]) -> None:
        task = asyncio.create_task(retries(policies={TransientKind.AWAY: Policy(3600.0, 3600.0)}).acall(attempt))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 5)

    async def hangs() -> None:
        await asyncio.Event().wait()

    async def fails() -> None:
        raise away()

    asyncio.run(ends(hangs))
    asyncio.run(ends(fails))


def test_every_kind_has_a_policy_and_only_an_absent_server_is_waited_for_without_an_end() -> None:
    assert set(POLICIES) == set(TransientKind)
    assert [kind for kind, policy in POLICIES.items() if policy.seconds_max is None] == [TransientKind.AWAY]


@pytest.mark.parametrize(
    ("sqlstate", "kind"),
    [
        (None, TransientKind.AWAY),
        ("08006", TransientKind.AWAY),
        ("53100", TransientKind.AWAY),
        ("57P01", TransientKind.AWAY),
        ("40P01", TransientKind.CONTENDED),
        ("55P03", TransientKind.CONTENDED),
        ("57014", TransientKind.CONTENDED),
        ("XX001", TransientKind.UNEXPLAINED),
        ("58030", TransientKind.UNEXPLAINED),
    ],
)
def test_sqlstate_says_what_kind_of_fault_it_is(sqlstate: str | None, kind: TransientKind) -> None:
    assert kind_of(sqlstate) is kind


def test_fault_of_postgres_bears_its_kind() -> None:
    class Deadlock(psycopg2.errors.DeadlockDetected):
        pgcode = "40P01"

    with pytest.raises(TransientError) as caught, faults():
        raise Deadlock

    assert caught.value.kind is TransientKind.CONTENDED
