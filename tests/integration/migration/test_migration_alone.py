"""A run beside others who read and write, two runs at once, and runs that are killed."""

from __future__ import annotations

import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg2
import pytest

from bench import legacy_data
from migration import target
from migration.errors import MigrationError
from tests.integration.migration.conftest import Migrated
from tests.integration.migration.databases import (
    RUNS,
    At,
    Dump,
    Legacy,
    New,
    command,
    differences,
    migrate,
    surroundings,
)

GROUPS = 1_000
REDEMPTIONS = 20_000
KILLS = 6


class Pause:
    """Lets a run wait where it has read a table, until it is let go."""

    def __init__(self, table: str = "customers") -> None:
        self.reached = threading.Event()
        self._let_go = threading.Event()
        self.progress = At(table, self._wait)

    def _wait(self) -> None:
        self.reached.set()
        assert self._let_go.wait(60), "nobody let the run go"

    def let_go(self) -> None:
        self._let_go.set()


@pytest.fixture
def pause() -> Iterator[Pause]:
    pause = Pause()
    yield pause
    pause.let_go()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


def test_what_others_write_to_the_legacy_database_meanwhile_does_not_show(
    sample: Migrated, legacy: Legacy, new: New
) -> None:
    def write() -> None:
        legacy.run(
            "UPDATE prizes SET prize_title = 'Later' WHERE prize_id = 1",
            "UPDATE prizes_redemptions SET points = 1 WHERE pr_id = 1",
            "DELETE FROM points_adjustments WHERE pa_id = 2",
            "UPDATE divisions SET division_name = 'Later'",
            "INSERT INTO prizes_redemptions_batch VALUES (2, 'Later', 1, '2019-01-01 00:00:00')",
            "DELETE FROM users WHERE u_id = 8",
        )

    migrate(legacy, new, progress=At("rewards", write))

    assert new.dump() == sample.new.dump()
    named = {table for table, _, _ in differences(legacy, new)}
    assert named >= {"prizes", "prize_redemptions", "divisions", "prize_redemption_batches"}


def test_nobody_sees_half_of_a_run(legacy: Legacy, new: New, pause: Pause, threads: ThreadPoolExecutor) -> None:
    running = threads.submit(migrate, legacy, new, progress=pause.progress)
    assert pause.reached.wait(30)
    with closing(psycopg2.connect(new.url)) as connection, connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '200ms'")
        with pytest.raises(psycopg2.errors.LockNotAvailable):
            cursor.execute("SELECT count(*) FROM divisions")

    waiting = threads.submit(new.value, "SELECT count(*) FROM point_entries")
    time.sleep(0.2)
    assert not waiting.done()
    pause.let_go()
    running.result(30)

    assert waiting.result(30) == 7


def test_second_run_at_once_waits_and_changes_nothing(
    sample: Migrated, legacy: Legacy, new: New, pause: Pause, threads: ThreadPoolExecutor
) -> None:
    first = threads.submit(migrate, legacy, new, progress=pause.progress)
    assert pause.reached.wait(30)
    second = threads.submit(migrate, legacy, new)
    time.sleep(0.5)
    assert not second.done()
    pause.let_go()

    assert sum(table.written for table in first.result(30).tables) == 52
    assert sum(table.written for table in second.result(30).tables) == 0
    assert new.dump() == sample.new.dump()
    assert new.value("SELECT count(*) FROM migration_runs") == 2


def test_second_run_that_waits_too_long_says_why(
    legacy: Legacy, new: New, pause: Pause, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = threads.submit(migrate, legacy, new, progress=pause.progress)
    assert pause.reached.wait(30)
    monkeypatch.setattr(target, "LOCK_SECONDS", 0.3)

    with pytest.raises(MigrationError, match="another run of the migration is at work"):
        migrate(legacy, new)

    pause.let_go()
    first.result(30)
    assert differences(legacy, new) == []


def test_run_waits_for_who_is_writing_to_its_tables(
    sample: Migrated, legacy: Legacy, new: New, threads: ThreadPoolExecutor
) -> None:
    with closing(psycopg2.connect(new.url)) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO reward_groups (id, name) VALUES (500, 'New')")
        running = threads.submit(migrate, legacy, new)
        time.sleep(0.5)
        assert not running.done()
        connection.commit()

    running.result(30)

    assert new.value("SELECT count(*) FROM reward_groups") == 6
    assert differences(legacy, new) == []


def test_run_of_another_database_goes_on_beside(
    legacy: Legacy, new: New, another_new: New, pause: Pause, threads: ThreadPoolExecutor
) -> None:
    first = threads.submit(migrate, legacy, new, progress=pause.progress)
    assert pause.reached.wait(30)

    migrate(legacy, another_new)

    pause.let_go()
    first.result(30)
    assert new.dump() == another_new.dump()


@pytest.fixture
def large(legacy: Legacy, monkeypatch: pytest.MonkeyPatch) -> Legacy:
    """The sample and some 20,000 redemptions, one of a hundred rows with dirt."""
    monkeypatch.setattr(legacy_data, "GROUPS", GROUPS)
    with closing(legacy.server.connect(legacy.name)) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION sql_mode = ''")
        connection.begin()
        legacy_data.fill(connection, customers=500, redemptions=REDEMPTIONS)
    # Fewer of what is read as redemptions are.
    legacy.run(
        "DELETE FROM property_development_points WHERE pdp_id > 1500",
        "DELETE FROM points_adjustments WHERE pa_id > 1500",
    )
    return legacy


def test_killed_runs_leave_nothing_and_the_next_one_gives_the_same(
    large: Legacy, new: New, more_new: Callable[[], New], threads: ThreadPoolExecutor
) -> None:
    empty = new.dump(besides=())
    complete, seconds = _undisturbed(large, new)
    following = new.next_ids()
    assert differences(large, new) == []
    chance = random.Random(1)
    moments = [seconds * (number + chance.random()) / KILLS for number in range(KILLS)]

    def left_empty(moment: float, again: New) -> bool:
        _killed(large, again, moment)
        after = again.dump(besides=())
        if was_empty := not after[RUNS]:
            assert {table for table, rows in empty.items() if after[table] != rows} == set()
        else:
            # It had committed already.
            assert {table for table, rows in complete.items() if after[table] != rows} == set()
        migrate(large, again)
        assert {table for table, rows in again.dump().items() if complete[table] != rows} == set()
        assert again.next_ids() | {f"{RUNS}_id_seq": 0} == following | {f"{RUNS}_id_seq": 0}
        return was_empty

    # Two at a time, for two processors.
    ends = [threads.submit(left_empty, moment, more_new()) for moment in moments]

    assert sum(end.result(120) for end in ends) >= KILLS // 2


def _undisturbed(legacy: Legacy, new: New) -> tuple[Dump, float]:
    """What a whole run gives, and how long it takes from its first word on."""
    with _started(legacy, new) as running:
        started = _first_word(running)
        running.communicate(timeout=60)
        seconds = time.monotonic() - started
    assert running.returncode == 0
    return new.dump(), seconds


def _killed(legacy: Legacy, new: New, seconds: float) -> None:
    with _started(legacy, new) as running:
        time.sleep(max(0.0, _first_word(running) + seconds - time.monotonic()))
        running.kill()


def _started(legacy: Legacy, new: New) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command("run", legacy=legacy), env=surroundings(new, PYTHONUNBUFFERED="1"), stdout=subprocess.PIPE
    )


def _first_word(running: subprocess.Popen[bytes]) -> float:
    assert running.stdout is not None
    assert running.stdout.readline()
    return time.monotonic()
