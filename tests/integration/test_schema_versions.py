"""A database of an earlier version, with data in it, comes to the newest; a generation beside the live one has tables of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
import sqlalchemy as sa
from alembic import command

from migration.schema import configuration, upgrade
from streams.errors import SettingsError
from streams.generation import LIVE, beside_live
from streams.postgres.generations import create_state, drop_state
from streams.postgres.sink import Sink
from streams.source.transaction_metadata import TransactionMetadata
from streams.state.causes import Cause
from streams.topics import INVOICES, MEMBERSHIPS, PARTITIONS
from streams.worker.agents import agents_of
from streams.worker.batch import Delivery
from streams.worker.pipeline import Pipeline
from tests.change_events import Source, invoice_row, record
from tests.integration.api.servers import Postgres

DATA = """
INSERT INTO reward_groups (id, name) VALUES (1, 'Group');
INSERT INTO customers_reward_groups (customer_master_id, reward_group_id, enrolled_at) VALUES ('M-1', 1, '2011-01-15');
INSERT INTO partition_progress (topic, partition, generation, generation_offset, next_offset, mark_generation, mark_lsn)
  VALUES ('warehouse.public.invoice_transactions', 3, 501, 17, 40, 501, 600);
INSERT INTO source_epochs (topic, generation, lsn, kind, happened_at)
  VALUES ('warehouse.public.invoice_transactions', 501, 0, 'snapshot', now());
INSERT INTO dead_letters (topic, partition, "offset", reason, detail) VALUES ('t', 0, 5, 'bad_date', 'x');
INSERT INTO invoices (id, customer_master_id, company, system_name, document, partition, rows, oldest_generation, oldest_lsn, revision,
  awaiting, awaiting_cause, as_of, reward, penalties, points, pending, at_risk, billed, paid, open)
  VALUES ('7c0c0f0e-0000-0000-0000-000000000001', 'M-1', 'SBM', 'BisTrack', 'D-1', 3, '{}', 501, 9, 2, 'warehouse:702',
  '{"transaction": "warehouse:702", "committed_ms": 5, "lsn": 9, "rows": [17], "row_count": 1, "text": null}', '2026-03-01',
  0, '{}', 0, 0, 0, 0, 0, 0);
