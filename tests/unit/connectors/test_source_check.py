from __future__ import annotations

from dataclasses import replace

import pytest

from connectors.registration import ConnectorState
from connectors.settings import ConnectorSettings
from connectors.source import check as checking
from connectors.source.access import Access
from connectors.source.catalog import Catalog, Slot
from connectors.source.check import Source, SourceCheck
from connectors.source.findings import Code, Said
from connectors.source.memory import Memory, identity_of
from connectors.source.topic import PartitionState, TopicState
from tests.unit.connectors.test_source_judgement import CAPTURED, SOUND

CLOSED = "127.0.0.1:9"


@pytest.fixture
def settings() -> ConnectorSettings:
    return ConnectorSettings.model_validate(
        {
            "connect_url": f"http://{CLOSED}",
            "kafka_bootstrap": CLOSED,
            "warehouse_url": f"postgresql://warehouse:secret-1@{CLOSED}/warehouse",
            "database_url": f"postgresql://rewards_app:secret-2@{CLOSED}/sunroc_rewards",
            "capture_warehouse_password": "secret-3",
        }
    )


def test_what_does_not_answer_is_a_finding_and_never_well(settings: ConnectorSettings) -> None:
    with SourceCheck(settings) as check:
        found = check.look()

    assert [one.name for one in found] == ["warehouse", "rewards"]
    for one in found:
        assert {finding.code for finding in one.findings} == {
            Code.SOURCE_UNREADABLE,
            Code.CONNECT_UNREADABLE,
            Code.TOPIC_UNREADABLE,
        }
        assert not one.well
        assert (one.state, one.last_record_age_seconds) == ("UNKNOWN", None)


def test_finding_and_what_is_printed_of_access_hold_no_password(settings: ConnectorSettings) -> None:
    with SourceCheck(settings) as check:
        said = str([check.access, [one.describe() for one in check.look()]])

    assert "secret-" not in said


def topic(*ends: int) -> TopicState:
    return TopicState("id", {number: PartitionState(0, end, None) for number, end in enumerate(ends)})


@pytest.mark.parametrize(
    ("state", "now", "found"),
    [
        ("MISSING", topic(5, 5), set()),
        ("UNASSIGNED", topic(5, 5), set()),
        ("MISSING", topic(5, 6), {Code.SLOT_MISSING}),
        ("MISSING", TopicState("another", topic(5, 5).partitions), {Code.SLOT_MISSING}),
        ("MISSING", None, {Code.SLOT_MISSING}),
    ],
)
def test_slot_is_not_missed_before_anything_of_the_snapshot_has_come_while_connect_cannot_say_how_far_it_is(
    settings: ConnectorSettings, monkeypatch: pytest.MonkeyPatch, state: str, now: TopicState | None, found: set[Code]
) -> None:
    slotless = replace(SOUND, slot=None)
    known = Memory(identity_of(CAPTURED, SOUND, topic(5, 5), {0: 5, 1: 5}))
    monkeypatch.setattr(checking, "_read", lambda _access: Source(slotless, known))
    assert judged(settings, slotless, known, state, now) == found


@pytest.mark.parametrize(("now", "found"), [(topic(0, 0), set()), (topic(0, 3), {Code.SLOT_MISSING})])
def test_slot_is_not_missed_where_nothing_was_ever_captured(
    settings: ConnectorSettings, monkeypatch: pytest.MonkeyPatch, now: TopicState, found: set[Code]
) -> None:
    slotless = replace(SOUND, slot=None)
    monkeypatch.setattr(checking, "_read", lambda _access: Source(slotless, Memory(None)))
    assert judged(settings, slotless, Memory(None), "UNKNOWN", now) == found


def test_slot_that_was_made_while_the_others_were_asked_is_not_missing(
    settings: ConnectorSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    slotless = replace(SOUND, slot=None)
    known = Memory(identity_of(CAPTURED, SOUND, topic(5, 5), {0: 5, 1: 5}))
    assert isinstance(SOUND.slot, Slot)
    monkeypatch.setattr(checking, "_read", lambda _access: Source(SOUND, known))
    assert judged(settings, slotless, known, "RUNNING", topic(9, 9)) == set()


def judged(settings: ConnectorSettings, seen: Catalog, known: Memory, state: str, now: TopicState | None) -> set[Code]:
    """What is said of the slot; Connect does not answer."""
    said = Said("warehouse")
    with SourceCheck(settings) as check:
        access: Access = replace(check.access[0], captured=CAPTURED)
        check._judge_source(said, access, ConnectorState("warehouse", state), Source(seen, known), now)
    return {one.code for one in said.findings} & {Code.SLOT_MISSING}
