"""Pipeline on a real Postgres: delivered twice, in parts, by two workers at once, or across a lost connection, it comes out the same."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg2
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from api.core.listener import customers_of
from migration.schema import METADATA
from streams.errors import InvariantError, TransientError
from streams.generation import LIVE
from streams.postgres import sql
from streams.postgres.reevaluations import find_reevaluations
from streams.postgres.sink import Sink
from streams.postgres.steps import notifications
from streams.source.decode import dump_reevaluation
from streams.source.transaction_metadata import TransactionMetadata
from streams.topics import INVOICES, MEMBERSHIPS, REEVALUATIONS
from streams.worker.agents import agents_of
from streams.worker.batch import Delivery
from streams.worker.pipeline import Pipeline
from tests.change_events import Source, invoice_row, record
from tests.integration.api.servers import Postgres

STATE = """
SELECT json_agg(i ORDER BY i.id)::text FROM (SELECT id, rows, oldest_lsn, awaiting, reward, penalties, points, pending, at_risk, open,
  settled_on, next_evaluation_on, reward_group_id FROM invoices) AS i
UNION ALL SELECT json_agg(e ORDER BY e::text)::text FROM (SELECT invoice_id, kind, stage, reward_group_id, points_before,
  points_after, effective_on, cause, source_transaction, part, committed_at, facts FROM point_entries) AS e
UNION ALL SELECT json_agg(c ORDER BY c::text)::text FROM (SELECT customer_master_id, company, points, pending, at_risk
  FROM customer_points WHERE (points, pending, at_risk) <> (0, 0, 0)) AS c
UNION ALL SELECT json_agg(g ORDER BY g::text)::text FROM (SELECT * FROM reward_group_totals WHERE (earned, pending) <> (0, 0)) AS g
"""


@pytest.fixture
def url(postgres: Postgres, database: str) -> str:
    return postgres.url(database)


@pytest.fixture
def worker(url: str) -> Iterator[Callable[..., Pipeline]]:
    made: list[Pipeline] = []

    def make(*, held_max: int = 1_000, address: str = url) -> Pipeline:
        pipeline = Pipeline(
            Sink(address),
            {agent.topic.name: agent.decode for agent in agents_of(LIVE)},
            metadata=TransactionMetadata(),
            held_max=held_max,
            cached_invoices=50,
        )
        made.append(pipeline)
        return pipeline

    yield make
    for pipeline in made:
        pipeline.close()


def history(seed: int) -> Source:
    """Invoices of customers M-0 to M-3, corrected, moved, paid and deleted by chance."""
    chance, source = random.Random(seed), Source()
    for number in range(150):
        if not number % 3:
            source.begin()
        source.insert(
            invoice_row(
                number,
                customer_master_id=f"M-{chance.randrange(4)}",
                transaction_description=f'D-{chance.randrange(20)}\t"\\',
                transaction_amount=f"{chance.choice((-1, 1, 1)) * chance.randrange(1, 400)}.{chance.randrange(100):02}",
                company_abbreviation=chance.choice(("SBM", "GRP")),
            )
        )
        if source.rows and chance.random() < 0.4:
            target = chance.choice(list(source.rows))
            if chance.random() < 0.2:
                source.delete(target)
            else:
                source.update(
                    target,
                    customer_master_id=f"M-{chance.randrange(4)}",
                    transaction_amount=f"{chance.randrange(500)}.00",
                )
    source.begin()
    source.watermark("watermark-0-1", 1)
    return source


def joined() -> Source:
    source = Source("rewards", "customers_reward_groups", "id")
    for number in range(3):
        source.insert(
            {
                "id": number,
                "customer_master_id": f"M-{number}",
                "reward_group_id": 1 + number % 2,
                "enrolled_at": 15_000,
            }
        )
    source.begin()
    source.watermark("watermark-0-1", 1)
    return source


def deliver(pipeline: Pipeline, source: Source, begin: int, end: int, *, topic: str = INVOICES.name) -> int:
    """Return the offset that could be committed then; what is held back lies behind it."""
    records = [record(begin + i, value, key) for i, (key, value) in enumerate(source.events[begin:end])]
    pipeline.take([Delivery(topic, 0, records, len(source.events), 1)])
    outcome = pipeline.work(1)
    return outcome.next_offsets.get((topic, 0), (begin, 1))[0]


def state(url: str) -> list[Any]:
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(STATE)
        found: list[Any] = cursor.fetchall()
    return found


def run_whole(pipeline: Pipeline, source: Source) -> None:
    members = joined()
    deliver(pipeline, members, 0, len(members.events), topic=MEMBERSHIPS.name)
    deliver(pipeline, source, 0, len(source.events))


@pytest.mark.parametrize("seed", range(3))
def test_cut_repeated_and_restarted_the_database_is_the_same(
    postgres: Postgres, worker: Any, url: str, seed: int
) -> None:
    source, chance = history(seed), random.Random(seed + 100)
    run_whole(worker(), source)
    other = postgres.new_database()
    try:
        address = postgres.url(other)
        pipeline = worker(held_max=chance.choice((2, 1_000)), address=address)
        members = joined()
        deliver(pipeline, members, 0, len(members.events), topic=MEMBERSHIPS.name)
        at = 0
        while at < len(source.events):
            until = min(len(source.events), at + chance.randrange(1, 60))
            done = deliver(pipeline, source, at, until)
            if chance.random() < 0.5:
                # Killed after its transaction, before its offset: another worker gets the same again, and some from before.
                pipeline = worker(address=address)
                at = max(0, done - chance.randrange(80))
            else:
                at = until
        pipeline = worker(address=address)
        deliver(pipeline, source, 0, len(source.events))
        evaluate_due(pipeline, address)
        assert state(address) == state(url)
    finally:
        postgres.drop_database(other)


def evaluate_due(pipeline: Pipeline, url: str) -> None:
    """What the clock would send: invoices that awaited the rest of a transaction."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        due = find_reevaluations(cursor)
    records = [record(offset, dump_reevaluation(invoice)) for offset, invoice in enumerate(due)]
    if records:
        pipeline.take([Delivery(REEVALUATIONS.name, 0, records, len(records), 1)])
        pipeline.work(1)


