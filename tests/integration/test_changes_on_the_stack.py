"""Every kind of change, by SQL in the warehouse, through Debezium, Kafka and the worker, to points in sunroc_rewards."""

from __future__ import annotations

import datetime as dt

import psycopg2
import pytest

from tests import from_scratch
from tests.integration.invoices import enrol, execute, insert, insert_with, log, points, query, row
from tests.stack import Stack

TODAY = dt.date(2026, 3, 1)
"""The stack's business date, or later: other tests move it on, so these dates lie before it."""
BILLED = dt.date(2026, 1, 5)
PAID = dt.date(2026, 1, 20)
DUE = dt.date(2026, 2, 25)
"""No penalty before 2026-03-28."""


@pytest.fixture(autouse=True)
def _agrees_with_a_computation_from_scratch(stack: Stack) -> object:
    yield
    stack.wait()
    assert from_scratch.differences(stack.address("warehouse"), stack.address("rewards")) == []


def test_paid_invoice_gives_points_with_one_entry_that_says_why(stack: Stack) -> None:
    group = enrol(stack, "C-paid")
    # The enrolment comes another way than the invoice: had it come later, it would be the cause.
    stack.wait()
    insert(stack, row("C-paid", "D-1", BILLED, "1250.99", transaction_due_date=DUE))
    (payment,) = insert(stack, row("C-paid", "D-1", PAID, "-1250.99", payment=True))

    assert points(stack, "C-paid") == {"SBM": (1250, 0)}
    (entry,) = log(stack, "C-paid")
    assert entry[:4] == ("reward", 0, 0, 1250)
    assert entry[4].startswith(f"change of row {payment} at 0/")
    ((balance, facts, transaction, committed_at),) = query(
        stack,
        "SELECT b.balance, e.facts, e.source_transaction, e.committed_at"
        " FROM point_entries e JOIN reward_group_balances b USING (reward_group_id)"
        " WHERE e.reward_group_id = %s",
        group,
    )
    assert balance == 1250
    assert (facts["billed"], facts["paid"], facts["open"], facts["settled_on"]) == (
        "1250.99",
        "1250.99",
        "0.00",
        "2026-01-20",
    )
    assert transaction.startswith("warehouse:")
    assert committed_at is not None


def test_lines_and_payment_of_one_transaction_write_one_entry(stack: Stack) -> None:
    enrol(stack, "C-lines")
    insert(
        stack,
        row("C-lines", "D-1", BILLED, "100.00", transaction_due_date=DUE),
        row("C-lines", "D-1", BILLED, "250.00", transaction_due_date=DUE, product_line_name="Construction"),
        row("C-lines", "D-1", PAID, "-350.00", payment=True),
    )

    assert points(stack, "C-lines") == {"SBM": (162, 0)}
    assert [entry[:4] for entry in log(stack, "C-lines")] == [("reward", 0, 0, 162)]


