"""Each thing that can be wrong with a source, beside one that is sound: its finding, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from connectors.source.captured import COLUMNS, WATERMARKS, all_captured
from connectors.source.catalog import Catalog, Column, Publication, Published, Role, Slot, Table, parse
from connectors.source.findings import FOR_A_PERSON, GAPS, Code, Finding, Severity
from connectors.source.judgement import judge_catalog, judge_memory
from connectors.source.memory import Identity, Memory, identity_of
from connectors.source.slot import SLOT_BEHIND_MAX_BYTES
from connectors.source.topic import PartitionState, TopicState
from connectors.watermarks import watermark_ids

CAPTURED = all_captured()["warehouse"]
TABLE = CAPTURED.table
PARTITIONS = 8
TYPES = {"numeric": "numeric(15,2)", "character varying": "character varying(40)"}


def column(number: int, base: str, **changes: Any) -> Column:
    return Column(number, TYPES.get(base, base), base, **changes)


COLUMNS_OF_TABLE = {
    name: column(number, min(accepted)) for number, (name, accepted) in enumerate(COLUMNS[TABLE].items(), start=1)
}
SOUND = Catalog(
    database="warehouse",
    wal_level="logical",
    role=Role(),
    tables={
        TABLE: Table(100, columns=COLUMNS_OF_TABLE),
        WATERMARKS: Table(101, columns={"customer_master_id": column(1, "text"), "mark": column(2, "bigint")}),
    },
    sequence=True,
    publication=Publication(200, "7", tables={TABLE: Published(201), WATERMARKS: Published(202)}),
    slot=Slot("warehouse", "pgoutput"),
    watermarks=frozenset(watermark_ids(PARTITIONS)),
)
TOPIC = TopicState("topic-1", {number: PartitionState(0, 10, 1_000) for number in range(PARTITIONS)})
IDENTITY = identity_of(CAPTURED, SOUND, TOPIC, TOPIC.starts)
assert SOUND.publication is not None
PUBLICATION: Publication = SOUND.publication
Change = Callable[[Catalog], Catalog]


def table(name: str = TABLE, **changes: Any) -> Change:
    return lambda one: replace(one, tables=one.tables | {name: replace(one.tables[name], **changes)})


def columns(**changes: Column | None) -> Change:
    kept = {name: one for name, one in (COLUMNS_OF_TABLE | changes).items() if one is not None}
    return table(columns=kept)


def publication(**changes: Any) -> Change:
    return lambda one: replace(one, publication=replace(PUBLICATION, **changes))


def published(name: str = TABLE, **changes: Any) -> Change:
    return publication(tables=PUBLICATION.tables | {name: replace(PUBLICATION.tables[name], **changes)})


def slot(**changes: Any) -> Change:
    return lambda one: replace(one, slot=replace(Slot("warehouse", "pgoutput"), **changes))


def without(name: str) -> Change:
    return lambda one: replace(one, tables={known: table for known, table in one.tables.items() if known != name})


def judged(change: Change, *, past_snapshot: bool | None = True) -> list[Finding]:
    return judge_catalog(CAPTURED, change(SOUND), PARTITIONS, past_snapshot=past_snapshot)


def codes(findings: list[Finding]) -> list[Code]:
    return [one.code for one in findings]


HIDING = tuple(range(1, len(COLUMNS_OF_TABLE)))
CASES: dict[str, tuple[Change, Code]] = {
    "wal_level replica": (lambda one: replace(one, wal_level="replica"), Code.WAL_LEVEL),
    "no table": (without(TABLE), Code.TABLE_MISSING),
    "a view": (table(kind="v"), Code.TABLE_KIND),
    "a partitioned table": (table(kind="p"), Code.TABLE_KIND),
    "a foreign table": (table(kind="f"), Code.TABLE_KIND),
    "attached as a partition": (table(is_partition=True), Code.TABLE_KIND),
    "children that inherit": (table(has_children=True), Code.TABLE_KIND),
    "row level security": (table(hides_rows=True), Code.TABLE_KIND),
    "unlogged": (table(persistence="u"), Code.TABLE_KIND),
    "column missing": (columns(transaction_retainage=None), Code.COLUMN_MISSING),
    "flag retyped to text": (columns(transaction_type_rewards_invoice=column(3, "text")), Code.COLUMN_TYPE),
    "amount retyped to float": (columns(transaction_amount=column(6, "double precision")), Code.COLUMN_TYPE),
    "date retyped to timestamp": (
        columns(transaction_date=column(2, "timestamp without time zone")),
        Code.COLUMN_TYPE,
    ),
    "id retyped to numeric": (columns(transaction_id=column(1, "numeric")), Code.COLUMN_TYPE),
    "generated column": (columns(system_name=column(11, "text", generated=True)), Code.COLUMN_TYPE),
    "REPLICA IDENTITY DEFAULT": (table(replica_identity="d"), Code.REPLICA_IDENTITY),
    "REPLICA IDENTITY NOTHING": (table(replica_identity="n"), Code.REPLICA_IDENTITY),
    "no publication": (lambda one: replace(one, publication=None), Code.PUBLICATION_MISSING),
    "truncate not published": (
        publication(publishes=frozenset({"insert", "update", "delete"})),
        Code.PUBLICATION_OPTIONS,
    ),
    "published via the root": (publication(via_root=True), Code.PUBLICATION_OPTIONS),
    "table not published": (publication(tables={WATERMARKS: Published(202)}), Code.TABLE_NOT_PUBLISHED),
    "row filter": (published(filtered=True), Code.TABLE_FILTERED),
    "column list that hides one": (published(column_numbers=HIDING), Code.TABLE_FILTERED),
    "watermarks not published": (publication(tables={TABLE: Published(201)}), Code.WATERMARK_TABLE),
    "watermarks filtered": (published(WATERMARKS, filtered=True), Code.WATERMARK_TABLE),
    "watermarks not FULL": (table(WATERMARKS, replica_identity="d"), Code.WATERMARK_TABLE),
    "no watermarks": (without(WATERMARKS), Code.WATERMARK_TABLE),
    "no sequence": (lambda one: replace(one, sequence=False), Code.WATERMARK_TABLE),
    "a watermark row missing": (
        lambda one: replace(one, watermarks=frozenset(watermark_ids(PARTITIONS)[1:])),
        Code.WATERMARK_ROWS,
    ),
    "watermark rows of other partitions": (
        lambda one: replace(one, watermarks=one.watermarks | {"watermark-9-0"}),
        Code.WATERMARK_ROWS,
    ),
    "no role": (lambda one: replace(one, role=None), Code.ROLE_MISSING),
    "role without REPLICATION": (lambda one: replace(one, role=Role(may_replicate=False)), Code.ROLE_MISSING),
    "role may not read": (table(readable=False), Code.ROLE_RIGHTS),
    "role may not mark": (table(WATERMARKS, updatable=False), Code.ROLE_RIGHTS),
    "role may not use the sequence": (lambda one: replace(one, role=Role(may_mark=False)), Code.ROLE_RIGHTS),
    "no slot": (lambda one: replace(one, slot=None), Code.SLOT_MISSING),
    "slot lost": (slot(wal_status="lost", active=False), Code.SLOT_LOST),
    "slot invalidated": (slot(invalidation_reason="idle_timeout", active=False), Code.SLOT_LOST),
    "slot of another plugin": (slot(plugin="decoderbufs"), Code.SLOT_LOST),
    "slot of another database": (slot(database="other"), Code.SLOT_FOREIGN),
    "nobody reads the slot": (slot(active=False), Code.SLOT_INACTIVE),
    "slot about to be lost": (slot(wal_status="unreserved"), Code.SLOT_BEHIND),
    "slot far behind": (slot(behind_bytes=SLOT_BEHIND_MAX_BYTES + 1), Code.SLOT_BEHIND),
}


def test_sound_source_has_no_finding() -> None:
    assert judged(lambda one: one) == []
    assert judge_memory(CAPTURED, SOUND, Memory(IDENTITY)) == []


@pytest.mark.parametrize("case", CASES)
def test_unsound_source_has_its_finding_with_a_remedy(case: str) -> None:
    change, code = CASES[case]

    (found,) = judged(change)

    assert (found.code, found.connector, found.severity) == (code, "warehouse", Severity.ERROR)
    assert found.message
    assert not found.message.endswith(".")
    assert ("rewards connectors repair" in found.remedy) or found.code in FOR_A_PERSON
    # What a person must do is never that command alone.
    assert (found.remedy == "rewards connectors repair") == (found.code not in FOR_A_PERSON), (
        "a remedy that repair does not bring"
    )


@pytest.mark.parametrize("accepted", ["text", "character varying", "character"])
def test_every_kind_of_text_is_accepted(accepted: str) -> None:
    assert judged(columns(customer_master_id=column(9, accepted))) == []


def test_integer_is_accepted_for_an_id_and_any_numeric_for_an_amount() -> None:
    wider = Column(6, "numeric", "numeric")

    assert judged(columns(transaction_id=column(1, "integer"), transaction_amount=wider)) == []


def test_column_that_no_rule_reads_may_be_anything() -> None:
    assert judged(columns(customer_name=column(40, "json"), note=column(41, "xml"))) == []


def test_column_list_with_every_needed_column_hides_nothing() -> None:
    assert judged(published(column_numbers=(*HIDING, len(COLUMNS_OF_TABLE)))) == []


def test_slot_is_made_by_the_first_snapshot() -> None:
    assert judged(lambda one: replace(one, slot=None), past_snapshot=False) == []


def test_slot_that_nobody_reads_during_a_snapshot_is_a_warning() -> None:
    (found,) = judged(slot(active=False), past_snapshot=False)

    assert (found.code, found.severity) == (Code.SNAPSHOT_RUNNING, Severity.WARNING)


def test_partitions_that_are_not_known_leave_the_watermark_rows_unjudged() -> None:
    unseeded = replace(SOUND, watermarks=frozenset())

    assert judge_catalog(CAPTURED, unseeded, None, past_snapshot=True) == []


CHANGED: dict[str, tuple[Change, Code]] = {
    "table made anew": (table(oid=900), Code.TABLE_REPLACED),
    "column dropped and added": (columns(transaction_amount=column(40, "numeric")), Code.COLUMN_CHANGED),
    "column retyped": (
        columns(transaction_amount=Column(6, "numeric(18,4)", "numeric")),
        Code.COLUMN_CHANGED,
    ),
    "publication made anew": (publication(oid=900), Code.PUBLICATION_REPLACED),
    "publication altered": (publication(version="8"), Code.PUBLICATION_REPLACED),
    "table out of the publication for a time": (published(oid=900), Code.PUBLICATION_REPLACED),
}


@pytest.mark.parametrize("case", CHANGED)
def test_source_that_is_another_than_the_captured_one_is_a_gap(case: str) -> None:
    change, code = CHANGED[case]

    (found,) = judge_memory(CAPTURED, change(SOUND), Memory(IDENTITY))

    assert found.code == code
    assert found.is_gap
    assert judged(change) == []


def test_column_that_no_rule_reads_may_be_made_anew() -> None:
    assert judge_memory(CAPTURED, columns(customer_name=column(77, "text"))(SOUND), Memory(IDENTITY)) == []


@pytest.mark.parametrize("memory", [None, Memory(None)])
def test_what_was_never_written_down_is_not_well(memory: Memory | None) -> None:
    assert codes(judge_memory(CAPTURED, SOUND, memory)) == [Code.SNAPSHOT_NOT_RECORDED]


@pytest.mark.parametrize("identity", [None, IDENTITY])
def test_snapshot_that_is_due_is_said_until_it_began(identity: Identity | None) -> None:
    (found,) = judge_memory(CAPTURED, SOUND, Memory(identity, "the slot was lost"))

    assert found.code == Code.SNAPSHOT_DUE
    assert found.message == "a new snapshot is due: the slot was lost"


def test_what_a_person_must_mend_is_known_to_be_a_gap_where_changes_were_lost() -> None:
    # Neither does what can only not be seen, nor what keeps WAL until it is mended.
    assert {Code.COLUMN_MISSING, Code.COLUMN_TYPE, Code.TABLE_MISSING, Code.TABLE_KIND} <= GAPS & FOR_A_PERSON
    assert not GAPS & {Code.SOURCE_UNREADABLE, Code.ROLE_RIGHTS, Code.WATERMARK_ROWS, Code.RECORDS_OLD}


def test_publication_of_all_tables_or_of_the_schema_publishes_the_captured_one() -> None:
    answer: dict[str, Any] = {
        "database": "warehouse", "wal_level": "logical", "role": None, "sequence": True, "slot": None,
        "tables": {TABLE: {"oid": 1, "columns": {}}, WATERMARKS: {"oid": 2, "columns": {}}},
        "publication": {"oid": 5, "version": "7", "puballtables": True, "pubinsert": True, "pubupdate": True,
                        "pubdelete": True, "pubtruncate": False, "pubviaroot": False},
        "entries": None,
    }  # fmt: skip
    of_schema = answer | {
        "publication": answer["publication"] | {"puballtables": False},
        "entries": [
            {"oid": 6, "relation": None, "filtered": False, "columns": None},
            {"oid": 7, "relation": TABLE, "filtered": True, "columns": [1, 2]},
        ],
    }

    everything, schema = parse(answer, frozenset()).publication, parse(of_schema, frozenset()).publication

    assert everything is not None
    assert schema is not None
    assert everything.tables == {TABLE: Published(5), WATERMARKS: Published(5)}
    assert everything.publishes == {"insert", "update", "delete"}
    assert schema.tables == {WATERMARKS: Published(6), TABLE: Published(7, (1, 2), filtered=True)}
