"""Dead letters and halted partitions on a real Postgres: kept first, halted then, and every way on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg2
import pytest

from streams.generation import LIVE
from streams.postgres.letters import find_retries
from streams.postgres.reevaluations import find_reevaluations
from streams.postgres.sink import Sink
from streams.source.bad_records import BadRecordLimits
from streams.source.decode import dump_reevaluation
from streams.source.transaction_metadata import TransactionMetadata
from streams.state.causes import RETRY
from streams.state.changes import Reevaluation
from streams.topics import INVOICES, MEMBERSHIPS, REEVALUATIONS
from streams.worker import pipeline as module
from streams.worker.agents import agents_of
from streams.worker.batch import Delivery, Outcome
from streams.worker.pipeline import Pipeline
from tests.change_events import Source, invoice_row, record
from tests.integration.api.servers import Postgres

LIMIT = 10


@pytest.fixture
def url(postgres: Postgres, database: str) -> str:
    return postgres.url(database)


@pytest.fixture
def worker(url: str) -> Iterator[Callable[..., Pipeline]]:
    made: list[Pipeline] = []

    def make(**options: Any) -> Pipeline:
        pipeline = Pipeline(
            Sink(url),
            {agent.topic.name: agent.decode for agent in agents_of(LIVE)},
            metadata=TransactionMetadata(),
            held_max=1_000,
            cached_invoices=50,
            **options,
        )
        made.append(pipeline)
        return pipeline

    yield make
    for pipeline in made:
        pipeline.close()


@pytest.fixture(autouse=True)
def _looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A halted partition is looked at again at every call."""
    monkeypatch.setattr(module, "HALTED_LOOK_SECONDS", 0.0)


def ask(url: str, question: str, *values: Any) -> list[tuple[Any, ...]]:
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(question, values or None)
        return [] if cursor.description is None else cursor.fetchall()


def deliver(
    pipeline: Pipeline, source: Source, begin: int = 0, *, topic: str = INVOICES.name, partition: int = 0
) -> Outcome:
    records = [record(begin + i, value, key) for i, (key, value) in enumerate(source.events[begin:])]
    pipeline.take([Delivery(topic, partition, records, len(source.events), 1)])
    return pipeline.work(1)


def enrol(pipeline: Pipeline) -> None:
    source = Source("rewards", "customers_reward_groups", "id")
    source.insert({"id": 1, "customer_master_id": "M-1001", "reward_group_id": 1, "enrolled_at": 15_000})
    source.begin()
    source.watermark("watermark-0-1", 1)
    deliver(pipeline, source, topic=MEMBERSHIPS.name)


def next_offset(url: str, partition: int = 0) -> int:
    ((found,),) = ask(
        url, "SELECT next_offset FROM partition_progress WHERE topic = %s AND partition = %s", INVOICES.name, partition
    )
    return int(found)


def halted(url: str) -> list[tuple[Any, ...]]:
    return ask(url, "SELECT topic, partition, halted_reason FROM partition_progress WHERE halted_at IS NOT NULL")


def letters(url: str) -> list[tuple[Any, ...]]:
    return ask(url, 'SELECT "offset", row_id, status, attempts, reason FROM dead_letters ORDER BY id')


def points(url: str) -> int:
    ((invoices, entries, totals),) = ask(
        url,
        "SELECT (SELECT coalesce(sum(points), 0) FROM invoices), (SELECT coalesce(sum(delta), 0) FROM point_entries),"
        " (SELECT coalesce(sum(points), 0) FROM customer_points)",
    )
    assert invoices == entries == totals
    return int(invoices)


def screenful(count: int = 20, source: Source | None = None) -> Source:
    """Rows without an amount, a source transaction each."""
    source = source or Source()
    for number in range(1, count + 1):
        source.begin()
        source.insert(invoice_row(number, transaction_amount=None, transaction_description=f"D-{number}"))
    source.begin()
    source.watermark("watermark-0-1", 1)
    return source


