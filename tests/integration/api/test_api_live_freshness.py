"""How old the points are: a page that is open is told by the watermarks that have come by, each customer by its own partition's."""

from __future__ import annotations

import pytest

from streams.keys import partition_of
from tests.integration.api.conftest import SignIn
from tests.integration.api.ledger import Ledger
from tests.integration.api.test_api_live import JOE, watching

PAGE = "/customers/M-1001/events"
DAY = 86_400.0


@pytest.mark.parametrize("page", [PAGE, "/groups/1/events"])
def test_page_is_told_that_the_stream_stands_and_that_it_goes_on(sign_in: SignIn, ledger: Ledger, page: str) -> None:
    ledger.watermarks(-DAY)
    with watching(sign_in(JOE), page) as stream:
        assert stream.next()["behind"] in {0, None}
        # The site may not have read it yet.
        ledger.watermarks(30)
        while (told := stream.next())["behind"] in {0, None}:
            pass
        assert 29 <= told["behind"] <= 33
        ledger.watermarks(-DAY)
        assert stream.next() == {"behind": 0}


def test_what_is_not_known_is_said_to_be_unknown(sign_in: SignIn, ledger: Ledger) -> None:
    joe = sign_in(JOE)
    assert joe.get(f"{PAGE}?once=true").json()["behind"] is None


def test_partition_of_others_that_stands_is_not_ones_own(sign_in: SignIn, ledger: Ledger) -> None:
    ledger.watermarks(-DAY)
    own = partition_of("M-1001")
    with watching(sign_in(JOE), PAGE) as stream:
        if stream.next()["behind"] is None:
            assert stream.next() == {"behind": 0}
        ledger.watermarks(3 * DAY, partition=(own + 1) % 8)
        ledger.watermarks(20, partition=own)
        assert 19 <= stream.next()["behind"] <= 23
