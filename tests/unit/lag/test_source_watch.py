"""The sources are checked beside the measuring: said once, never silent, never in its way."""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import pytest

from streams.errors import SettingsError, TransientError
from streams.lag import source_watch
from streams.lag.findings import CHECK_FAILED, KnownFinding, SourceFinding, merged
from streams.lag.process import LagProcess
from streams.lag.source_watch import Check, Checker, SourceWatch, watching
from tests.unit.lag.broker import FakeBroker
from tests.unit.lag.test_findings import ELSEWHERE, OLD, UNPUBLISHED, UNREADABLE
from tests.unit.lag.test_process import Rounds


class Table:
    """Stands for the tables: keeps what is known."""

    def __init__(self) -> None:
        self.known: list[KnownFinding] = []
        self.writes = 0
        self.away = False

    def write(self, found: Sequence[SourceFinding]) -> list[KnownFinding]:
        if self.away:
            raise TransientError("Postgres is away")
        self.writes += 1
        self.known = merged(self.known, found, dt.datetime.now(dt.UTC))
        return self.known

    @property
    def codes(self) -> list[str]:
        return [one.finding.code for one in self.known]


class Looks:
    """Finds one thing after the other, and nothing in the end."""

    def __init__(self, *found: list[SourceFinding]) -> None:
        self.left = list(found)
        self.closed = False

    def look(self) -> list[SourceFinding]:
        return self.left.pop(0) if self.left else []

    def close(self) -> None:
        self.closed = True


def opened_as(check: Check, closed: list[str] | None = None) -> Callable[[], AbstractContextManager[Check]]:
    @contextmanager
    def open_check() -> Iterator[Check]:
        yield check
        if closed is not None:
            closed.append("closed")

    return open_check


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records]


def test_finding_is_said_once_when_it_begins_and_once_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    looks = Looks([UNPUBLISHED], [UNPUBLISHED, OLD], [UNPUBLISHED, OLD], [OLD], [])
    table = Table()
    with caplog.at_level(logging.INFO):
        SourceWatch(looks, table.write, 15.0).run(Rounds(6))
    assert messages(caplog) == [
        "warehouse: it is not published. Remedy: repair it",
        f"warehouse: {OLD.message}. Remedy: look",
        "warehouse: over: it is not published",
        f"warehouse: over: {OLD.message}",
    ]
    assert table.writes == 6
    assert looks.closed


def test_what_cannot_be_seen_is_said_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    looks = Looks([UNPUBLISHED, ELSEWHERE], [UNREADABLE], [UNREADABLE], [])
    with caplog.at_level(logging.INFO):
        SourceWatch(looks, Table().write, 15.0).run(Rounds(4))
    assert messages(caplog)[2:] == [
        "warehouse: no route. Remedy: start it",
        "rewards: over: it is not FULL",
        "warehouse: over: no route",
        "warehouse: over: it is not published",
    ]


def test_check_that_hangs_delays_no_measurement() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def hang() -> list[SourceFinding]:
        begun.set()
        go_on.wait(60)
        return []

    broker, table = FakeBroker(), Table()
    broker.put(committed=1, end=2)
    written: list[int] = []
    stop = threading.Event()

    def write(measurements: Sequence[object]) -> None:
        assert begun.wait(30)
        written.append(len(measurements))
        if len(written) == 20:
            stop.set()

    with watching(SourceWatch(Checker(opened_as(hang)), table.write, 0.01), stop):
        LagProcess(lambda: broker, write, 0.001).run(stop)
        assert not go_on.is_set()
        go_on.set()
    assert written == [1] * 20
    assert table.writes == 0


def test_process_ends_while_a_check_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_watch, "END_SECONDS", 0.05)
    go_on = threading.Event()
    stop = threading.Event()

    def hang() -> list[SourceFinding]:
        go_on.wait(60)
        return []

    started = time.monotonic()
    with watching(SourceWatch(Checker(opened_as(hang)), Table().write, 0.01), stop):
        pass
    assert time.monotonic() - started < 30
    assert stop.is_set()
    go_on.set()


def test_check_that_fails_is_a_finding_and_is_opened_anew(caplog: pytest.LogCaptureFixture) -> None:
    closed: list[str] = []
    answers = iter([KeyError("secret"), KeyError("secret"), None])

    def check() -> list[SourceFinding]:
        if answer := next(answers):
            raise answer
        return [UNPUBLISHED]

    table = Table()
    checker = Checker(opened_as(check, closed))
    watch = SourceWatch(checker, table.write, 15.0)
    with caplog.at_level(logging.INFO):
        watch.take(checker.look())
        assert table.codes == [CHECK_FAILED]
        assert table.known[0].finding.message == "the sources could not be checked: KeyError"
        watch.take(checker.look())
        watch.take(checker.look())
    assert table.codes == ["table_not_published"]
    assert [record.exc_info is not None for record in caplog.records] == [True, False, False, False]
    assert messages(caplog)[1].startswith("every source: the sources could not be checked: KeyError. Remedy: ")


def test_check_that_cannot_be_closed_is_opened_anew_all_the_same() -> None:
    opened: list[str] = []

    @contextmanager
    def open_check() -> Iterator[Check]:
        opened.append("opened")

        def check() -> list[SourceFinding]:
            if len(opened) == 1:
                raise OSError("gone")
            return [UNPUBLISHED]

        try:
            yield check
        finally:
            raise OSError("gone for good")

    checker = Checker(open_check)
    assert [one.code for one in checker.look()] == [CHECK_FAILED]
    assert checker.look() == [UNPUBLISHED]
    checker.close()
    assert opened == ["opened", "opened"]


def test_check_without_its_settings_says_which(caplog: pytest.LogCaptureFixture) -> None:
    @contextmanager
    def open_check() -> Iterator[Check]:
        raise SettingsError("REWARDS_CONNECT_URL (Field required)")
        yield list

    with caplog.at_level(logging.INFO):
        (found,) = Checker(open_check).look()
    assert found.message == "the sources could not be checked: REWARDS_CONNECT_URL (Field required)"
    assert found.hides_others
    assert messages(caplog) == []


def test_finding_that_cannot_be_written_is_said_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    table = Table()
    table.away = True
    watch = SourceWatch(Looks(), table.write, 15.0)
    with caplog.at_level(logging.INFO):
        watch.take([UNPUBLISHED])
        watch.take([UNPUBLISHED])
        table.away = False
        watch.take([UNPUBLISHED])
        watch.take([])
    assert messages(caplog) == [
        "what was found of the sources is not written, tried again with each check: Postgres is away",
        "warehouse: it is not published. Remedy: repair it",
        "what was found of the sources is written again",
        "warehouse: over: it is not published",
    ]


def test_check_that_fails_because_the_process_ends_is_not_written() -> None:
    stop = threading.Event()

    class Ending(Looks):
        def look(self) -> list[SourceFinding]:
            stop.set()
            return [UNREADABLE]

    table = Table()
    SourceWatch(Ending(), table.write, 15.0).run(stop)
    assert table.writes == 0
