"""Truncates and snapshots on a real Postgres: what waits for a person, what is retired, and that nothing is done twice meanwhile."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest

from streams.generation import LIVE
from streams.jobs.reloads import accept_reloads, read_reloads, this_user
from streams.postgres.epochs import COUNT_SECONDS_MIN, EpochKeeper, accept, open_epochs, retirement
from streams.postgres.reevaluations import find_reevaluations, find_unfinished
from streams.postgres.sink import Sink
from streams.source.decode import dump_reevaluation
from streams.source.transaction_metadata import TransactionMetadata
from streams.state.epochs import QUIET, RECORDS, TIME, WORD, OpenEpoch, ReloadLimits
from streams.topics import INVOICES, MEMBERSHIPS, REEVALUATIONS
from streams.worker.agents import agents_of
from streams.worker.pipeline import Delivery, Pipeline
from tests.change_events import Source, invoice_row, record
from tests.integration.api.servers import Postgres

LIMITS = ReloadLimits(quiet=dt.timedelta(minutes=5), patience=dt.timedelta(hours=1), share_max=0.05)
DUE = dt.date(2026, 4, 1)
LATE = dt.date(2026, 5, 2)
CUSTOMERS = ("M-0", "M-1", "M-2", "M-3")


class World:
    """A warehouse, the rewards database and one worker; time is the source's, and moves when it is told."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.pipeline = Pipeline(
            Sink(url),
            {agent.topic.name: agent.decode for agent in agents_of(LIVE)},
            metadata=TransactionMetadata(),
            held_max=1_000,
            cached_invoices=50,
        )
        self.clock = 0.0
        self.keeper = EpochKeeper(LIMITS, lambda: self.clock)
        self.connection = psycopg2.connect(url)
        self.connection.autocommit = True
        self.cursor = self.connection.cursor()
        self.invoices = Source()
        self.members = Source("rewards", "customers_reward_groups", "id")
        self.sent = {INVOICES.name: 0, MEMBERSHIPS.name: 0, REEVALUATIONS.name: 0}
        self.marks = 0
        self.members.begin()
        for number, customer in enumerate(CUSTOMERS):
            self.members.insert(
                {"id": number, "customer_master_id": customer, "reward_group_id": 1 + number % 2, "enrolled_at": 15_000}
            )
        self.deliver()

    def close(self) -> None:
        self.pipeline.close()
        self.connection.close()

    def ask(self, question: str, *values: Any) -> list[tuple[Any, ...]]:
        self.cursor.execute(question, values)
        return self.cursor.fetchall()

    def bill(self, documents: int) -> None:
        """Invoices of 100 points each, settled, of each customer in turn."""
        for number in range(documents):
            self.invoices.begin()
            columns = {
                "customer_master_id": CUSTOMERS[number % len(CUSTOMERS)],
                "transaction_description": f"D-{number}",
                "transaction_due_date": DUE,
            }
            self.invoices.insert(invoice_row(2 * number, **columns))
            self.invoices.insert(
                invoice_row(
                    2 * number + 1,
                    **columns,
                    transaction_amount="-100.00",
                    transaction_type_rewards_invoice=False,
                    transaction_type_rewards_payment=True,
                )
            )
        self.deliver()

    def truncate(self, source: Source | None = None) -> dict[int, dict[str, Any]]:
        """Empty the table; return its rows."""
        source = source or self.invoices
        rows = dict(source.rows)
        source.begin()
        source.truncate()
        self.deliver()
        return rows

    def load(self, rows: list[dict[str, Any]], source: Source | None = None) -> None:
        source = source or self.invoices
        source.begin()
        for row in rows:
            source.insert(row)
        self.deliver()

    def deliver(self) -> None:
        """All that was changed, up to a watermark in the one partition that has records."""
        for topic, source in ((INVOICES.name, self.invoices), (MEMBERSHIPS.name, self.members)):
            begin = self.sent[topic]
            if begin == len(source.events):
                continue
            self.marks += 1
            source.begin()
            source.watermark("watermark-0-1", self.marks)
            records = [record(begin + i, value, key) for i, (key, value) in enumerate(source.events[begin:])]
            self._work(Delivery(topic, 0, records, len(source.events), 1))
            self.sent[topic] = len(source.events)

    def _work(self, delivery: Delivery) -> None:
        self.pipeline.take([delivery])
        while self.pipeline.work(1).more:
            pass

    def let_pass(self, after: dt.timedelta, topic: str = INVOICES.name) -> None:
        """Every partition has come so far after the last epoch, or after the last row that was shown again."""
        self.marks += 1
        self.cursor.execute(
            "UPDATE partition_progress SET mark = %s, mark_snapshot_lsn = 1000000, marked_at = %s + (SELECT greatest("
            "(SELECT max(happened_at) FROM source_epochs AS e WHERE e.topic = partition_progress.topic),"
            " (SELECT max(reloaded_at) FROM partition_progress AS p WHERE p.topic = partition_progress.topic))) WHERE topic = %s",
            (self.marks, after, topic),
        )

    def move(self, times: int = 1) -> None:
        for _ in range(times):
            self.keeper.move(self.cursor)
            self.clock += 0.25

    def work_off(self) -> int:
        """What the scheduler would send, once; return how many that were."""
        due = find_reevaluations(self.cursor)
        begin = self.sent[REEVALUATIONS.name]
        records = [record(begin + i, dump_reevaluation(one), one.customer_master_id) for i, one in enumerate(due)]
        if records:
            self.sent[REEVALUATIONS.name] += len(records)
            self._work(Delivery(REEVALUATIONS.name, 0, records, self.sent[REEVALUATIONS.name], 1))
        return len(due)

    def open_day(self, date: dt.date) -> None:
        self.cursor.execute("UPDATE business_day SET manual = true, business_date = %s", (date,))

    @property
    def points(self) -> dict[str, int]:
        found = self.ask("SELECT customer_master_id, sum(points)::int FROM customer_points GROUP BY 1 ORDER BY 1")
        by_entries = self.ask("SELECT COALESCE(sum(delta), 0)::int FROM point_entries")
        assert by_entries == [(sum(points for _, points in found),)]
        return dict(found)

    @property
    def epoch(self) -> OpenEpoch:
        (found,) = open_epochs(self.cursor)
        return found

    @property
    def revisions(self) -> list[tuple[Any, ...]]:
        return self.ask("SELECT id, revision FROM invoices ORDER BY id")

    @property
    def causes(self) -> list[tuple[Any, ...]]:
        return self.ask(
            "SELECT cause_data ->> 'kind', count(*)::int, sum(delta)::int FROM point_entries GROUP BY 1 ORDER BY 1"
        )