def test_two_workers_at_once_with_the_same_records_write_what_one_would(
    postgres: Postgres, worker: Any, url: str
) -> None:
    source = history(7)
    run_whole(worker(), source)
    other = postgres.new_database()
    try:
        address = postgres.url(other)
        pair = [worker(address=address), worker(address=address)]
        members = joined()
        with ThreadPoolExecutor(2) as pool:
            list(
                pool.map(
                    lambda pipeline: deliver(pipeline, members, 0, len(members.events), topic=MEMBERSHIPS.name), pair
                )
            )

            def work(pipeline: Pipeline) -> None:
                for begin in range(0, len(source.events), 25):
                    deliver(pipeline, source, begin, min(begin + 25, len(source.events)))

            list(pool.map(work, pair))
        last = worker(address=address)
        deliver(last, source, 0, len(source.events))
        assert _without_cuts(state(address)) == _without_cuts(state(url))
    finally:
        postgres.drop_database(other)


def _without_cuts(found: list[Any]) -> list[Any]:
    """All but the log: a cut of 25 records parts a transaction here, and both workers say that it is complete."""
    return [found[0], *found[2:]]


def test_lost_connection_is_tried_again_and_nothing_is_lost(postgres: Postgres, worker: Any, url: str) -> None:
    source, pipeline = history(1), worker()
    members = joined()
    deliver(pipeline, members, 0, len(members.events), topic=MEMBERSHIPS.name)
    records = [record(i, value, key) for i, (key, value) in enumerate(source.events)]
    pipeline.take([Delivery(INVOICES.name, 0, records, len(records), 1)])
    with postgres.admin() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'rewards worker'"
        )
    with pytest.raises(TransientError):
        pipeline.work(1)
    assert pipeline.work(1).record_count == len(records)
    assert pipeline.work(1).record_count == 0


def test_database_restored_to_an_earlier_state_stops_the_worker(worker: Any, url: str) -> None:
    source, pipeline = history(2), worker()
    deliver(pipeline, source, 0, 40)
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM invoices")
    with pytest.raises(InvariantError, match="restored to an earlier state"):
        deliver(pipeline, source, 40, len(source.events))


def test_a_few_bad_records_are_kept_and_the_rest_goes_on(worker: Any, url: str) -> None:
    pipeline, source = worker(), history(3)
    for place in (3, 10, 50):
        source.events.insert(place, ("M-1", b"\xff\x00"))
    deliver(pipeline, source, 0, len(source.events))
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute('SELECT "offset", value, reason FROM dead_letters ORDER BY 1')
        assert [(offset, bytes(value), reason) for offset, value, reason in cursor.fetchall()] == [
            (place, b"\xff\x00", "undecodable") for place in (3, 10, 50)
        ]
        cursor.execute(
            "SELECT next_offset FROM partition_progress WHERE topic = %s AND partition = 0", (INVOICES.name,)
        )
        assert cursor.fetchone() == (len(source.events),)


