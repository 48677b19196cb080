from __future__ import annotations

import pytest

from connectors.settings import ConnectorSettings
from connectors.source.check import SourceCheck
from connectors.source.findings import Code

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