@pytest.fixture
def world(postgres: Postgres, database: str) -> Iterator[World]:
    made = World(postgres.url(database))
    made.open_day(dt.date(2026, 3, 5))
    yield made
    made.close()


FULL = {"M-0": 1_000, "M-1": 1_000, "M-2": 1_000, "M-3": 1_000}


def test_truncate_and_a_pause_take_no_points_and_write_nothing_and_the_rows_come_back(world: World) -> None:
    world.bill(40)
    assert world.points == FULL
    revisions, entries = world.revisions, world.causes
    rows = world.truncate()
    world.move()
    assert world.epoch.waits_for == RECORDS

    for after, waits_for in (
        (dt.timedelta(seconds=1), QUIET),
        (LIMITS.quiet, TIME),
        (LIMITS.patience - dt.timedelta(seconds=1), TIME),
        (LIMITS.patience, WORD),
        (dt.timedelta(days=9), WORD),
    ):
        world.let_pass(after)
        world.move(times=4)
        epoch = world.epoch
        assert (epoch.waits_for, epoch.missing, epoch.live, epoch.over) == (waits_for, 40, 40, False)
        assert world.work_off() == 0
        (said,) = find_unfinished(world.cursor)
        assert "has not shown 40 of 40 invoices again" in said
        assert ("`rewards reload accept`" in said) is (waits_for in {TIME, WORD})
    assert (world.points, world.revisions) == (FULL, revisions)

    world.load(list(rows.values()))
    world.move(times=2)

    assert open_epochs(world.cursor) == []
    assert find_unfinished(world.cursor) == []
    assert (world.points, world.causes) == (FULL, entries)


def test_half_that_came_waits_for_a_word_and_then_the_rest_is_retired(world: World) -> None:
    world.bill(40)
    rows = world.truncate()
    world.load([row for number, row in rows.items() if number < 40])
    world.let_pass(dt.timedelta(days=1))
    world.move(times=3)
    assert (world.epoch.waits_for, world.epoch.missing, world.epoch.live) == (WORD, 20, 40)
    assert world.points == FULL
    assert retirement(world.cursor, world.epoch) == (20, 2_000, 0)

    assert accept(world.cursor, world.epoch, "ann")
    assert not accept(world.cursor, world.epoch, "bob")
    world.move()
    assert world.epoch.over
    assert world.work_off() == 20
    world.move()

    assert open_epochs(world.cursor) == []
    assert world.work_off() == 0
    assert world.points == {"M-0": 500, "M-1": 500, "M-2": 500, "M-3": 500}
    assert world.causes == [("reload", 20, -2_000), ("rows", 40, 4_000)]
    assert world.ask("SELECT accepted_by, closed_at IS NOT NULL FROM source_epochs") == [("ann", True)]