def test_corrections_move_points_with_the_rows(stack: Stack) -> None:
    enrol(stack, "C-from")
    enrol(stack, "C-to")
    invoice, payment = insert(
        stack,
        row("C-from", "D-1", BILLED, "80.00", transaction_due_date=DUE),
        row("C-from", "D-1", PAID, "-80.00", payment=True),
    )
    assert points(stack, "C-from") == {"SBM": (80, 0)}

    execute(
        stack, "warehouse", "UPDATE invoice_transactions SET transaction_amount = 70 WHERE transaction_id = %s", invoice
    )
    assert points(stack, "C-from") == {"SBM": (70, 0)}
    execute(
        stack,
        "warehouse",
        "UPDATE invoice_transactions SET transaction_id = %s WHERE transaction_id = %s",
        invoice + 5_000_000,
        invoice,
    )
    assert points(stack, "C-from") == {"SBM": (70, 0)}
    both = (invoice + 5_000_000, payment)
    execute(
        stack,
        "warehouse",
        "UPDATE invoice_transactions SET customer_master_id = 'C-to' WHERE transaction_id IN %s",
        both,
    )
    assert points(stack, "C-from") == {"SBM": (0, 0)}
    assert points(stack, "C-to") == {"SBM": (70, 0)}
    execute(
        stack,
        "warehouse",
        "UPDATE invoice_transactions SET company_abbreviation = 'GRP' WHERE transaction_id IN %s",
        both,
    )
    assert points(stack, "C-to") == {"SBM": (0, 0), "GRP": (70, 0)}
    execute(
        stack, "warehouse", "UPDATE invoice_transactions SET customer_master_id = NULL WHERE transaction_id IN %s", both
    )
    assert points(stack, "C-to") == {"SBM": (0, 0), "GRP": (0, 0)}
    execute(
        stack,
        "warehouse",
        "UPDATE invoice_transactions SET customer_master_id = 'C-to' WHERE transaction_id IN %s",
        both,
    )
    execute(stack, "warehouse", "DELETE FROM invoice_transactions WHERE transaction_id = %s", payment)
    assert points(stack, "C-to")["GRP"][0] == 0


def test_rows_without_a_description_are_invoices_of_their_own(stack: Stack) -> None:
    enrol(stack, "C-own")
    insert(
        stack,
        row("C-own", None, BILLED, "40.00"),
        row("C-own", None, BILLED, "-15.00"),
        row("C-own", "", BILLED, "-5.00"),
    )

    # The charge is unpaid; each credit is settled the day it is written.
    assert points(stack, "C-own")["SBM"][0] <= -20
    documents = query(stack, "SELECT document, transaction_id IS NULL FROM invoices WHERE customer_master_id = 'C-own'")
    assert documents == [(None, False)] * 3


def test_enrolment_its_day_and_its_end_evaluate_the_customers_invoices_again(stack: Stack) -> None:
    insert(
        stack,
        row("C-late", "D-1", BILLED, "60.00", transaction_due_date=DUE),
        row("C-late", "D-1", PAID, "-60.00", payment=True),
    )
    assert points(stack, "C-late") == {}

    first = enrol(stack, "C-late", BILLED)
    assert points(stack, "C-late") == {"SBM": (60, 0)}
    execute(
        stack,
        "rewards",
        "UPDATE customers_reward_groups SET enrolled_at = %s WHERE customer_master_id = 'C-late'",
        BILLED + dt.timedelta(1),
    )
    assert points(stack, "C-late") == {"SBM": (0, 0)}
    execute(
        stack,
        "rewards",
        "UPDATE customers_reward_groups SET enrolled_at = %s WHERE customer_master_id = 'C-late'",
        BILLED,
    )
    with stack.cursor("rewards") as cursor:
        cursor.execute("INSERT INTO reward_groups (name) VALUES ('Another') RETURNING id")
        (second,) = cursor.fetchone()
        cursor.execute(
            "UPDATE customers_reward_groups SET reward_group_id = %s WHERE customer_master_id = 'C-late'", (second,)
        )
    assert points(stack, "C-late") == {"SBM": (60, 0)}
    balances = dict(
        query(
            stack,
            "SELECT reward_group_id, balance FROM reward_group_balances WHERE reward_group_id IN %s",
            (first, second),
        )
    )
    assert balances == {first: 0, second: 60}
    execute(stack, "rewards", "DELETE FROM customers_reward_groups WHERE customer_master_id = 'C-late'")
    assert points(stack, "C-late") == {"SBM": (0, 0)}
    assert [cause for *_, cause in log(stack, "C-late")][-1] == "enrolment ended"


