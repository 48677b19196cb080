from __future__ import annotations

import pytest

from api.core.listener import customers_of


def test_payloads_are_joined() -> None:
    assert customers_of(['["M-1001"]', '["M-1002","M-1001"]']) == frozenset({"M-1001", "M-1002"})


@pytest.mark.parametrize("payload", ["*", "", "{}", "not json", "7"])
def test_payload_that_names_nobody_means_anybody(payload: str) -> None:
    assert customers_of(['["M-1001"]', payload]) is None