def test_little_that_is_missing_is_retired_once_it_has_been_quiet(world: World) -> None:
    world.bill(40)
    rows = world.truncate()
    world.load([row for number, row in rows.items() if number >= 4])
    world.let_pass(LIMITS.quiet - dt.timedelta(seconds=1))
    world.move()
    assert (world.epoch.waits_for, world.epoch.missing) == (QUIET, 2)
    assert world.work_off() == 0

    world.let_pass(LIMITS.quiet)
    world.move()
    assert world.work_off() == 2
    world.move()

    assert open_epochs(world.cursor) == []
    assert world.points == FULL | {"M-0": 900, "M-1": 900}


def test_day_that_is_opened_while_a_reload_waits_is_asked_for_once_and_is_the_cause_when_the_rows_are_back(
    world: World,
) -> None:
    world.bill(8)
    for number in range(1, 16, 2):
        world.invoices.begin()
        world.invoices.delete(number)
    world.deliver()
    assert set(world.points.values()) == {0}
    before = world.causes
    rows = world.truncate()
    world.let_pass(LIMITS.patience)
    world.move()
    world.open_day(LATE)

    assert world.work_off() == 8
    revisions = world.revisions
    for _ in range(5):
        world.move()
        assert world.work_off() == 0
    assert (world.revisions, world.causes) == (revisions, before)

    world.load(list(rows.values()))
    world.move(times=2)

    assert world.work_off() == 0
    assert open_epochs(world.cursor) == []
    (day,) = set(world.causes) - set(before)
    assert day[0] == "day"
    assert sum(world.points.values()) == day[2] < 0


def test_snapshot_that_lacks_much_waits_like_a_reload(world: World) -> None:
    world.bill(40)
    rows = dict(world.invoices.rows)
    world.invoices.rows = {number: row for number, row in rows.items() if number < 20}
    world.invoices.begin()
    world.invoices.snapshot()
    world.marks += 1
    world.invoices.watermark("watermark-0-1", world.marks, snapshot=True)
    world.deliver()
    world.cursor.execute(
        "UPDATE partition_progress AS p SET snapshot_lsn = e.snapshot_lsn, snapshot_done = true FROM source_epochs AS e"
        " WHERE p.topic = e.topic"
    )
    world.let_pass(LIMITS.patience)
    world.move()

    assert (world.epoch.kind, world.epoch.waits_for, world.epoch.missing, world.epoch.live) == (
        "snapshot",
        WORD,
        30,
        40,
    )
    assert world.work_off() == 0
    assert accept(world.cursor, world.epoch, "ann")
    world.move()
    assert world.work_off() == 30
    assert sum(world.points.values()) == 1_000
    assert world.causes == [("rows", 40, 4_000), ("snapshot", 30, -3_000)]


def test_later_truncate_takes_the_place_of_the_one_before(world: World) -> None:
    world.bill(40)
    rows = world.truncate()
    world.load([row for number, row in rows.items() if number < 20])
    world.let_pass(LIMITS.patience)
    world.move()
    assert accept(world.cursor, world.epoch, "ann")

    world.truncate()
    world.move()

    # The word was for what the first one lacked.
    assert (world.epoch.accepted_by, world.epoch.missing) == (None, 40)
    assert world.work_off() == 0
    world.load(list(rows.values()))
    world.let_pass(dt.timedelta(seconds=1))
    world.move(times=2)
    assert open_epochs(world.cursor) == []
    assert world.points == FULL


def test_invoice_of_which_some_rows_are_in_doubt_keeps_its_points_until_its_reloads_end(world: World) -> None:
    world.bill(40)
    rows = world.truncate()
    # All charges come again, the payments do not.
    world.load([row for number, row in rows.items() if not number % 2])
    world.let_pass(LIMITS.patience)
    world.move()
    revisions = world.revisions
    for _ in range(3):
        world.move()
        assert world.work_off() == 0
    assert (world.epoch.missing, world.points, world.revisions) == (40, FULL, revisions)

    assert accept(world.cursor, world.epoch, "ann")
    world.move()
    assert world.work_off() == 40
    assert set(world.points.values()) == {0}
    assert {kind for kind, _, _ in world.causes} == {"reload", "rows"}