def test_models_and_alembic_versions_are_one_schema(postgres: Postgres, database: str) -> None:
    engine = sa.create_engine(
        sa.make_url(postgres.url(database, "rewards_owner")).set(drivername="postgresql+psycopg2")
    )
    try:
        with engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), METADATA) == []
    finally:
        engine.dispose()


def test_what_the_sink_copies_has_the_columns_of_the_models(url: str) -> None:
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(sql.SESSION)
        cursor.execute(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
            " WHERE attrelid = 'incoming_invoices'::regclass AND attnum > 0"
        )
        incoming = dict(cursor.fetchall())
        cursor.execute(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'invoices'::regclass AND attnum > 0"
        )
        stored = dict(cursor.fetchall())
    assert {**incoming, "updated_at": "timestamp with time zone"} == stored


def test_record_that_postgres_refuses_is_found_and_kept_and_the_others_are_written(
    postgres: Postgres, worker: Any, url: str, database: str
) -> None:
    """A row that gets past decoding: here a constraint stands for a limit of Postgres that nobody thought of."""
    with psycopg2.connect(postgres.url(database, "rewards_owner")) as connection, connection.cursor() as cursor:
        cursor.execute("ALTER TABLE invoices ADD CONSTRAINT refused CHECK (rows::text NOT LIKE '%Refused%')")
    source = history(5)
    number = next(iter(source.rows))
    source.update(number, product_line_name="Refused")
    source.begin()
    source.watermark("watermark-0-1", 2)
    pipeline = worker()
    members = joined()
    deliver(pipeline, members, 0, len(members.events), topic=MEMBERSHIPS.name)
    records = [record(i, value, key) for i, (key, value) in enumerate(source.events)]
    pipeline.take([Delivery(INVOICES.name, 0, records, len(records), 1)])
    written, batches = 0, 0
    while written < len(records):
        outcome = pipeline.work(1)
        written, batches = written + outcome.record_count, batches + 1
        assert batches < 200
        assert outcome.more or written == len(records)

    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT reason, detail FROM dead_letters")
        ((reason, detail),) = cursor.fetchall()
        cursor.execute(
            "SELECT next_offset FROM partition_progress WHERE topic = %s AND partition = 0", (INVOICES.name,)
        )
        assert cursor.fetchone() == (len(records),)
        cursor.execute("SELECT count(*) FROM invoices WHERE rows::text LIKE '%%Refused%%'")
        assert cursor.fetchone() == (0,)
        cursor.execute(
            "SELECT (SELECT sum(points) FROM customer_points), (SELECT sum(delta) FROM point_entries WHERE invoice_id IS NOT NULL),"
            " (SELECT sum(points) FROM invoices)"
        )
        totals = cursor.fetchone()
    assert reason == "refused_by_postgres"
    assert "refused" in detail
    assert "DETAIL" not in detail
    assert totals is not None
    assert len(set(totals)) == 1


def test_worker_that_is_stopped_in_its_transaction_gives_its_locks_up_and_does_the_batch_again(
    worker: Any, url: str
) -> None:
    source, members = history(1), joined()
    stopped = Sink(url, idle_seconds_max=0.5)

    def stand_still() -> None:
        """Begin, as a worker that is stopped by a signal then; another one is given the partition meanwhile."""
        with stopped.transaction([0]):
            pipeline = worker()
            deliver(pipeline, members, 0, len(members.events), topic=MEMBERSHIPS.name)
            deliver(pipeline, source, 0, len(source.events))

    try:
        with pytest.raises(TransientError):
            stand_still()
        with stopped.transaction([0]) as transaction:
            assert transaction.progress[INVOICES.name, 0].next_offset == len(source.events)
    finally:
        stopped.close()


def test_customers_that_changed_are_named_in_as_many_notifications_as_it_takes() -> None:
    customers = [f"M-{number}" for number in range(5_000)] + ["🏠" * 500, "\x01" * 1_000, "x" * 2_000]
    payloads = notifications(customers)
    assert len(payloads) > 1
    assert all(len(payload.encode()) < 8_000 for payload in payloads)
    assert customers_of(payloads) == frozenset(customers)
    assert notifications(["M-1"]) == ['["M-1"]']
    assert notifications(["\x01" * 2_000]) == ["*"]
