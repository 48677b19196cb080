"""The office's page of dead letters and its JSON: what is shown, and what can be decided."""

from __future__ import annotations

from typing import Any

import httpx
import psycopg2
import pytest

from streams.topics import INVOICES
from tests.integration.api.conftest import SignIn
from tests.integration.api.servers import Postgres
from tests.integration.api.test_api_sign_in import token_of

ADMIN, JOE = "Admin@Example.com", "joe@wasatch.example"
PAGE, JSON, DECISIONS = "/dead-letters", "/api/dead-letters", "/api/dead-letters/decisions"
SECRET = "bytes-of-the-record"


@pytest.fixture
def url(postgres: Postgres, database: str) -> str:
    return postgres.url(database)


def ask(url: str, question: str, *values: Any) -> list[tuple[Any, ...]]:
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(question, values or None)
        return [] if cursor.description is None else cursor.fetchall()


@pytest.fixture
def letters(url: str) -> list[int]:
    """Three open letters of a halted partition, whose topic goes up to 99."""
    ask(
        url,
        "INSERT INTO partition_progress (topic, partition, next_offset, halted_at, halted_reason, bad_records)"
        ' VALUES (%s, 3, 13, now(), \'10 rows in a row cannot be used\', \'{"in_a_row": [10, 11, "offset 12"], "window_rows": []}\')',
        INVOICES.name,
    )
    ask(
        url,
        "INSERT INTO consumer_lag (consumer_group, topic, partition, agent, end_offset, lag_records, lag_seconds, member,"
        " measured_at, unmeasured) VALUES ('rewards', %s, 3, 'invoices', 99, 86, 1, 'faust@10.0.0.1#ab', now(), 0)",
        INVOICES.name,
    )
    return [
        number
        for (number,) in ask(
            url,
            'INSERT INTO dead_letters (topic, partition, "offset", value, reason, detail, row_id)'
            " SELECT %s, 3, n, %s, 'missing_value', '<b>transaction_amount is NULL</b>', nullif(n, 12) FROM generate_series(10, 12) AS n"
            " RETURNING id",
            INVOICES.name,
            SECRET.encode(),
        )
    ]


def statuses(url: str) -> list[tuple[Any, ...]]:
    return ask(url, "SELECT status, note, decided_by FROM dead_letters ORDER BY id")


def progress(url: str) -> tuple[Any, ...]:
    (found,) = ask(
        url, "SELECT halted_at IS NOT NULL, accept_bad_until, bad_records FROM partition_progress WHERE partition = 3"
    )
    return found


def submit(client: httpx.Client, **form: Any) -> httpx.Response:
    return client.post(PAGE, data={"csrf_token": token_of(client.get(PAGE)), **form})


def test_page_shows_letters_and_what_waits_for_them_and_never_their_bytes(sign_in: SignIn, letters: list[int]) -> None:
    shown = sign_in(ADMIN).get(PAGE)
    assert "10 rows in a row cannot be used" in shown.text
    assert "&lt;b&gt;transaction_amount is NULL&lt;/b&gt;" in shown.text
    assert all(f'name="id" value="{number}"' in shown.text for number in letters)
    assert SECRET not in shown.text
    told = sign_in(ADMIN).get(JSON)
    assert SECRET not in told.text
    assert [(one["id"], one["row_id"], one["halted_at"] is not None) for one in told.json()["dead_letters"]] == [
        (letters[2], None, True),
        (letters[1], 11, True),
        (letters[0], 10, True),
    ]
    assert [(one["topic"], one["partition"]) for one in told.json()["halted"]] == [(INVOICES.name, 3)]


def test_page_without_letters_says_so(sign_in: SignIn) -> None:
    admin = sign_in(ADMIN)
    assert "Nothing is open" in admin.get(PAGE).text
    assert "No record was ever unusable" in admin.get(PAGE, params={"all": "true"}).text
    assert admin.get(JSON).json() == {"count": 0, "open_count": 0, "halted": [], "dead_letters": []}


def test_accepted_letters_let_their_partition_go_on_up_to_the_end_of_its_topic(
    sign_in: SignIn, letters: list[int], url: str
) -> None:
    admin = sign_in(ADMIN)
    assert submit(admin, decision="accept", id=letters).status_code == 303
    assert {status for status, *_ in statuses(url)} == {"accepted"}
    assert statuses(url)[0][2] == ADMIN
    assert progress(url) == (False, 99, {})
    assert "accepted" in admin.get(PAGE, params={"all": "true"}).text
    before = ask(url, "SELECT max(decided_at) FROM dead_letters")
    assert submit(admin, decision="accept", id=letters).status_code == 303
    assert ask(url, "SELECT max(decided_at) FROM dead_letters") == before