def test_memberships_that_a_reload_lacks_wait_for_a_word_and_say_why_they_are_gone(world: World) -> None:
    world.bill(8)
    rows = world.truncate(world.members)
    world.load([rows[0], rows[1]], world.members)
    world.let_pass(LIMITS.quiet, MEMBERSHIPS.name)
    world.move()
    assert (world.epoch.what, world.epoch.missing, world.epoch.live) == ("memberships", 2, 4)
    # Two of four are few enough: share_max of a hundred, and half.
    assert world.epoch.over

    world.truncate(world.members)
    world.let_pass(LIMITS.patience, MEMBERSHIPS.name)
    world.move()
    waiting = open_epochs(world.cursor)[-1]
    assert (waiting.waits_for, waiting.missing, waiting.live) == (WORD, 4, 4)
    assert retirement(world.cursor, waiting) == (4, 800, 0)
    assert world.points == dict.fromkeys(CUSTOMERS, 200)

    assert accept(world.cursor, waiting, "ann")
    world.move()
    world.work_off()
    assert set(world.points.values()) == {0}
    assert ("reload", 8, -800) in world.causes
    assert (
        world.ask("SELECT DISTINCT cause FROM point_entries WHERE cause LIKE 'reload%%enrolment on 2011-01-26'") != []
    )


def test_membership_that_is_shown_again_starts_the_time_anew(world: World) -> None:
    world.bill(4)
    rows = world.truncate(world.members)
    world.load(list(rows.values())[:2], world.members)
    ((shown_at,),) = world.ask("SELECT max(reloaded_at) FROM partition_progress WHERE topic = %s", MEMBERSHIPS.name)
    ((happened_at,),) = world.ask("SELECT happened_at FROM source_epochs")
    assert shown_at > happened_at


def test_what_is_missing_is_counted_seldom_and_anew_once_everything_has_come_by(world: World) -> None:
    world.bill(40)
    rows = world.truncate()
    world.move()
    first = world.epoch.counted_at
    world.load([row for number, row in rows.items() if number < 40])
    world.move()
    assert (world.epoch.counted_at, world.epoch.missing) == (first, 40)

    # Passed: from now on less can be missing, never more.
    world.let_pass(dt.timedelta(seconds=1))
    world.move()
    assert (world.epoch.missing, world.epoch.waits_for) == (20, QUIET)
    world.load([row for number, row in rows.items() if 40 <= number < 60])
    world.let_pass(dt.timedelta(seconds=1))
    world.move()
    assert world.epoch.missing == 20
    world.clock += COUNT_SECONDS_MIN
    world.move()
    assert world.epoch.missing == 10


def test_invoice_that_awaits_an_open_transaction_is_not_asked_for_again_and_again(world: World) -> None:
    world.bill(40)
    rows = world.truncate()
    world.load([row for number, row in rows.items() if number >= 2])
    world.let_pass(LIMITS.quiet)
    world.cursor.execute(
        "UPDATE invoices SET awaiting = p.last_transaction, awaiting_cause ="
        " jsonb_build_object('transaction', p.last_transaction, 'kind', 'rows', 'lsn', 0, 'rows', '[]'::jsonb)"
        " FROM partition_progress AS p WHERE p.topic = %s AND p.partition = 0 AND document = 'D-0'",
        (INVOICES.name,),
    )
    world.move()
    assert world.epoch.over
    assert world.work_off() == 0

    world.invoices.begin()
    world.invoices.insert(invoice_row(900, customer_master_id="M-1"))
    world.deliver()
    assert world.work_off() == 1


def test_word_is_taken_of_the_topic_that_is_named_and_not_before_all_has_come_by(world: World) -> None:
    world.bill(8)
    world.truncate()
    world.move()
    (early,) = accept_reloads(world.url, None, "ann")
    assert (early.accepted, early.retired, early.points) == (False, 8, 800)
    assert "Nothing is accepted: not every partition has passed it" in early.said
    assert "`rewards lag --once`" in early.said
    assert world.epoch.accepted_at is None

    world.let_pass(dt.timedelta(seconds=1))
    world.move()
    assert accept_reloads(world.url, "memberships", "ann") == []
    (taken,) = accept_reloads(world.url, INVOICES.name, this_user())
    assert taken.accepted
    assert taken.said.startswith(
        "8 invoices that the truncate of warehouse.public.invoice_transactions did not show again"
    )
    assert "800 points and 0 pending" in taken.said
    (again,) = accept_reloads(world.url, "invoices", "bob")
    assert again.accepted
    assert again.said.startswith(f"Accepted already, by {this_user()}")

    world.move()
    (over,) = accept_reloads(world.url, None, "bob")
    assert over.said.startswith("Accepted already")
    world.work_off()
    world.move()
    assert read_reloads(world.url) == []
    assert accept_reloads(world.url, None, "bob") == []
