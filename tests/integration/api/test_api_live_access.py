"""A page that is open loses its stream with its viewer's access, and is sent nothing that the viewer may no longer see."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx
import pytest
from sqlalchemy import text

from tests.integration.api.conftest import PASSWORDS, SignIn
from tests.integration.api.ledger import Ledger, tell_changed
from tests.integration.api.servers import Postgres, running_site
from tests.integration.api.test_api_live import ADMIN, JOE, Stream, watching

PAGE = "/customers/M-1001/events"


def change(ledger: Ledger, statement: str, **values: object) -> None:
    with ledger.writing() as session:
        session.execute(text(statement), values)


def deactivate(ledger: Ledger) -> None:
    change(ledger, "UPDATE users SET role_id = 9 WHERE email = :email", email=JOE)


def choose_another_password(ledger: Ledger) -> None:
    change(ledger, "UPDATE users SET password_hash = 'another' WHERE email = :email", email=JOE)


def remove(ledger: Ledger) -> None:
    change(ledger, "DELETE FROM users WHERE email = :email", email=JOE)


def close_the_group(ledger: Ledger) -> None:
    change(ledger, "UPDATE reward_groups SET status = 'closed' WHERE id = 1")


def move_the_user(ledger: Ledger) -> None:
    change(ledger, "UPDATE users SET reward_group_id = 2 WHERE email = :email", email=JOE)


def move_the_customer(ledger: Ledger) -> None:
    change(ledger, "UPDATE customers_reward_groups SET reward_group_id = 2 WHERE customer_master_id = 'M-1001'")


LOSSES = {
    "deactivated": (deactivate, 401),
    "another_password": (choose_another_password, 401),
    "removed": (remove, 401),
    "group_closed": (close_the_group, 403),
    "user_moved": (move_the_user, 403),
    "customer_moved": (move_the_customer, 403),
}
EACH_LOSS = pytest.mark.parametrize(("lose", "status"), LOSSES.values(), ids=LOSSES)


@EACH_LOSS
def test_lost_access_ends_the_stream_at_the_next_change_which_is_not_sent(
    sign_in: SignIn, ledger: Ledger, lose: Callable[[Ledger], None], status: int
) -> None:
    ledger.entry("M-1001", 100)
    ledger.entry("M-1002", 777, group=2)
    with watching(sign_in(JOE), PAGE) as stream:
        stream.next()
        lose(ledger)
        ledger.entry("M-1001", 5)
        assert stream.next() == {"status": status}
        assert stream.closed.wait(5)
        assert stream.updates.empty()


@EACH_LOSS
def test_lost_access_ends_the_stream_of_a_page_on_which_nothing_changes(
    postgres: Postgres, database: str, ledger: Ledger, lose: Callable[[Ledger], None], status: int
) -> None:
    with (
        running_site(postgres.url(database), live_authorize_seconds=0.5) as site,
        httpx.Client(base_url=site, timeout=20) as client,
    ):
        client.post("/api/session", json={"email": JOE, "password": PASSWORDS[JOE]})
        with watching(client, PAGE) as stream:
            stream.next()
            time.sleep(1)
            lose(ledger)
            assert stream.next() == {"status": status}
            assert stream.closed.wait(5)


def test_office_keeps_its_page_of_a_customer_whose_group_loses_it(sign_in: SignIn, ledger: Ledger) -> None:
    ledger.entry("M-1001", 100)
    with watching(sign_in(JOE), PAGE) as his, watching(sign_in(ADMIN), PAGE) as hers:
        his.next()
        hers.next()
        move_the_customer(ledger)
        with ledger.writing() as session:
            tell_changed(session, '["M-1001"]')
        assert his.next() == {"status": 403}
        assert hers.next()["numbers"]["balance"] == "0"


def test_customer_of_whom_nothing_is_known_any_more_ends_its_page(sign_in: SignIn, ledger: Ledger) -> None:
    ledger.invoice("M-5000", "1", "10.00", reward_group_id=None)
    with watching(sign_in(ADMIN), "/customers/M-5000/events") as stream:
        stream.next()
        change(ledger, "DELETE FROM invoices WHERE customer_master_id = 'M-5000'")
        change(ledger, "DELETE FROM customer_points WHERE customer_master_id = 'M-5000'")
        with ledger.writing() as session:
            tell_changed(session, "*")
        assert stream.next() == {"status": 404}


@pytest.mark.parametrize("address", [PAGE, "/groups/1/events"])
@pytest.mark.parametrize("once", ["", "?once=true"])
def test_streams_and_single_answers_are_refused_as_pages_are(
    anybody: httpx.Client, sign_in: SignIn, ledger: Ledger, address: str, once: str
) -> None:
    ledger.member("M-2001", 2)
    assert anybody.get(address + once).status_code == 401
    other = sign_in(JOE)
    for foreign in ("/customers/M-2001/events", "/customers/nobody/events", "/groups/2/events"):
        assert other.get(foreign + once).status_code == 403


def test_stream_that_ended_is_forgotten(sign_in: SignIn, ledger: Ledger) -> None:
    joe = sign_in(JOE)
    with watching(joe, PAGE) as stream:
        stream.next()
        deactivate(ledger)
        ledger.entry("M-1001", 5)
        assert stream.next() == {"status": 401}
    change(ledger, "UPDATE users SET role_id = 4 WHERE email = :email", email=JOE)
    again = Stream(joe, PAGE)
    try:
        assert again.next()["numbers"]["balance"] == "5"
    finally:
        again.stop()