def paid(source: Source, number: int) -> None:
    source.begin()
    source.insert(
        invoice_row(
            1_000 + number,
            transaction_type_rewards_invoice=False,
            transaction_type_rewards_payment=True,
            transaction_amount="-10.00",
            transaction_description=f"D-{number}",
        )
    )


def test_bad_rows_are_kept_first_then_their_partition_halts_and_the_others_go_on(worker: Any, url: str) -> None:
    pipeline, source = worker(), screenful()
    outcome = deliver(pipeline, source)
    assert [letter[:3] for letter in letters(url)] == [(n, n + 1, "open") for n in range(LIMIT)]
    assert next_offset(url) == LIMIT
    assert halted(url) == [
        (
            INVOICES.name,
            0,
            f"{LIMIT} rows in a row cannot be used, up to offset {LIMIT - 1}, the last for missing_value",
        )
    ]
    assert outcome.halted == {(INVOICES.name, 0): len(source.events) - LIMIT}
    assert not outcome.held

    other = Source()
    other.insert(invoice_row(1, customer_master_id="M-2"))
    other.begin()
    other.watermark("watermark-1-1", 1)
    deliver(pipeline, other, partition=1)
    assert next_offset(url, 1) == len(other.events)
    assert next_offset(url) == LIMIT


def test_halt_outlives_the_worker(worker: Any, url: str) -> None:
    source = screenful()
    deliver(worker(), source)
    second = worker()
    outcome = deliver(second, source, LIMIT)
    assert outcome.record_count == 0
    assert outcome.halted
    assert next_offset(url) == LIMIT
    # Read again from before, as after a kill between the sink and the offset.
    assert deliver(worker(), source).record_count == 0
    assert len(letters(url)) == LIMIT


def test_count_outlives_the_worker(worker: Any, url: str) -> None:
    source = screenful()
    for offset in range(LIMIT - 1):
        pipeline = worker()
        pipeline.take([Delivery(INVOICES.name, 0, [record(offset, source.events[offset][1])], offset + 2, 1)])
        more = [record(offset + 1, source.events[offset + 1][1])]
        pipeline.take([Delivery(INVOICES.name, 0, more, offset + 2, 1)])
        pipeline.work(1)
    assert halted(url) == []
    deliver(worker(), source, LIMIT - 1)
    assert len(halted(url)) == 1


def test_limits_are_settings(worker: Any, url: str) -> None:
    deliver(worker(limits=BadRecordLimits(rows_in_a_row=25)), screenful())
    assert halted(url) == []
    assert len(letters(url)) == 20


def test_corrected_rows_let_their_partition_go_on_by_itself_and_their_letters_are_superseded(
    worker: Any, url: str
) -> None:
    pipeline, source = worker(), screenful()
    enrol(pipeline)
    deliver(pipeline, source)
    first = len(source.events)
    assert len(halted(url)) == 1
    source.begin()
    for number in range(1, 21):
        source.update(number, transaction_amount="10.00")
    for number in range(1, 21):
        paid(source, number)
    source.begin()
    source.watermark("watermark-0-1", 2)
    deliver(pipeline, source, first)
    assert halted(url) == []
    assert next_offset(url) == len(source.events)
    assert {status for _, _, status, *_ in letters(url)} == {"superseded"}
    assert len(letters(url)) == 20
    assert points(url) == 200


def test_row_that_stays_bad_has_one_open_letter(worker: Any, url: str) -> None:
    source = Source()
    source.insert(invoice_row(1))
    for _ in range(30):
        source.update(1, transaction_amount=None)
    source.begin()
    source.watermark("watermark-0-1", 1)
    deliver(worker(), source)
    assert halted(url) == []
    assert [status for _, _, status, *_ in letters(url)] == ["superseded"] * 29 + ["open"]