def test_bad_rows_count_for_nothing_until_corrected_and_stand_in_the_dead_letters(stack: Stack) -> None:
    enrol(stack, "C-bad")
    invoice, payment = insert(
        stack,
        row("C-bad", "D-1", BILLED, "90.00", transaction_due_date=DUE),
        row("C-bad", "D-1", PAID, "-90.00", payment=True),
    )
    assert points(stack, "C-bad") == {"SBM": (90, 0)}
    for reason, setting, mended in (
        ("both_types", "transaction_type_rewards_payment = true", "transaction_type_rewards_payment = false"),
        ("bad_amount", "transaction_amount = 'NaN'", "transaction_amount = 90"),
        ("missing_value", "transaction_amount = NULL", "transaction_amount = 90"),
        ("bad_date", "transaction_due_date = '1999-12-31'", f"transaction_due_date = '{DUE}'"),
    ):
        execute(stack, "warehouse", f"UPDATE invoice_transactions SET {setting} WHERE transaction_id = %s", invoice)
        assert points(stack, "C-bad") == {"SBM": (0, 0)}, reason
        letters = query(
            stack,
            "SELECT topic, key, value, reason FROM dead_letters WHERE reason = %s AND key LIKE '%%C-bad%%'",
            reason,
        )
        ((topic, key, value, _),) = letters
        assert topic == "warehouse.public.invoice_transactions"
        assert bytes(key) == b'{"customer_master_id":"C-bad"}'
        assert str(invoice).encode() in bytes(value)
        execute(stack, "warehouse", f"UPDATE invoice_transactions SET {mended} WHERE transaction_id = %s", invoice)
        assert points(stack, "C-bad") == {"SBM": (90, 0)}, reason
    execute(
        stack,
        "warehouse",
        "UPDATE invoice_transactions SET transaction_type_rewards_payment = false WHERE transaction_id = %s",
        payment,
    )
    assert points(stack, "C-bad")["SBM"][0] <= 0, "of neither type: ignored, so that the invoice is unpaid"


def test_truncate_and_reload_changes_no_balance_and_writes_no_entry(stack: Stack) -> None:
    group = enrol(stack, "C-reload")
    insert(
        stack,
        row("C-reload", "D-1", BILLED, "500.00", transaction_due_date=DUE),
        row("C-reload", "D-1", PAID, "-500.00", payment=True),
    )
    gone, kept = insert(stack, row("C-reload", "D-2", BILLED, "-30.00"), row("C-reload", "D-3", BILLED, "-7.00"))
    assert points(stack, "C-reload") == {"SBM": (463, 0)}
    before = query(stack, "SELECT count(*) FROM point_entries")

    with stack.cursor("warehouse") as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE kept AS SELECT * FROM invoice_transactions WHERE transaction_id <> %s", (gone,)
        )
        cursor.execute("TRUNCATE invoice_transactions")
        cursor.execute("INSERT INTO invoice_transactions SELECT * FROM kept")

    assert points(stack, "C-reload") == {"SBM": (493, 0)}, "what did not come back is gone, and nothing else"
    (entries,) = query(stack, "SELECT count(*) - %s FROM point_entries", before[0][0])
    assert entries == (1,)
    assert log(stack, "C-reload")[-1][:4] == ("reward", 0, -30, 0)
    assert log(stack, "C-reload")[-1][4].startswith("reload after the truncate at 0/")
    history = query(
        stack, "SELECT sum(delta) OVER (ORDER BY id) FROM point_entries WHERE reward_group_id = %s ORDER BY id", group
    )
    assert [int(total) for (total,) in history] == [500, 470, 463, 493]
    assert kept