def test_all_can_be_accepted_at_once(sign_in: SignIn, letters: list[int], url: str) -> None:
    assert submit(sign_in(ADMIN), decision="accept", everything="true").status_code == 303
    assert {status for status, *_ in statuses(url)} == {"accepted"}
    assert not progress(url)[0]


def test_discard_needs_a_reason_and_lets_a_partition_go_on_once_nothing_is_open_that_it_was_halted_for(
    sign_in: SignIn, letters: list[int], url: str
) -> None:
    admin = sign_in(ADMIN)
    refused = submit(admin, decision="discard", id=letters, reason="  ")
    assert refused.status_code == 422
    assert "Please say why" in refused.text
    assert {status for status, *_ in statuses(url)} == {"open"}
    # One that has long been open, and that the partition is not halted for.
    ask(
        url,
        "INSERT INTO dead_letters (topic, partition, \"offset\", reason, detail, row_id) VALUES (%s, 3, 2, 'bad_date', '', 2)",
        INVOICES.name,
    )
    assert submit(admin, decision="discard", id=letters[:2], reason="a trial").status_code == 303
    assert progress(url)[0]
    assert submit(admin, decision="discard", id=letters[2], reason="a trial").status_code == 303
    assert statuses(url) == [*[("discarded", "a trial", ADMIN)] * 3, ("open", None, None)]
    assert progress(url) == (False, 0, {})


def test_retry_is_asked_for_and_the_worker_does_it(sign_in: SignIn, letters: list[int], url: str) -> None:
    admin = sign_in(ADMIN)
    assert submit(admin, decision="retry", id=letters[0]).status_code == 303
    assert ask(url, "SELECT id FROM dead_letters WHERE retry_requested_at IS NOT NULL") == [(letters[0],)]
    assert "being tried again" in admin.get(PAGE).text
    ask(url, "UPDATE dead_letters SET value = NULL")
    assert "its bytes were not kept" in submit(admin, decision="retry", id=letters[1]).text


def test_nothing_chosen_is_said(sign_in: SignIn, letters: list[int], url: str) -> None:
    refused = submit(sign_in(ADMIN), decision="accept")
    assert refused.status_code == 422
    assert "Please choose" in refused.text
    assert progress(url)[0]


def test_decision_of_a_letter_that_was_decided_otherwise_is_refused(
    sign_in: SignIn, letters: list[int], url: str
) -> None:
    admin = sign_in(ADMIN)
    body = {"decision": "discard", "ids": letters, "reason": "a trial"}
    assert admin.post(DECISIONS, json=body).json()["done"] == letters
    assert admin.post(DECISIONS, json=body).json()["already"] == letters
    told = admin.post(DECISIONS, json={"decision": "accept", "ids": [letters[0], 10_000]}).json()
    assert told["done"] == []
    assert told["refused"][str(letters[0])] == "it is discarded already"
    assert "there is no such dead letter" in told["refused"]["10000"]


def test_form_without_its_token_and_a_customer_decide_nothing(sign_in: SignIn, letters: list[int], url: str) -> None:
    assert sign_in(ADMIN).post(PAGE, data={"decision": "accept", "everything": "true"}).status_code == 403
    joe = sign_in(JOE)
    assert joe.post(DECISIONS, json={"decision": "accept"}).status_code == 403
    assert joe.post(PAGE, data={"decision": "accept", "everything": "true"}).status_code == 403
    assert {status for status, *_ in statuses(url)} == {"open"}


def test_lag_page_names_the_halted_partition_and_leads_to_its_letters(sign_in: SignIn, letters: list[int]) -> None:
    admin = sign_in(ADMIN)
    for address in ("/lag", "/lag/agents"):
        shown = admin.get(address).text
        assert f"{INVOICES.name}, partition 3, is halted since" in shown
        assert "1 partition halted" in shown
        assert 'href="/dead-letters"' in shown
    ((agent,),) = [admin.get("/api/lag").json()["agents"]]
    assert [row["halted_reason"] for row in agent["partitions"]] == ["10 rows in a row cannot be used"]