def test_letter_of_a_row_that_was_deleted_later_is_superseded_though_the_old_version_cannot_be_used(
    worker: Any, url: str
) -> None:
    pipeline, source = worker(), Source()
    source.insert(invoice_row(1, transaction_description="x" * 3_000))
    source.begin()
    source.watermark("watermark-0-1", 1)
    deliver(pipeline, source)
    assert [status for _, _, status, *_ in letters(url)] == ["open"]
    begin = len(source.events)
    source.delete(1)
    source.begin()
    source.watermark("watermark-0-1", 2)
    deliver(pipeline, source, begin)
    assert [status for _, _, status, *_ in letters(url)] == ["superseded"]


# -- tried again


def retry(pipeline: Pipeline, url: str, offset: int = 0) -> None:
    """What a person asks for, and what the scheduler sends."""
    ask(url, "UPDATE dead_letters SET retry_requested_at = now() WHERE status = 'open'")
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        wanted = find_retries(cursor)
    records = [
        record(offset + i, dump_reevaluation(Reevaluation("", None, RETRY, str(number))))
        for i, (number, _) in enumerate(wanted)
    ]
    pipeline.take([Delivery(REEVALUATIONS.name, 0, records, offset + len(records), 1)])
    pipeline.work(1)


def evaluate_due(pipeline: Pipeline, url: str) -> None:
    """What the scheduler would send: invoices that awaited the rest of a transaction."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        due = find_reevaluations(cursor)
    ((offset,),) = ask(
        url, "SELECT next_offset FROM partition_progress WHERE topic = %s AND partition = 0", REEVALUATIONS.name
    )
    records = [record(offset + i, dump_reevaluation(invoice)) for i, invoice in enumerate(due)]
    if records:
        pipeline.take([Delivery(REEVALUATIONS.name, 0, records, offset + len(records), 1)])
        pipeline.work(1)


def with_mended_program(pipeline: Pipeline) -> Pipeline:
    """As after a new version of the program, which can read an amount with a comma."""
    decode = pipeline._decoders[INVOICES.name]

    def mended(found: Any) -> Any:
        value = None if found.value is None else found.value.replace(b'"10,00"', b'"10.00"')
        return decode(record(found.offset, value))

    pipeline._decoders = {**pipeline._decoders, INVOICES.name: mended}
    return pipeline


def with_commas(count: int) -> Source:
    source = Source()
    for number in range(1, count + 1):
        source.begin()
        source.insert(invoice_row(number, transaction_amount="10.00", transaction_description=f"D-{number}"))
        paid(source, number)
        source.begin()
        source.update(number, transaction_amount="10,00")
    source.begin()
    source.watermark("watermark-0-1", 1)
    return source


def test_letter_that_can_be_used_by_now_counts_at_its_true_place(worker: Any, url: str) -> None:
    pipeline = worker()
    enrol(pipeline)
    deliver(pipeline, with_commas(3))
    assert [status for _, _, status, *_ in letters(url)] == ["open"] * 3
    assert points(url) == 0
    retry(with_mended_program(pipeline), url)
    assert [(status, attempts) for _, _, status, attempts, _ in letters(url)] == [("retried", 2)] * 3
    assert points(url) == 30


def test_letter_that_cannot_be_used_still_stays_open_with_another_attempt(worker: Any, url: str) -> None:
    pipeline = worker()
    deliver(pipeline, screenful(2))
    retry(pipeline, url)
    assert [letter[2:] for letter in letters(url)] == [("open", 2, "missing_value")] * 2
    assert ask(url, "SELECT count(*) FROM dead_letters WHERE retry_requested_at IS NOT NULL") == [(0,)]


def test_partition_whose_letters_can_all_be_used_goes_on(worker: Any, url: str) -> None:
    pipeline, source = worker(), Source()
    enrol(pipeline)
    for number in range(1, 13):
        source.begin()
        source.insert(invoice_row(number, transaction_amount="10,00", transaction_description=f"D-{number}"))
    source.begin()
    source.watermark("watermark-0-1", 1)
    deliver(pipeline, source)
    assert len(halted(url)) == 1
    retry(with_mended_program(pipeline), url)
    assert halted(url) == []
    pipeline.work(1)
    assert next_offset(url) == len(source.events)
    # The tenth letter's transaction was the last that had come: it waited for the next.
    evaluate_due(pipeline, url)
    assert ask(url, "SELECT count(*) FROM invoices WHERE open = 10") == [(10,)]


def test_letter_of_a_row_that_is_known_at_a_later_place_changes_nothing(worker: Any, url: str) -> None:
    pipeline = worker()
    enrol(pipeline)
    source = with_commas(1)
    deliver(pipeline, source)
    begin = len(source.events)
    source.begin()
    source.update(1, transaction_amount="7.00")
    source.begin()
    source.watermark("watermark-0-1", 2)
    deliver(pipeline, source, begin)
    before = points(url)
    # As if its row had not been known to be the same one.
    ask(url, "UPDATE dead_letters SET status = 'open', decided_at = NULL")
    retry(with_mended_program(pipeline), url)
    assert [status for _, _, status, *_ in letters(url)] == ["superseded"]
    assert points(url) == before


def test_invoice_that_awaits_an_open_transaction_keeps_waiting_when_a_letter_of_it_is_tried_again(
    worker: Any, url: str
) -> None:
    pipeline = worker()
    enrol(pipeline)
    source = with_commas(1)
    deliver(pipeline, source)
    begin = len(source.events)
    pipeline = with_mended_program(worker())
    source.begin()
    source.insert(invoice_row(2, transaction_amount="20.00", transaction_description="D-1"))
    source.insert(
        invoice_row(
            3,
            transaction_type_rewards_invoice=False,
            transaction_type_rewards_payment=True,
            transaction_amount="-20.00",
            transaction_description="D-1",
        )
    )
    # The half of it that is too large to wait in memory.
    pipeline._held_max = 0
    records = [record(begin, source.events[begin][1])]
    pipeline.take([Delivery(INVOICES.name, 0, records, begin + 2, 1)])
    pipeline.work(1)
    assert ask(url, "SELECT count(*) FROM invoices WHERE awaiting IS NOT NULL") == [(1,)]
    entries = ask(url, "SELECT count(*) FROM point_entries")
    retry(pipeline, url)
    assert [status for _, _, status, *_ in letters(url)] == ["retried"]
    assert ask(url, "SELECT count(*) FROM point_entries") == entries
    assert ask(url, "SELECT count(*) FROM invoices WHERE awaiting IS NOT NULL") == [(1,)]

    source.begin()
    source.watermark("watermark-0-1", 2)
    pipeline.take(
        [
            Delivery(
                INVOICES.name,
                0,
                [record(begin + 1 + i, value) for i, (_, value) in enumerate(source.events[begin + 1 :])],
                len(source.events),
                1,
            )
        ]
    )
    pipeline.work(1)
    evaluate_due(pipeline, url)
    assert points(url) == 30


def test_letter_that_postgres_refuses_when_it_is_tried_again_stays_open_and_the_worker_goes_on(
    postgres: Postgres, database: str, worker: Any, url: str
) -> None:
    pipeline = worker()
    enrol(pipeline)
    deliver(pipeline, with_commas(2))
    with psycopg2.connect(postgres.url(database, "rewards_owner")) as connection, connection.cursor() as cursor:
        cursor.execute("ALTER TABLE invoices ADD CONSTRAINT refused CHECK (open <> 0 OR paid <> 10)")
    pipeline = with_mended_program(pipeline)
    ask(url, "UPDATE dead_letters SET retry_requested_at = now() WHERE status = 'open'")
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        wanted = find_retries(cursor)
    records = [
        record(i, dump_reevaluation(Reevaluation("", None, RETRY, str(number))))
        for i, (number, *_) in enumerate(wanted)
    ]
    pipeline.take([Delivery(REEVALUATIONS.name, 0, records, len(records), 1)])
    for _ in range(10):
        pipeline.work(1)
    assert [(status, reason) for _, _, status, _, reason in letters(url)] == [("open", "refused_by_postgres")] * 2
    assert ask(url, "SELECT count(*) FROM dead_letters WHERE retry_requested_at IS NOT NULL") == [(0,)]