def test_entries_can_be_neither_changed_nor_deleted_by_the_application(stack: Stack) -> None:
    for statement in ("UPDATE point_entries SET delta = 1", "DELETE FROM point_entries", "TRUNCATE point_entries"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            execute(stack, "rewards", statement)


def test_large_transaction_that_is_cut_into_batches_writes_an_entry_an_invoice(stack: Stack) -> None:
    group = enrol(stack, "C-large")
    lines, invoices = 12_000, 300
    with stack.cursor("warehouse") as cursor:
        # All charges first, all payments last, so that every invoice is spread over the whole transaction.
        charges = [row("C-large", f"D-{n % invoices}", BILLED, "2.00", transaction_due_date=DUE) for n in range(lines)]
        payments = [
            row("C-large", f"D-{n}", PAID, f"-{2 * lines // invoices}.00", payment=True) for n in range(invoices)
        ]
        insert_with(cursor, *charges)
        insert_with(cursor, *payments)

    assert points(stack, "C-large") == {"SBM": (2 * lines, 0)}
    ((entries, transactions),) = query(
        stack,
        "SELECT count(*), count(DISTINCT source_transaction) FROM point_entries WHERE reward_group_id = %s",
        group,
    )
    assert (entries, transactions) == (invoices, 1)


def test_rows_deleted_and_inserted_again_in_one_transaction_write_no_entry(stack: Stack) -> None:
    """Whatever reaches the broker first, the rows or the end: half of the transaction would take points away and give them back."""
    customers = [f"C-again-{number}" for number in range(24)]
    for customer in customers:
        enrol(stack, customer)
    insert(
        stack,
        *(row(customer, f"D-{number}", BILLED, "10.00") for customer in customers for number in range(100)),
        *(
            row(customer, f"D-{number}", PAID, "-10.00", payment=True)
            for customer in customers
            for number in range(100)
        ),
    )
    assert points(stack, customers[0]) == {"SBM": (1000, 0)}
    written = query(stack, "SELECT count(*) FROM point_entries WHERE customer_master_id LIKE 'C-again-%%'")
    assert written == [(2_400,)]

    for _ in range(5):
        with stack.cursor("warehouse") as cursor:
            cursor.execute(
                "CREATE TEMPORARY TABLE kept ON COMMIT DROP AS"
                " SELECT * FROM invoice_transactions WHERE customer_master_id LIKE 'C-again-%'"
            )
            cursor.execute("DELETE FROM invoice_transactions WHERE customer_master_id LIKE 'C-again-%'")
            cursor.execute("INSERT INTO invoice_transactions SELECT * FROM kept")
    stack.wait()

    assert query(stack, "SELECT count(*) FROM point_entries WHERE customer_master_id LIKE 'C-again-%%'") == written
    assert query(stack, "SELECT count(*) FROM point_entries WHERE part > 0") == [(0,)]


def test_points_taken_by_days_that_were_opened_carry_their_own_dates(stack: Stack) -> None:
    enrol(stack, "C-days")
    billed = dt.date(2026, 2, 20)
    insert(stack, row("C-days", "D-1", billed, "10.50", transaction_due_date=dt.date(2026, 3, 20)))
    insert(stack, row("C-days", "D-2", dt.date(2026, 4, 10), "-4.00"))
    stack.wait()
    today = dt.date.fromisoformat(stack.status["business_date"])
    assert today < dt.date(2026, 4, 1), "the day is moved here and nowhere before"
    assert points(stack, "C-days") == {"SBM": (0, 10)}

    stack.command("day", "--to", "2026-04-19")
    assert points(stack, "C-days") == {"SBM": (-4, 0)}
    stack.command("day", "--to", "2026-05-20")
    assert points(stack, "C-days") == {"SBM": (-24, 0)}
    assert [(kind, stage, after) for kind, stage, _, after, _ in log(stack, "C-days")] == [
        ("reward", 0, -4),
        ("penalty", 1, -10),
        ("penalty", 2, -10),
    ]
    dates = query(
        stack, "SELECT effective_on::text, cause FROM point_entries WHERE customer_master_id = 'C-days' ORDER BY id"
    )
    assert dates == [
        ("2026-04-10", "day 2026-04-19"),
        ("2026-04-20", "day 2026-05-20"),
        ("2026-05-20", "day 2026-05-20"),
    ]
    back = stack.command("day", "--to", "2026-01-01", check=False)
    assert back.returncode == 1
    assert "cannot go back" in back.stderr