"""
CAUSES = {
    "change of row 17 at 0/1A2B3C4": {"kind": "rows", "rows": [17], "row_count": 1, "lsn": "0/1A2B3C4"},
    "change of rows 17, 18, 19 and 4 more at 1/0": {"kind": "rows", "rows": [17, 18, 19], "row_count": 7, "lsn": "1/0"},
    "change of rows 17, -18 at 0/A": {"kind": "rows", "rows": [17, -18], "row_count": 2, "lsn": "0/A"},
    "day 2026-05-02": {"kind": "day", "business_date": "2026-05-02"},
    "reload after the truncate at 0/1A2B": {"kind": "reload", "lsn": "0/1A2B"},
    "snapshot at 0/1A2B": {"kind": "snapshot", "lsn": "0/1A2B"},
    "enrolment on 2011-01-15": {"kind": "enrolment", "text": "enrolment on 2011-01-15"},
    "redemption 4 of the legacy program": {"kind": "legacy"},
    "adjustment 9": {"kind": "office"},
}


@pytest.fixture
def empty(postgres: Postgres) -> Iterator[str]:
    name = postgres.new_database("template0")
    yield name
    postgres.drop_database(name)


def owner(postgres: Postgres, database: str) -> str:
    return postgres.url(database, "rewards_owner")


def upgrade_to(url: str, version: str) -> None:
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg2"))
    try:
        with engine.begin() as connection:
            config = configuration()
            config.attributes["connection"] = connection
            command.upgrade(config, version)
    finally:
        engine.dispose()


def execute(url: str, statement: str, *values: Any) -> list[Any]:
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def test_database_of_the_version_before_comes_to_the_newest_with_its_data(postgres: Postgres, empty: str) -> None:
    url = owner(postgres, empty)
    upgrade_to(url, "0003")
    execute(url, DATA)
    for number, cause in enumerate(CAUSES):
        execute(
            url,
            "INSERT INTO point_entries (reward_group_id, kind, points_before, points_after, delta, effective_on, cause,"
            " source_transaction, facts) VALUES (1, 'adjustment', 0, 5, 5, '2026-03-01', %s, %s, '{}')",
            cause,
            f"t {number}",
        )

    assert upgrade(url)[0] == "0003"

    assert dict(execute(url, "SELECT cause, cause_data FROM point_entries")) == CAUSES
    assert execute(
        url, "SELECT snapshot_lsn, snapshot_offset, next_offset, mark_snapshot_lsn, halted_at FROM partition_progress"
    ) == [(501, 17, 40, 501, None)]
    assert execute(url, "SELECT oldest_snapshot_lsn, oldest_lsn, terms_id FROM invoices") == [(501, 9, None)]
    assert execute(url, "SELECT status, attempts FROM dead_letters") == [("open", 1)]
    assert execute(url, "SELECT customer_master_id, term FROM search_terms ORDER BY term") == [
        ("M-1", "1"), ("M-1", "group"), ("M-1", "m-1"),
    ]  # fmt: skip
    ((stored,),) = execute(url, "SELECT awaiting_cause FROM invoices")
    assert Cause.load(stored) == Cause("warehouse:702", 5, lsn=9, rows=(17,), row_count=1)
    assert upgrade(url)[0] == upgrade(url)[1]


@pytest.mark.parametrize(
    "statement",
    ["UPDATE rates SET points_per_dollar = 9", "DELETE FROM rates", "TRUNCATE rates", "UPDATE program_terms SET settings = '{}'",
     "DELETE FROM program_terms"],
)  # fmt: skip
def test_terms_are_refused_to_change_in_place_with_what_to_do_instead(
    postgres: Postgres, database: str, statement: str
) -> None:
    with pytest.raises(psycopg2.errors.RaiseException, match="Insert another row"):
        execute(owner(postgres, database), statement)


def test_new_rate_makes_a_new_version_of_the_terms(postgres: Postgres, database: str) -> None:
    url = owner(postgres, database)
    ((before, settings),) = execute(url, "SELECT id, settings FROM program_terms ORDER BY id DESC LIMIT 1")
    execute(url, "INSERT INTO rates (company, points_per_dollar, effective_on) VALUES ('SBM', 2, '2026-01-01')")
    ((after, same),) = execute(url, "SELECT id, settings FROM program_terms ORDER BY id DESC LIMIT 1")
    assert after > before
    assert same == settings


def evaluated(url: str, generation: Any) -> int | None:
    """Let a worker of a generation take an invoice in; return the terms that it was evaluated under."""
    pipeline = Pipeline(
        Sink(url, generation),
        {agent.topic.name: agent.decode for agent in agents_of(generation)},
        metadata=TransactionMetadata(),
        held_max=100,
        cached_invoices=50,
        generation=generation,
    )
    source = Source()
    source.insert(invoice_row(17))
    source.begin()
    source.watermark("watermark-0-1", 1)
    records = [record(offset, value, key) for offset, (key, value) in enumerate(source.events)]
    try:
        pipeline.take([Delivery(INVOICES.name, 0, records, len(records), 1)])
        assert pipeline.work(1).record_count == len(records)
    finally:
        pipeline.close()
    prefix = generation.schema
    ((terms_id,),) = execute(url, f"SELECT terms_id FROM {prefix}.invoices")
    return int(terms_id)


def test_generation_beside_the_live_one_has_state_of_its_own_and_leaves_nothing(
    postgres: Postgres, database: str
) -> None:
    url, rebuilt = postgres.url(database), beside_live(42)
    create_state(owner(postgres, database), rebuilt)
    create_state(owner(postgres, database), rebuilt)

    newest = execute(url, "SELECT max(id) FROM program_terms")[0][0]
    assert evaluated(url, rebuilt) == newest
    assert execute(url, "SELECT count(*) FROM public.invoices") == [(0,)]
    topics = {topic for (topic,) in execute(url, "SELECT DISTINCT topic FROM generation_42.partition_progress")}
    assert topics == {INVOICES.name, MEMBERSHIPS.name, "rewards-42.due-invoices"}
    assert execute(url, "SELECT count(*) FROM generation_42.partition_progress") == [(3 * PARTITIONS,)]
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        execute(url, "DELETE FROM generation_42.point_entries")
    assert evaluated(url, LIVE) == newest

    drop_state(owner(postgres, database), rebuilt)
    drop_state(owner(postgres, database), rebuilt)
    assert execute(url, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'generation%%'") == [(0,)]
    with pytest.raises(SettingsError, match="never dropped"):
        drop_state(owner(postgres, database), LIVE)
